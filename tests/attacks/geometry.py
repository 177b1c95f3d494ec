"""In which geometry an attack's budget or distance is measured, and how far a flat boundary is there."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from limen.images import norm
from limen.metrics import ssim
from limen.structure import superpixels


class Geometry(Protocol):
    """A distance of images (n, C, H, W) from originals, and what it has to do with a linear function."""

    @property
    def reach(self) -> float:
        """A distance of many lattice steps that stays far from [0, 1]'s bounds."""
        ...

    @property
    def accuracy(self) -> float:
        """How exact `least` is, as a share of it."""
        ...

    @property
    def frame(self) -> int:
        """Pixels at each border that a linear function must leave out, as changes there are nearly free."""
        ...

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        """The distance (n,)."""
        ...

    def gain(self, distance: float, weights: Tensor, originals: Tensor) -> Tensor:
        """By how much (n,) ⟨w, x⟩ can grow within a distance, far from [0, 1]'s bounds."""
        ...

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        """The least distance (n,) at which ⟨w, x⟩ has grown by the gap (n,)."""
        ...

    def beside(self, least: Tensor) -> tuple[Tensor, Tensor]:
        """Budgets (n,) just enough and just too small for a least distance."""
        ...

    def fractions(self, budget: float) -> list[float]:
        """The budget, a quarter, and half of it."""
        ...


class _Continuous:
    accuracy = 1e-9
    frame = 0

    def beside(self, least: Tensor) -> tuple[Tensor, Tensor]:
        return 1.05 * least, 0.95 * least

    def fractions(self, budget: float) -> list[float]:
        return [budget, budget / 4, budget / 2]


@dataclass(frozen=True)
class Lp(_Continuous):
    """‖x − x0‖_p, p of 1, 2 or infinity: ⟨w, x⟩ grows by the distance times ‖w‖ in the dual norm."""

    order: float
    reach: float

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        return norm(images - originals, self.order)

    def gain(self, distance: float, weights: Tensor, originals: Tensor) -> Tensor:
        return distance * self._dual(weights).expand(len(originals))

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        return gap / self._dual(weights)

    def _dual(self, weights: Tensor) -> Tensor:
        return torch.linalg.vector_norm(weights, ord={1: math.inf, 2: 2, math.inf: 1}[self.order])


