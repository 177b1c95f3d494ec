"""Which class a targeted run aims at, where the data names none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from limen.data import DataError
from limen.data.matching import match
from limen.errors import UsageError
from limen.seeds import sample_seeds

LEAST_LIKELY, RANDOM = "least_likely", "random"


def read_aim(text: str, class_names: Sequence[str] | None = None) -> str:
    """An aim as a run keeps it: `least_likely`, `random`, or the number of a class.

    Args:
        text: An aim, or the number or name of a class, also after `target=`.
        class_names: The model's.

    Raises:
        UsageError: If it is none, or the class is none of the model's.

    Example:
        >>> read_aim("target=3"), read_aim("random"), read_aim("cat", ["ant", "cat, kitty"])
        ('3', 'random', '1')
    """
    name = text.removeprefix("target=").strip()
    if name in (LEAST_LIKELY, RANDOM):
        return name
    if re.fullmatch("[0-9]{1,9}", name):
        return str(int(name))
    # As a name, -1 would be found as 1, since a hyphen counts as a space.
    known = () if re.fullmatch(r"[-+.\d]*", name) else class_names or ()
    try:
        return str(match("--targeted", [name], known)[0])
    except DataError as error:
        near = f" ({error})" if known else ""
        raise UsageError(
            f"the target {name!r} is none of {LEAST_LIKELY}, {RANDOM}, or the number or name of a class of "
            f"the model{near}"
        ) from None


def aimed(aim: str, labels: Tensor, logits: Tensor, seed: int, ids: Sequence[str]) -> Tensor:
    """The class (N,) that each image is to be taken for.

    Args:
        aim: As `read_aim` gives it.
        labels: What the images are, (N,).
        logits: What the model says of them, (N, K).
        seed: Of the run; with an image's id, it draws that image's class among all but its own.
        ids: The names of the images.

    Raises:
        UsageError: If the model has no such class.

    Example:
        >>> logits = torch.tensor([[0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
        >>> aimed("least_likely", torch.tensor([1, 0]), logits, 0, "ab").tolist()
        [0, 2]
    """
    if aim == LEAST_LIKELY:
        return logits.scatter(1, labels[:, None], torch.inf).argmin(1)
    classes = logits.shape[1]
    if aim == RANDOM:
        steps = 1 + sample_seeds(seed, [f"target of {each}" for each in ids]) % (classes - 1)
        return (labels + steps) % classes
    if int(aim) >= classes:
        raise UsageError(f"no class {aim} to aim at: the model has {classes} classes (0 to {classes - 1})")
    return torch.full_like(labels, int(aim))
