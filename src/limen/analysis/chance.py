"""Whether a model knows the classes of a run's images at all, or no better than by chance."""

from __future__ import annotations

import math

import pyarrow as pa
import scipy

from limen.runs import Run

_LEVEL = 0.05


def near_chance(correct: int, images: int, classes: int) -> bool:
    """Whether so many correct answers would be no surprise of a model that guesses.

    That is, whether a one-sided binomial test at 5 % does not tell the share from one of `classes`. Of
    images so few that not even all correct would tell, nothing is said.

    Example:
        >>> near_chance(9, 100, 10), near_chance(30, 100, 10), near_chance(0, 1, 2)
        (True, False, False)
    """
    chance = 1 / classes
    # Hoeffding's bound of the tail settles most runs before scipy.special, slow to import, works it out.
    above = max(0.0, correct / max(images, 1) - chance)
    if math.exp(-2 * images * above**2) <= _LEVEL:
        return False
    return chance**images <= _LEVEL < float(scipy.special.bdtrc(correct - 1, images, chance))


def clean_answers(records: pa.Table) -> list[tuple[int, int]]:
    """The label of each image, and the class that the model gave it before any attack."""
    columns = (records[name].to_pylist() for name in ("id", "label", "clean_prediction"))
    by_id = {image_id: (label, prediction) for image_id, label, prediction in zip(*columns, strict=True)}
    return list(by_id.values())


def clean_warning(run: Run) -> str | None:
    """What to say where the model classified a run's images, before any attack, no better than by chance.

    Where neither model nor data names the classes, labels and predictions tell how many there are.

    Raises:
        RunError: If the run's records cannot be read.
    """
    answers = clean_answers(run.table())
    names = run.manifest.model.class_names or run.manifest.data.class_names
    classes = max(2, len(names or ()), *(1 + max(answer) for answer in answers))
    correct = sum(label == prediction for label, prediction in answers)
    if not near_chance(correct, len(answers), classes):
        return None
    return (
        f"the model classified only {correct} of {len(answers)} images as they are labelled, no better than "
        f"by chance among {classes} classes: model and data may number their classes differently, or the "
        "model may want other preprocessing"
    )