@dataclass(frozen=True)
class L0:
    """How many values differ: the best are those of the greatest |w| times the room up or down."""

    reach: float = 12
    accuracy: float = 0.0
    frame: int = 0

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        return norm(images - originals, 0)

    def gain(self, distance: float, weights: Tensor, originals: Tensor) -> Tensor:
        return self._greedy(weights, originals)[:, int(distance) - 1]

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        return (self._greedy(weights, originals) <= gap[:, None]).sum(1) + 1

    def _greedy(self, weights: Tensor, originals: Tensor) -> Tensor:
        """What (n, N) is gained by the best value, the best two, and so on."""
        values = originals.flatten(1)
        room = torch.where(weights > 0, 1 - values, values)
        return (room * weights.abs()).sort(dim=1, descending=True).values.cumsum(1)

    def beside(self, least: Tensor) -> tuple[Tensor, Tensor]:
        return least, least - 1

    def fractions(self, budget: float) -> list[float]:
        return [budget, max(1, budget // 4), budget // 2]


@dataclass(frozen=True)
class S2(_Continuous):
    """√(1 − S2) of Pochimireddy et al., eq. 6 and 7; with a free mean, deviations are from the original's."""

    reach: float = 0.3
    free_mean: bool = False

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        x, y = originals.flatten(1), images.flatten(1)
        mean_of_y = (x if self.free_mean else y).mean(1, keepdim=True)
        x, y = x - x.mean(1, keepdim=True), y - mean_of_y
        squares = x.square().sum(1) + y.square().sum(1) + 0.03**2 * x.shape[1]
        return ((x - y).square().sum(1) / squares).sqrt()

    def gain(self, distance: float | Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        """By ⟨w, c − x⟩ + R·‖w‖, with the mean kept for w less its mean."""
        x = originals.flatten(1)
        x, w = x - x.mean(1, keepdim=True), weights if self.free_mean else weights - weights.mean()
        contrast, eta = x.square().sum(1), 1 / (1 - torch.as_tensor(distance) ** 2)
        square = (eta**2 - 1) * contrast + (eta - 1) * 0.03**2 * x.shape[1]
        return (eta - 1) * (x @ weights) + square.sqrt() * w.norm()

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        low, high = torch.zeros_like(gap), torch.ones_like(gap)
        for _ in range(60):
            middle = (low + high) / 2
            short = self.gain(middle, weights, originals) < gap
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        return high


@dataclass(frozen=True)
class Ssim(_Continuous):
    """1 − SSIM, to second order δᵀHδ/2: ⟨w, x⟩ grows by √(2 · distance · wᵀH⁻¹w).

    SSIM grows by less than that, by up to a fifth at the reach; closer by, rounding to 8 bits would cost
    as much. H is that of SSIM itself, which border="valid" stands for. Of images of 12×12 it has 2×2
    windows, whose outer 4 pixels count for a 100th of the middle and less: what is least for a function
    of them lies far beyond [0, 1].
    """

    reach: float = 0.005
    accuracy: float = 0.2
    frame: int = 4

    def beside(self, least: Tensor) -> tuple[Tensor, Tensor]:
        return 1.15 * least, 0.95 * least

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        return 1 - ssim(images.double(), originals.double())

    def gain(self, distance: float, weights: Tensor, originals: Tensor) -> Tensor:
        return (2 * distance * self._natural(weights, originals) @ weights).sqrt()

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        return gap.square() / (2 * self._natural(weights, originals) @ weights)

    def _natural(self, weights: Tensor, originals: Tensor) -> Tensor:
        """H⁻¹w (n, N) at originals on the lattice; H has no entries between channels."""
        channels = originals.shape[1]
        levels = originals.mul(255).round().byte().flatten(0, 1)
        hessian = _hessian(levels.cpu().numpy().tobytes(), tuple(levels.shape)).to(weights) / channels
        targets = weights.reshape(channels, -1).repeat(len(originals), 1)
        return torch.linalg.solve(hessian, targets).reshape(len(originals), -1)


@functools.cache
def _hessian(levels: bytes, shape: tuple[int, ...]) -> Tensor:
    """That of 1 − SSIM at planes (n, H, W) of levels, (n, H·W, H·W), by autograd, which takes a second."""
    planes = torch.frombuffer(bytearray(levels), dtype=torch.uint8).reshape(shape)[:, None].double() / 255
    images = planes.clone().requires_grad_()
    cost = (1 - ssim(planes, images)).sum()
    gradient = torch.autograd.grad(cost, images, create_graph=True)[0].flatten(1).sum(0)
    rows = [torch.autograd.grad(value, images, retain_graph=True)[0].flatten(1) for value in gradient]
    return torch.stack(rows, 1)


class _Along(_Continuous):
    """‖x − x0‖₂ of those images alone that lie along one direction, by whose slope ⟨w, x⟩ grows."""

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        return norm(images - originals)

    def gain(self, distance: float, weights: Tensor, originals: Tensor) -> Tensor:
        return distance * self._slope(weights, originals)

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        return gap / self._slope(weights, originals)


@dataclass(frozen=True)
class AlongSsim(_Along, Ssim):
    """Along H⁻¹w, where 1 − SSIM is least for its gain.

    Most of H⁻¹w lies in few values, of whose length rounding may take 3 %.
    """

    reach: float = 0.6
    accuracy: float = 0.03

    def _slope(self, weights: Tensor, originals: Tensor) -> Tensor:
        natural = self._natural(weights, originals)
        return natural @ weights / natural.norm(dim=1)


@dataclass(frozen=True)
class AlongSmooth(_Along):
    """Along ŝ(w) (Zhang et al. 2020, eq. 9), the graph written out.

    Attributes:
        alpha: How much smoothness counts.
    """

    alpha: float
    reach: float = 0.6

    def _slope(self, weights: Tensor, originals: Tensor) -> Tensor:
        values = originals.double().flatten(2)
        places = torch.cartesian_prod(*(torch.arange(side) for side in originals.shape[2:]))
        beside = torch.cdist(places.double(), places.double(), p=1) == 1
        likeness = torch.exp(-300 * (values[..., None] - values[..., None, :]).square()) * beside
        degree = likeness.sum(-1)
        similarity = likeness / (degree[..., None] * degree[..., None, :]).sqrt()
        laplacian = (torch.eye(len(places)) - self.alpha * similarity) / (1 - self.alpha)
        targets = torch.stack(
            [weights.reshape(values.shape[1:]).expand_as(values), torch.ones_like(values)], -1
        )
        smooth, share = torch.linalg.solve(laplacian, targets).unbind(-1)
        smooth = (smooth / share).flatten(1)
        return smooth @ weights / smooth.norm(dim=1)


@dataclass(frozen=True)
class OnSuperpixels(_Along):
    """Along w averaged over superpixels: of all perturbations constant on them, the steepest.

    Attributes:
        size: Of the superpixels; None where each pixel is one.
        rms: Whether lengths are root mean squares in levels of 8 bits, rather than L2.
    """

    size: float | None
    rms: bool = True
    accuracy: float = (
        0.01  # values of one superpixel are rounded alike, and so their errors do not average out
    )

    @property
    def reach(self) -> float:
        return 8.0 if self.rms else 8 / 255 * 432**0.5

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        return norm(images - originals) * self._unit(originals)

    def _slope(self, weights: Tensor, originals: Tensor) -> Tensor:
        planes = weights.reshape(originals.shape[1:]).expand(originals.shape)
        if self.size is not None:
            labels = superpixels(originals, size=self.size).labels
            members = torch.nn.functional.one_hot(labels.flatten(1)).double()
            means = (planes.flatten(2) @ members) / members.sum(1, keepdim=True).clamp_min(1)
            planes = means @ members.mT
        return norm(planes) / self._unit(originals)

    def _unit(self, originals: Tensor) -> float:
        return 255 / originals[0].numel() ** 0.5 if self.rms else 1.0


L1, L2, LINF = Lp(1, reach=0.3), Lp(2, reach=0.6), Lp(math.inf, reach=0.1)


def left(images: Tensor) -> Tensor:
    """The left third of images, as their foreground."""
    mask = torch.zeros_like(images[:, :1], dtype=torch.bool)
    mask[..., : images.shape[3] // 3] = True
    return mask


@dataclass(frozen=True)
class Dual(Lp):
    """‖δ ⊙ B‖_p of images of which the left third may change too, but by no more than the front budget.

    Attributes:
        front: That budget: more than rounding takes, and little beside the reach.
    """

    front: float

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        delta, mask = images - originals, left(images)
        broken = norm(delta * mask, self.order) > self.front * (1 + 1e-6) + 1e-6
        return norm(delta * ~mask, self.order).masked_fill(broken, math.inf)

    def gain(self, distance: float, weights: Tensor, originals: Tensor) -> Tensor:
        front, back = self._slopes(weights, originals)
        return (self.front * front + distance * back).expand(len(originals))

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        front, back = self._slopes(weights, originals)
        return (gap - self.front * front) / back

    def _slopes(self, weights: Tensor, originals: Tensor) -> tuple[Tensor, Tensor]:
        planes, mask = weights.reshape(originals.shape[1:]), left(originals[:1])[0]
        return self._dual(planes * mask), self._dual(planes * ~mask)


L2_DUAL, LINF_DUAL = Dual(2, reach=0.6, front=0.03), Dual(math.inf, reach=0.1, front=0.004)


def features(images: Tensor) -> list[Tensor]:
    """Two feature maps of a small network with fixed weights, for images of any number of channels."""
    random = torch.Generator("cpu").manual_seed(11)
    planes, maps = images.mean(1, keepdim=True), []
    for channels, inner in ((8, 1), (6, 8)):
        weights = torch.randn(channels, inner, 3, 3, generator=random, device="cpu").to(images)
        planes = torch.tanh(torch.nn.functional.conv2d(planes - 0.5, weights, padding=1))
        maps.append(planes)
        planes = torch.nn.functional.avg_pool2d(planes, 2)
    return maps


@dataclass(frozen=True)
class Features(_Continuous):
    """‖φ(x) − φ(x0)‖ of `features`, each place of unit length over the channels, over √(HW)."""

    reach: float = 0.5

    def measure(self, images: Tensor, originals: Tensor) -> Tensor:
        squares = 0.0
        for a, b in zip(features(images), features(originals), strict=True):
            a, b = (each / each.square().sum(1, keepdim=True).sqrt() for each in (a, b))
            squares = squares + (a - b).square().sum(1).mean((1, 2))
        return torch.as_tensor(squares).sqrt()

    def gain(self, distance: float, weights: Tensor, originals: Tensor) -> Tensor:
        raise NotImplementedError

    def least(self, gap: Tensor, weights: Tensor, originals: Tensor) -> Tensor:
        raise NotImplementedError
