"""Attacks that change few values."""

from __future__ import annotations

import torch
from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import L0Ball
from limen.attacks.direction import TopSaliency
from limen.attacks.factory import attack
from limen.attacks.library.arguments import positive
from limen.attacks.objective import TargetAndRest
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.errors import UsageError
from limen.safety import MOST_COUNT


@attack(budget="eps")
def jsma(eps: int | Tensor = 100, step_size: float = 1.0) -> Search:
    """Change one value a step, the one of greatest saliency, until the prediction changes.

    Two backward passes a step, however many classes there are. Without a target, the label's
    logit is lowered and the others' raised (Wiyatno & Xu 2018, non-targeted JSMA).

    Args:
        eps: The budget in L0: how many values may change, a number or one per sample; 1 or more.
        step_size: By how much a value changes; 1 sends it to 0 or 1.

    Source:
        Papernot et al. 2016, The limitations of deep learning in adversarial settings, eq. 8,
        with single features instead of pairs.

    Example:
        >>> jsma(eps=50).name
        'jsma'
    """
    most = float(torch.as_tensor(positive("eps", eps)).max())
    if most < 1:
        raise UsageError(f"eps is {eps}; expected how many values may change, 1 or more")
    parts = Composition(
        objective=TargetAndRest(),
        rule=(TopSaliency(), Scale(positive("step_size", step_size))),
        steps=int(min(most, MOST_COUNT)),
        constraint=L0Ball(eps=eps),
        early_stop=True,
    )
    return InTurn((parts,))
