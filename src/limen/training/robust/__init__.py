"""D_rob: a data set of adversarial images of the networks along one training (Hua et al., Algorithm 4.1)."""

from __future__ import annotations

from limen.training.robust.building import Growing, grow_robust_set
from limen.training.robust.page import describe_robust_set

__all__ = ["Growing", "describe_robust_set", "grow_robust_set"]
