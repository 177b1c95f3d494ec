"""Whether steganalysis tells attacked images from their originals (Dong et al., Section 4.2 and Table 2)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from limen.detection import MOST_LEARNERS, Colour, Ensemble, check_dimension, feature_count, train_ensemble
from limen.errors import UsageError
from limen.evaluation.context import Context, Images, together
from limen.evaluation.detectability import CLEAN, describe
from limen.evaluation.protocol import evaluation
from limen.evaluation.run_features import RunFeatures
from limen.evaluation.splits import halves
from limen.runs import Part, Run
from limen.safety import check_count

_MOST_REPEATS = 10_000
_FEWEST = 2  # pairs that an ensemble can be trained on

_Train = Callable[..., Ensemble]


@evaluation("Detection by steganalysis", describe)
def detection(
    run: Run,
    context: Context,
    *,
    features: str = "spam",
    colour: Colour = "luma",
    repeats: int = 10,
    seed: int = 0,
    learners: int = MOST_LEARNERS,
    dimension: int | None = None,
    failures: bool = False,
) -> Iterator[Part]:
    """Whether steganalysis tells attacked images from their originals.

    For each attack of the run, and each of its budgets, detectors are trained on half of the pairs and tested
    on the other half, again and again, with the same halves for all attacks and both images of a pair in one
    half. Each is tested on the pairs of all attacks whose photographs it was not trained on. Further
    detectors, of no attack, are trained and tested on originals alone, half of which are called attacked.
    Originals and attacked images are those that the run stored, by one writer.

    Each row has the scores of a pair, `original` and `attacked`, by the detector of `attack` in a `repeat`.
    `shown` is the attack that made the attacked image; null for the detectors of no attack, where either
    score is null. These rows are kept with the first attack.

    Args:
        run: The run.
        context: What the evaluation is given.
        features: What images are told apart by: `spam`, `spam_conditional`, `srmq1` or `srm`.
        colour: `luma`, or `channels` for the features of red, green and blue.
        repeats: How often the images are split into halves.
        seed: Seed of the splits, and of all that the detectors draw.
        learners: How many learners a detector has at most.
        dimension: How many features each learner sees; None searches for the number, which takes about
            fifteen times as long.
        failures: Whether those pairs count, too, on which an attack failed; the images of such a pair are
            the same.

    Raises:
        UsageError: If an option is wrong, or the images are too small.
        LimenError: If sealwatch is not installed.
        RunError: If an image cannot be read, or has another size than the others.

    Source:
        Dong et al. 2020, Robust superpixel-guided attentional adversarial attack, Section 4.2 and Table 2;
        Liu et al. 2019, Detection based defense against adversarial examples from the steganalysis point of
        view.
    """
    check_count("repeats", repeats, _MOST_REPEATS)
    check_count("learners", learners, MOST_LEARNERS)
    if seed < 0:
        raise UsageError(f"seed is {seed}; expected 0 or more")
    check_dimension(dimension, feature_count(features, colour))  # before a run is read
    plan = _Plan.of(run, context.correct() if failures else context.fooled(), repeats, seed)
    context.note("photographs", plan.digest)
    wanted = {label: plan.wanted(label) for label in plan.pairs}
    context.want(wanted)
    known = RunFeatures(run, features, colour, context.batch_size)
    train = partial(train_ensemble, learners=learners, dimension=dimension)
    for place, (label, of_attack) in enumerate(wanted.items()):
        if any(context.finished(label, image_id) for image_id in of_attack):
            continue  # a part holds all rows of an attack
        rows = [row for each in range(repeats) for row in _tested(plan, label, each, known, train)]
        if place == 0:
            rows += [row for each in range(repeats) for row in _clean(plan, label, each, known, train)]
        yield Part(pa.Table.from_pylist(rows, _SCHEMA))


_SCHEMA = pa.schema(
    {
        "attack": pa.string(),
        "id": pa.string(),
        "repeat": pa.int64(),
        "shown": pa.string(),
        "original": pa.float64(),
        "attacked": pa.float64(),
    }
)


@dataclass(frozen=True)
class _Plan:
    """Which photographs are trained on, and which are tested on, in each repeat.

    Attributes:
        pairs: By attack, the images that count, with their indices.
        recorded: By attack, the photographs that it is done with.
        trained: Of each repeat, the photographs that are trained on.
        photographs: The photographs of all pairs, in the order of the data set.
        seed: The seed of the splits.
    """

    pairs: Images
    recorded: Mapping[str, frozenset[str]]
    trained: Sequence[frozenset[str]]
    photographs: Sequence[str]
    seed: int

    @classmethod
    def of(cls, run: Run, pairs: Images, repeats: int, seed: int) -> _Plan:
        table = run.table()
        ids, attacks = table["id"].to_pylist(), table["attack"].to_pylist()
        classes = dict(zip(ids, table["label"].to_pylist(), strict=True))
        photographs, recorded = together(pairs), {label: set() for label in pairs}
        for label, image_id in zip(attacks, ids, strict=True):
            recorded[label].add(image_id)
        sides = halves([classes[each] for each in photographs], repeats, seed)
        trained = [frozenset(np.array(photographs, object)[side]) for side in sides]
        frozen = {label: frozenset(each.intersection(photographs)) for label, each in recorded.items()}
        return cls(pairs, frozen, trained, photographs, seed)

    @property
    def digest(self) -> str:
        """What all scores depend on: with other pairs nothing that was measured counts any more."""
        shown = {label: [*self.pairs[label], None, *sorted(ids)] for label, ids in self.recorded.items()}
        return f"{len(self.photographs)} ({hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:12]})"

    def training(self, label: str, repeat: int) -> list[str]:
        """The photographs that the attack's detector is trained on; none where pairs are too few."""
        own, tested = self.pairs[label], self.tested(label, label, repeat)
        chosen = [each for each in own if each in self.trained[repeat]]
        return chosen if tested and len(chosen) >= _FEWEST else []

    def tested(self, label: str, shown: str, repeat: int) -> list[str]:
        """The photographs, as another attack made them, that the attack's detector is tested on."""
        return [
            image_id
            for image_id in self.pairs[shown]
            if image_id not in self.trained[repeat] and image_id in self.recorded[label]
        ]

    def clean(self, label: str, repeat: int) -> tuple[list[str], list[str]]:
        """Photographs in pairs to train on and to test on; the second of each pair is called attacked."""
        generator = np.random.default_rng([self.seed, repeat])
        known = [each for each in self.photographs if each in self.recorded[label]]
        order = [known[place] for place in generator.permutation(len(known))]
        sides = [[each for each in order if (each in self.trained[repeat]) == side] for side in (True, False)]
        training, testing = (side[: len(side) // 2 * 2] for side in sides)
        return (training, testing) if len(training) >= 2 * _FEWEST and testing else ([], [])

    def wanted(self, label: str) -> dict[str, int]:
        """The images that an attack's detectors have rows of, with their indices."""
        found: set[str] = set()
        for repeat in range(len(self.trained)):
            if self.training(label, repeat):
                found.update(*(self.tested(label, shown, repeat) for shown in self.pairs))
            if label == next(iter(self.pairs)):
                found.update(self.clean(label, repeat)[1])
        indices = {image_id: index for ids in self.pairs.values() for image_id, index in ids.items()}
        return {image_id: indices[image_id] for image_id in self.photographs if image_id in found}


def _tested(plan: _Plan, label: str, repeat: int, known: RunFeatures, train: _Train) -> Iterator[dict]:
    """The rows of an attack's detector in one repeat."""
    training = plan.training(label, repeat)
    if not training:
        return
    ensemble = train(known.of(None, training), known.of(label, training), seed=plan.seed + repeat)
    for shown in plan.pairs:
        if ids := plan.tested(label, shown, repeat):
            scores = ensemble.scores(known.of(None, ids)), ensemble.scores(known.of(shown, ids))
            for image_id, original, attacked in zip(ids, *scores, strict=True):
                yield _row(label, image_id, repeat, shown, original, attacked)


def _clean(plan: _Plan, label: str, repeat: int, known: RunFeatures, train: _Train) -> Iterator[dict]:
    """The rows of a detector of no attack: half of the originals are called attacked."""
    training, testing = plan.clean(label, repeat)
    if not training:
        return
    original, attacked = (known.of(None, training[side::2]) for side in (0, 1))
    scores = train(original, attacked, seed=plan.seed + repeat).scores(known.of(None, testing))
    for place, (image_id, score) in enumerate(zip(testing, scores, strict=True)):
        as_original, as_attacked = (score, None) if place % 2 == 0 else (None, score)
        yield _row(label, image_id, repeat, CLEAN, as_original, as_attacked)


def _row(
    label: str,
    image_id: str,
    repeat: int,
    shown: str | None,
    original: float | None,
    attacked: float | None,
) -> dict:
    scores = {"original": original, "attacked": attacked}
    return {"attack": label, "id": image_id, "repeat": repeat, "shown": shown} | scores
