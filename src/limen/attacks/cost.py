"""What an attack is to keep low beside what it climbs: differentiable differences from the originals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from limen.attacks.part import Part, Problem, rows
from limen.attacks.protocols import State
from limen.errors import UsageError
from limen.images import norm
from limen.metrics import delta_e, rgb_to_lab


@dataclass(frozen=True)
class Cost(Part):
    """How far images are from the originals that it is bound to: a number each, least at the originals."""

    def __call__(self, images: Tensor) -> Tensor:
        """The cost (n,) of images (n, C, H, W), differentiable."""
        raise NotImplementedError

    def slope(self, state: State) -> tuple[Tensor, Tensor]:
        """The cost (n,) of the image before rounding, and its gradient over the variables, finite.

        Rounded, it would be flat between the lattice's values, and pull nothing back there. Values of the
        gradient that are not finite are 0, as those of many metrics are where nothing has changed yet.

        Raises:
            UsageError: If it has no gradient.
        """
        with torch.enable_grad():
            variables = state.variables.detach().requires_grad_()
            costs = self(state.perturbation.images(variables))
            if not costs.requires_grad:
                raise UsageError(f"{self} has no gradient; give a metric that can be differentiated")
            (gradient,) = torch.autograd.grad(costs.sum(), variables, materialize_grads=True)
        return costs.detach(), gradient.nan_to_num_(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Difference(Cost):
    """What a function says of originals and images, such as a metric.

    Attributes:
        function: Of originals and images (n, C, H, W), which gives (n,).
    """

    function: Callable[[Tensor, Tensor], Tensor]
    originals: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        """Bind to the samples of a call."""
        return replace(self, originals=problem.originals)

    def __call__(self, images: Tensor) -> Tensor:
        costs = self.function(self.originals, images)
        if not isinstance(costs, Tensor) or costs.shape != (len(images),):
            what = tuple(costs.shape) if isinstance(costs, Tensor) else type(costs).__name__
            raise UsageError(f"{self.function} gives {what}; expected one number per image, {(len(images),)}")
        return costs


@dataclass(frozen=True)
class ColourDifference(Cost):
    """The L2 norm of the CIEDE2000 map (Zhao, Liu & Larson 2020): a few great differences count most."""

    lab: Tensor = rows()

    def bind(self, problem: Problem) -> Self:
        channels = problem.originals.shape[1]
        if channels not in (1, 3):
            raise UsageError(f"colours differ in images of 1 or 3 channels; these have {channels}")
        return replace(self, lab=rgb_to_lab(problem.originals))

    def __call__(self, images: Tensor) -> Tensor:
        return norm(delta_e(self.lab, rgb_to_lab(images)))


def colour_distance(images: Tensor, originals: Tensor) -> Tensor:
    """`ColourDifference` of images (n, C, H, W) from originals: (n,)."""
    return norm(delta_e(rgb_to_lab(originals), rgb_to_lab(images)))
