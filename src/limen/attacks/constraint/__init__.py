"""What the result may be: sets of images around the original, inside [0, 1], on the lattice.

Without one, a result is any image in [0, 1].
"""

from __future__ import annotations

from limen.attacks.constraint.cost_ball import CostBall, SoftBall
from limen.attacks.constraint.l0 import L0Ball
from limen.attacks.constraint.l1 import FallingL1Ball, L1Ball
from limen.attacks.constraint.l2 import L2Ball
from limen.attacks.constraint.linf import LinfBall
from limen.attacks.constraint.minimum_norm import BoundedMinimumNormBall, MinimumNormBall
from limen.attacks.constraint.on_lattice import OnLattice
from limen.attacks.constraint.regions import Regions
from limen.attacks.constraint.s2 import S2Ball
from limen.attacks.constraint.same_reach import SameReach
from limen.attacks.constraint.shrinking_ball import ShrinkingBall
from limen.attacks.constraint.sparse import Thresholded
from limen.attacks.constraint.sphere import AdaptiveSphere
from limen.attacks.constraint.ssim import SsimBall

__all__ = [
    "AdaptiveSphere",
    "BoundedMinimumNormBall",
    "CostBall",
    "FallingL1Ball",
    "L0Ball",
    "L1Ball",
    "L2Ball",
    "LinfBall",
    "MinimumNormBall",
    "OnLattice",
    "Regions",
    "S2Ball",
    "SameReach",
    "ShrinkingBall",
    "SoftBall",
    "SsimBall",
    "Thresholded",
]
