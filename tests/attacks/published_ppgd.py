"""The attacks of perceptual-advex 0.2.6, ported: whole batches, and noise that the caller draws.

The package (Cassidy Laidlaw, MIT licence) cannot be installed beside a current torchvision. What is left out:
random targets, the Lagrangian attack without decay, and images as features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

Features = Callable[[Tensor], Sequence[Tensor]]


def flattened(maps: Sequence[Tensor]) -> Tensor:
    parts = []
    for each in maps:
        length = each.square().sum(1, keepdim=True).sqrt() + 1e-10
        parts.append((each / (length * (each.shape[2] * each.shape[3]) ** 0.5)).flatten(1))
    return torch.cat(parts, 1)


def margin_loss(logits: Tensor, labels: Tensor, kappa: float = 1.0) -> Tensor:
    own = logits.gather(1, labels[:, None])[:, 0]
    return (logits.scatter(1, labels[:, None], -torch.inf).amax(1) - own).clamp(max=kappa)


def first_order_step(
    network: nn.Module, features: Features, x: Tensor, labels: Tensor, length: float, h: float = 1e-3
) -> Tensor:
    """Five conjugate gradient iterations on JᵀJ v = ∇margin, and v scaled to a change of the features."""
    x = x.detach().requires_grad_()
    phi = flattened(features(x))
    (gradient,) = torch.autograd.grad(margin_loss(network(x), labels).sum(), x, retain_graph=True)
    if gradient.abs().max() < 1e-4:
        return x.detach()

    def ahead(v: Tensor) -> Tensor:
        with torch.no_grad():
            return (flattened(features(x + h * v)) - phi) / h

    v, r = torch.zeros_like(x), gradient
    p = r
    for step in range(5):
        square = r.square().sum((1, 2, 3))
        if square.max() < 0.1 and step > 0:
            break
        product = torch.autograd.grad(phi, x, ahead(p), retain_graph=True)[0]
        alpha = (square / (p * product).sum((1, 2, 3))).reshape(-1, 1, 1, 1)
        v = v + alpha * p
        r = r - alpha * product
        p = r + (r.square().sum((1, 2, 3)) / square).reshape(-1, 1, 1, 1) * p
    scale = (length / ahead(v).norm(dim=1)).reshape(-1, 1, 1, 1)
    still = gradient.flatten(1).norm(dim=1) < 1e-4
    return torch.where(still.reshape(-1, 1, 1, 1), x, (x + scale * v).clamp(0, 1)).detach()


def newton(features: Features, x0: Tensor, x: Tensor, bound: float) -> Tensor:
    """At most ten of Newton's moves for each, then bisection of the whole batch."""
    reference, x = flattened(features(x0)).detach(), x.clone()
    going = torch.ones(len(x), dtype=torch.bool)
    for _ in range(10):
        leaf = x[going].requires_grad_()
        distance = (reference[going] - flattened(features(leaf))).norm(dim=1)
        (slope,) = torch.autograd.grad(distance.sum(), leaf)
        excess = (distance.detach() - bound).clamp_min(0)
        excess[excess > 0] += 0.1
        length = 1.1 * excess / slope.flatten(1).norm(dim=1).square()
        x[going] = (leaf - length.reshape(-1, 1, 1, 1) * slope).clamp(0, 1).detach()
        going[going.clone()] = excess > 0
        if not going.any():
            return x
    low, high = torch.zeros(len(x), dtype=x.dtype), torch.ones(len(x), dtype=x.dtype)
    for _ in range(10):
        middle = (low + high) / 2
        tried = x0 + middle.reshape(-1, 1, 1, 1) * (x - x0)
        inside = (flattened(features(tried)).detach() - reference).norm(dim=1) <= bound
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    return tried


def ppgd(
    network: nn.Module,
    features: Features,
    x0: Tensor,
    labels: Tensor,
    noise: Tensor,
    bound: float,
    steps: int,
) -> Tensor:
    x = x0 + noise
    for _ in range(steps):
        x = newton(features, x0, first_order_step(network, features, x, labels, 2 * bound / steps), bound)
    return x


def lpa(
    network: nn.Module,
    features: Features,
    x0: Tensor,
    labels: Tensor,
    noise: Tensor,
    bound: float,
    steps: int,
) -> Tensor:
    x, weight, live = x0 + noise, torch.full((len(x0),), 0.01, dtype=x0.dtype), torch.ones(len(x0)).bool()
    reference = flattened(features(x0)).detach()
    for _ in range(5):
        everywhere = torch.zeros_like(weight)
        for step in range(steps):
            leaf = x[live].detach().requires_grad_()
            phi, logits = flattened(features(leaf)), network(leaf)
            distance = (phi - reference[live]).norm(dim=1)
            everywhere[:] = 0
            everywhere[live] = distance.detach()
            loss = weight[live] * relu(distance - bound) - margin_loss(logits, labels[live])
            (slope,) = torch.autograd.grad(loss.sum(), leaf)
            unit = slope / (slope.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1) + 1e-8)
            change = (phi - flattened(features(leaf - 0.1 * unit))).norm(dim=1).detach() / 0.1
            length = bound * 0.1 ** (step / steps) / (change + 1e-8)
            x[live] = (leaf - length.reshape(-1, 1, 1, 1) * unit).clamp(0, 1).detach()
            live[live.clone()] = (logits.argmax(1) == labels[live]) | (distance > bound)
            if not live.any():
                return newton(features, x0, x, bound)
        weight[everywhere >= bound] *= 10
    return newton(features, x0, x, bound)
