"""Whether an attack failed for reasons that say nothing of the model's robustness (Pintor et al. 2022)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from limen import catalog
from limen.classifier import Classifier
from limen.errors import LimenError, LimenWarning, shown
from limen.evaluation.context import Batch, Context
from limen.evaluation.indicators.describe import describe
from limen.evaluation.indicators.indicator import Finding, Indicator
from limen.evaluation.indicators.table import INDICATORS, chosen
from limen.evaluation.indicators.trial import Effort, Subject, Trial
from limen.evaluation.protocol import evaluation
from limen.identity import Named
from limen.runs import Part, Run
from limen.safety import check_count

SCHEMA = pa.schema(
    [
        ("attack", pa.string()),
        ("id", pa.string()),
        ("indicator", pa.string()),
        ("value", pa.float64()),
        ("climb", pa.int64()),
        ("step", pa.int64()),
        ("look", pa.int64()),
        ("objective", pa.float64()),
        ("margin", pa.float64()),
        ("success", pa.bool_()),
        ("l2", pa.float64()),
        ("linf", pa.float64()),
        ("gradient", pa.float64()),
    ]
)
"""A row for each attack, image and indicator, and one for each attack, image and look of the trace."""

_TRACED = ("climb", "step", "objective", "margin", "success", "l2", "linf", "gradient")
_EVERY, _LATER = 100, 300


@evaluation("Indicators of a failed attack", describe, by_batch=True)
def indicators(
    run: Run,
    context: Context,
    *,
    images: int = 16,
    only: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
    defense: str | None = None,
    draws: int = 100,
    queries: int = 200,
) -> Iterator[Part]:
    """Signs that the attacks of a run failed for reasons that say nothing of the model's robustness.

    Each attack is made again on the first images that the classifier has right, with a trace, and in other
    ways: without a bound, with twice the budget, with half of the steps; and noise and an attack without a
    gradient stand beside it. An indicator gives a number per image; `findings` says what they mean together.

    Args:
        run: The run.
        context: What the evaluation is given.
        images: On how many images at most; each costs some times what attacking it cost.
        only: The indicators to measure, by their keys or specs; all of `INDICATORS` if none is given.
        also: Specs of further ones, such as `python:FILE.py:NAME`.
        defense: Spec of a defence, or of a chain, before the classifier that the attacks did not see: then
            the defended classifier is the one whose robustness is in question.
        draws: How many draws of noise predictions are tried in; an attack is compared with 20 at most.
        queries: How many passes the attack without a gradient has.

    Raises:
        UsageError: If a spec or a number cannot be followed, or there is no such indicator.

    Source:
        Pintor et al. 2022, Indicators of attack failure: debugging and improving optimization of adversarial
        examples. Croce & Hein 2020, the flags of AutoAttack. Carlini et al. 2019, On evaluating adversarial
        robustness.
    """
    wanted = chosen(only, also)
    for each in wanted:
        if isinstance(each.measure, Named):
            context.note_code(f"indicator {each.key}", each.measure.identity)
    check_count("images", images)
    effort = Effort(check_count("draws", draws), check_count("queries", queries))
    source, subject = _classifiers(run, context, defense)
    few = {
        label: dict(sorted(ids.items(), key=lambda each: each[1])[:images])
        for label, ids in context.correct().items()
    }
    for batch in context.batches(few, source):
        known = Known(run, batch, subject, effort)
        for label, rows, ids in batch.remaining():
            yield Part(_records(label, ids, known, rows, source, wanted, context))


class Known:
    """What is known of a batch whatever the attack is, found when it is first asked for.

    What an indicator says of the model is measured once, for all attacks.
    """

    def __init__(self, run: Run, batch: Batch, classifier: Classifier, effort: Effort) -> None:
        settings, table = run.manifest.settings, run.table()
        column = "target" if settings.targeted else "label"
        goals = dict(zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True))
        self.run, self.classifier, self.effort, self.batch = run, classifier, effort, batch
        self.goals = torch.tensor([goals[each] for each in batch.ids], device=batch.originals.device)
        self.subject = self.at(range(len(batch.ids)))
        self._values: dict[str, np.ndarray] = {}

    def at(self, rows: Sequence[int]) -> Subject:
        """The images at these places of the batch."""
        places, batch = list(rows), self.batch
        ids, settings = [batch.ids[row] for row in places], self.run.manifest.settings
        return Subject(
            self.classifier, batch.originals[places], self.goals[places], ids, settings, self.effort
        )

    def of_model(self, each: Indicator) -> np.ndarray:
        """What an indicator of the model says of every image of the batch."""
        if each.key not in self._values:
            self._values[each.key] = numbers_of(each, self.subject)
        return self._values[each.key]


def of_model_alone(subjects: Sequence[Subject]) -> list[Finding]:
    """What each indicator of the model says, found or not, before any attack.

    Args:
        subjects: The model with some images each, as many as fit side by side.
    """
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        for each in INDICATORS.values():
            if each.of == "model":
                values = [numbers_of(each, subject) for subject in subjects]
                found.append(each.judge("", np.concatenate(values)))
    return found


def _classifiers(run: Run, context: Context, defense: str | None) -> tuple[Classifier, Classifier]:
    """The classifier that the attacks followed, and the one whose robustness is in question."""
    if defense is None:
        return context.classifier, context.classifier
    shields = catalog.chain(defense)
    for shield in shields:
        context.note_code(f"defense {shield.identity.name}", shield.identity)
    return context.classifier, catalog.behind(context.classifier, shields)


def _records(
    label: str,
    ids: Sequence[str],
    known: Known,
    rows: Sequence[int],
    source: Classifier,
    wanted: Sequence[Indicator],
    context: Context,
) -> pa.Table:
    """All that is measured of one attack on some images of a batch."""
    values, paths = {}, []
    with warnings.catch_warnings(), context.named_by_run():
        warnings.simplefilter("ignore", LimenWarning)  # what attacks doubt is what is measured here
        values |= {each.key: known.of_model(each)[rows] for each in wanted if each.of == "model"}
        if of_attack := [each for each in wanted if each.of == "attack"]:
            identity = known.run.manifest.attack(label).identity
            adaptive = known.run.manifest.settings.adaptive
            masks = context.masks(ids) if "mask" in identity.parameters else None
            trial = Trial(known.at(rows), source, identity, adaptive, masks)
            values |= {each.key: numbers_of(each, trial) for each in of_attack}
            paths = trial.paths
    tables = [
        pa.table({"id": list(ids), "indicator": [key] * len(ids), "value": pa.array(each, from_pandas=True)})
        for key, each in values.items()
    ]
    tables += [_path(image_id, path) for image_id, path in zip(ids, paths, strict=False)]
    table = pa.concat_tables(tables, promote_options="permissive")
    columns: dict[str, Any] = {
        name: table[name] if name in table.column_names else pa.nulls(len(table), kind)
        for name, kind in zip(SCHEMA.names, SCHEMA.types, strict=True)
        if name != "attack"
    }
    return pa.table({"attack": [label] * len(table), **columns}).cast(SCHEMA)


def numbers_of(each: Indicator, asked: Subject | Trial) -> np.ndarray:
    """What an indicator says of each image (n,).

    Raises:
        LimenError: If one of the user's own gives something else than a number per image.
    """
    subject, values = asked if isinstance(asked, Subject) else asked.subject, each.measure(asked)
    if not isinstance(values, torch.Tensor) or values.shape != (len(subject.ids),):
        given = tuple(values.shape) if isinstance(values, torch.Tensor) else shown(values)
        raise LimenError(
            f"indicator {each.key} gives {given} for {len(subject.ids)} images; it must give a tensor (n,), "
            "a number per image"
        )
    return values.detach().double().cpu().numpy()


def _path(image_id: str, path: dict[str, np.ndarray]) -> pa.Table:
    """The looks of an image, each with whether it or one before it was a success."""
    looks = kept(len(path["step"]))
    whole = {**path, "success": np.logical_or.accumulate(path["success"])}
    columns = {name: pa.array(whole[name][looks], from_pandas=True) for name in _TRACED}
    return pa.table({"id": [image_id] * len(looks), "look": looks, **columns})


def kept(count: int) -> np.ndarray:
    """Which of so many looks are kept: the first hundred, and of those after them fewer and fewer.

    Example:
        >>> kept(3).tolist(), len(kept(10_000)) < 300
        ([0, 1, 2], True)
    """
    later = np.geomspace(_EVERY, 1e6, _LATER).astype(np.int64)
    places = np.unique(np.concatenate([np.arange(_EVERY), later]))
    return places[places < count]
