"""What is left of attacks behind defences, known to them or not (Dong et al. 2020, Section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
import torch
from torch import Tensor

from limen import catalog
from limen.catalog.budget_search import restored
from limen.classifier import Classifier
from limen.evaluation.adaptive_attack import AdaptiveAttack
from limen.evaluation.cleans import as_stored, logits_of
from limen.evaluation.context import Context
from limen.evaluation.defence_rates import describe
from limen.evaluation.defence_success import ADAPTIVE, UNAWARE
from limen.evaluation.protocol import evaluation
from limen.evaluation.shields import SWEEPS, Shield, read_shields
from limen.images import to_uint8
from limen.runs import Part, Run
from limen.safety import check_count


@evaluation("Behind defences", describe, by_batch=True)
def defenses(
    run: Run,
    context: Context,
    *,
    defense: tuple[str, ...] = (),
    of: Literal["right_behind", "right"] = "right_behind",
    adaptive: bool = False,
    draws: int = 1,
    seed: int = 0,
) -> Iterator[Part]:
    """What the run's classifier says of stored images behind defences, and of images made to pass them.

    Only images that the classifier has right have records; of these, those count that it has right behind
    the defence as well, unless `of` says otherwise. An image on which the attack failed is stored as it was.

    Args:
        run: The run.
        context: What the evaluation is given.
        defense: Specs of defences, or of chains; several values of one parameter are a sweep. The sweeps of
            the paper if none is given.
        of: Of which images success is a share. `right_behind`: of those that the classifier has right behind
            the defence without an attack, so that what the defence spoils by itself is no success. `right`:
            of all that it has right without one; behind it another prediction than that is a success.
        adaptive: Whether each attack is also made anew with each defence known to it, which takes as long as
            the run took, times the number of defences and strengths.
        draws: How many draws of a random defence each pass of such an attack is the mean of.
        seed: Of what is random in defences.

    Raises:
        UsageError: If a spec cannot be followed.

    Source:
        Dong et al. 2020, Robust superpixel-guided attentional adversarial attack, Section 4.2. `right`: Hua
        et al., Figure 3.5, and the program of Zhao, Liu & Larson 2020. Adaptive: Athalye, Carlini & Wagner
        2018.
    """
    check_count("draws", draws)
    shields, classifier = read_shields(defense or SWEEPS), context.classifier
    for each in (link for shield in shields for link in shield.chain):
        context.note_code(f"defense {each.identity.name}", each.identity)
    targeted = run.manifest.settings.targeted
    recorded = {row["id"]: row for row in run.table().select(["id", "label", "target"]).to_pylist()}
    for batch in context.batches(context.correct(), classifier):
        clean = [_predictions(classifier, each, batch.originals, batch.ids, seed) for each in shields]
        for label, rows, ids in batch.remaining():
            labels = [recorded[image_id]["label"] for image_id in ids]
            goals = [recorded[image_id]["target"] for image_id in ids] if targeted else labels
            images_of = {UNAWARE: [context.adversarial(label, ids, classifier)] * len(shields)}
            if adaptive:
                masks = context.masks(ids)
                given = batch.originals[rows], torch.tensor(goals, device=classifier.device)
                with context.named_by_run():
                    bare = restored(catalog.ATTACKS, run.manifest.attack(label).identity)
                    attack = AdaptiveAttack(bare, draws)
                    images_of[ADAPTIVE] = [
                        _attacked(run, attack, each.before(classifier), *given, ids, masks)
                        for each in shields
                    ]
            tables = []
            for mode, made in images_of.items():
                for shield, before, images in zip(shields, clean, made, strict=True):
                    after = _predictions(classifier, shield, images, ids, seed)
                    columns = {
                        "id": ids,
                        "label": labels,
                        "clean_prediction": [before[row] for row in rows],
                        "prediction": after,
                        "success": [(p == goal) == targeted for p, goal in zip(after, goals, strict=True)],
                    }
                    tables.append(_records(label, mode, shield, columns))
            yield Part(pa.concat_tables(tables))


_SCHEMA = pa.schema(
    [
        ("attack", pa.string()),
        ("id", pa.string()),
        ("mode", pa.string()),
        ("defense", pa.string()),
        ("parameter", pa.string()),
        ("strength", pa.float64()),
        ("label", pa.int64()),
        ("clean_prediction", pa.int64()),
        ("prediction", pa.int64()),
        ("success", pa.bool_()),
    ]
)


def _records(label: str, mode: str, shield: Shield, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    common = {
        "attack": label,
        "mode": mode,
        "defense": shield.name,
        "parameter": shield.parameter,
        "strength": shield.strength,
    }
    repeated = {name: [value] * len(columns["id"]) for name, value in common.items()}
    return pa.table({**repeated, **columns}, _SCHEMA)


def _predictions(
    classifier: Classifier, shield: Shield, images: Tensor, ids: Sequence[str], seed: int
) -> list[int]:
    with torch.no_grad():
        return logits_of(classifier, shield(images, ids, seed)).argmax(1).tolist()


def _attacked(
    run: Run,
    attack: AdaptiveAttack,
    defended: Classifier,
    images: Tensor,
    goals: Tensor,
    ids: Sequence[str],
    masks: Tensor | None,
) -> Tensor:
    """What the attack makes of images, as files would store it."""
    settings = run.manifest.settings
    how = {"targeted": settings.targeted, "seed": settings.seed, "lattice": settings.lattice}
    outcome = attack(defended, images, goals, ids=ids, masks=masks, **how)
    return as_stored(to_uint8(outcome.images), defended)
