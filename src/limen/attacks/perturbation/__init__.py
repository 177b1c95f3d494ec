"""What the free variables are, and how they make an image."""

from __future__ import annotations

from limen.attacks.perturbation.additive import Additive
from limen.attacks.perturbation.box import SigmoidBox
from limen.attacks.perturbation.maps import ExactLength, GraphSmooth, Masked
from limen.attacks.perturbation.template import Template

__all__ = ["Additive", "ExactLength", "GraphSmooth", "Masked", "SigmoidBox", "Template"]
