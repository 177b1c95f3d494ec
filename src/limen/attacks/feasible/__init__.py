"""What the result may be: sets of images around the original, inside [0, 1], on the lattice."""

from __future__ import annotations

from limen.attacks.feasible.box import Box, SameReach
from limen.attacks.feasible.l0 import L0Ball
from limen.attacks.feasible.l2 import L2Ball
from limen.attacks.feasible.linf import LinfBall
from limen.attacks.feasible.s2 import S2Ball
from limen.attacks.feasible.sphere import AdaptiveSphere
from limen.attacks.feasible.ssim import SsimBall

__all__ = ["AdaptiveSphere", "Box", "L0Ball", "L2Ball", "LinfBall", "S2Ball", "SameReach", "SsimBall"]
