"""Odd networks, as people bring them, each with what is to be expected of it."""

from __future__ import annotations

import collections
import dataclasses
import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

CLASSES = 5
NUMPY = np.random.default_rng(0)


class Around(nn.Module):
    """A function of images and of parts."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, images: Tensor) -> Any:
        return self.function(images, *self.parts)


def dense(classes: int = CLASSES) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Tanh(), nn.Linear(16, classes))


def conv() -> nn.Sequential:
    """Batch norm with statistics of its own, and dropout."""
    norm = nn.BatchNorm2d(8)
    norm.running_mean, norm.running_var = torch.rand(8) - 0.5, torch.rand(8) + 0.1
    pooling = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), norm, nn.ReLU(), nn.Dropout(0.3), *pooling).eval()


def of_batch() -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), dense())


def example() -> Tensor:
    return torch.rand(6, 3, 8, 8)


def inside(context: Callable[[], Any], net: nn.Module) -> nn.Module:
    def call(images: Tensor, net: nn.Module) -> Tensor:
        with context():
            return net(images)

    return Around(call, net)


class Scaled(nn.Linear):
    """A dense layer with an argument more, as the heads of face recognition have it."""

    def forward(self, features: Tensor, scale: float) -> Tensor:
        return functional.linear(functional.normalize(features), self.weight) * scale


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(192, CLASSES, dtype=torch.cfloat))

    def forward(self, images: Tensor) -> Tensor:
        return (images.flatten(1).to(torch.cfloat) @ self.weight).abs()


class Forced(nn.Module):
    """Turns its batch norm to training mode in its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.net = nn.BatchNorm2d(3), dense()

    def forward(self, images: Tensor) -> Tensor:
        self.norm.training = True
        return self.net(self.norm(images))


class Counting(nn.Module):
    """Answers by how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.calls = dense(), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.net(images) + self.calls % 3 * torch.arange(CLASSES)


class NoTrain(nn.Module):
    """Refuses to change its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.net = conv()

    def train(self, mode: bool = True) -> Any:
        raise RuntimeError("always in eval mode")

    def forward(self, pixel_values: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.net(pixel_values)


Pair = collections.namedtuple("Pair", "logits aux")


@dataclasses.dataclass
class Output:
    scores: Tensor
    loss: Tensor | None = None


def changed(change: Callable[[nn.Module], Any]) -> nn.Module:
    net = dense()
    change(net[1])
    return net


def shared_layer() -> nn.Module:
    layer = nn.Linear(192, 192)
    return nn.Sequential(nn.Flatten(), layer, nn.Tanh(), layer, nn.Linear(192, CLASSES))


def hooked() -> nn.Module:
    layer = nn.Linear(192, 30)
    layer.register_forward_hook(lambda module, inputs, output: output * 2)
    by_vector = Around(
        lambda x, a, b: torch.stack([b(a(row)) for row in x.flatten(1)]), layer, nn.Linear(30, 5)
    )
    by_vector.register_forward_pre_hook(lambda module, args, named: (args, named), with_kwargs=True)
    return by_vector


def functional_call() -> nn.Module:
    net = dense()
    weights = dict(net.named_parameters())
    return Around(lambda x: torch.func.functional_call(net, weights, (x,)))


def lazily_made() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.LazyLinear(CLASSES))
    net(example())
    return net


def with_own_generator() -> nn.Module:
    drawn = torch.Generator().manual_seed(0)
    return Around(lambda x, net: net(x + torch.randn(x.shape, generator=drawn) * 0.3), dense())


def seeding(images: Tensor, net: nn.Module) -> Tensor:
    torch.manual_seed(0)
    return net(functional.dropout(images, 0.1, training=True))


def made_in_inference_mode() -> nn.Module:
    with torch.inference_mode():
        return dense()


def frozen(net: nn.Module) -> nn.Module:
    return torch.jit.freeze(torch.jit.script(net.eval()))


def split() -> nn.Module:
    net = dense()
    net[3] = nn.Linear(16, CLASSES, device="meta")
    return net


ATTACKED: Mapping[str, Callable[[], nn.Module]] = {
    "scripted": lambda: torch.jit.script(conv()),
    "traced": lambda: torch.jit.trace(conv(), example()),
    "frozen": lambda: frozen(conv()),
    "compiled": lambda: torch.compile(conv(), backend="eager"),
    "symbolic trace": lambda: torch.fx.symbolic_trace(conv()),
    "in place on its input": lambda: Around(lambda x, net: net(x.sub_(0.5).div_(0.25)), dense()),
    "in place on its answer": lambda: nn.Sequential(dense(), nn.ReLU(inplace=True)),
    "keyword": lambda: Around(lambda x, net: net(input=x.flatten(1)), nn.Linear(192, CLASSES)),
    "1-D dense with hooks": hooked,
    "shared layer": shared_layer,
    "subclass with an argument more": lambda: Around(
        lambda x, head: head(x.flatten(1), 20.0), Scaled(192, CLASSES)
    ),
    "refuses train()": NoTrain,
    "tuple": lambda: Around(lambda x, net: (net(x), x), dense()),
    "list": lambda: Around(lambda x, net: [net(x)], dense()),
    "named tuple": lambda: Around(lambda x, net: Pair(net(x), net(x) * 2), dense()),
    "dict of logits and features": lambda: Around(
        lambda x, net: {"features": x.flatten(1), "logits": net(x)}, dense()
    ),
    "dict of one": lambda: Around(lambda x, net: {"pred": {"cls": net(x)}}, dense()),
    "dataclass": lambda: Around(lambda x, net: Output(net(x)), dense()),
    "half": lambda: conv().half(),
    "bfloat16": lambda: conv().bfloat16(),
    "half, cast inside": lambda: Around(lambda x, net: net(x.half()), conv().half()),
    "half, then float": lambda: Around(lambda x, net: net(x.half()).float(), conv().half()),
    "float64": lambda: conv().double(),
    "autocast inside": lambda: inside(lambda: torch.autocast("cpu", dtype=torch.bfloat16), conv()),
    "lazy, made": lazily_made,
    "no parameters": lambda: Around(lambda x: x.flatten(1)[:, :CLASSES] * 8),
    "view of its input": lambda: Around(lambda x: x.view(len(x), -1)[:, :CLASSES]),
    "expanded": lambda: Around(lambda x: torch.stack([x[:, :, 0, 0].mean(1), x.mean((1, 2, 3))], 1)),
    "complex inside": lambda: Around(lambda x, net: net(torch.fft.fft2(x).abs()), dense()),
    "complex weights": Complex,
    "weight norm": lambda: changed(parametrizations.weight_norm),
    "spectral norm": lambda: changed(parametrizations.spectral_norm),
    "orthogonal": lambda: changed(parametrizations.orthogonal),
    "old spectral norm": lambda: changed(nn.utils.spectral_norm),
    "pruned": lambda: changed(lambda layer: prune.l1_unstructured(layer, "weight", 0.5)),
    "channels last": lambda: conv().to(memory_format=torch.channels_last),
    "functional": functional_call,
    "vmap": lambda: Around(lambda x, net: torch.func.vmap(lambda row: net(row[None])[0])(x), dense()),
    "data parallel": lambda: nn.DataParallel(conv()),
    "nested": lambda: nn.Sequential(nn.Sequential(nn.Sequential(conv()))),
    "instance norm": lambda: nn.Sequential(nn.InstanceNorm2d(3), dense()),
    "without gradients of its weights": lambda: conv().requires_grad_(False),
    "checkpointed": lambda: Around(lambda x, net: checkpoint(net, x, use_reentrant=False), dense()),
    "one row at a time": lambda: Around(lambda x, net: torch.cat([net(row[None]) for row in x]), dense()),
    "seeds torch itself": lambda: Around(seeding, dense()),
}
"""Networks whose logits are to be their own within rounding, and which are to be attacked."""

WITHOUT_GRADIENT: Mapping[str, Callable[[], nn.Module]] = {
    "inference mode inside": lambda: inside(torch.inference_mode, dense()),
    "no_grad inside": lambda: inside(torch.no_grad, dense()),
    "NumPy inside": lambda: Around(lambda x, net: torch.from_numpy(net(x).detach().numpy()), dense()),
    "bytes inside": lambda: Around(lambda x, net: net((x * 255).to(torch.uint8).float()), dense()),
    "reentrant checkpoint": lambda: Around(lambda x, net: checkpoint(net, x, use_reentrant=True), dense()),
}
"""Networks that answer, and whose attack is to be one clear error."""

UNSTEADY: Mapping[str, tuple[Callable[[], nn.Module], str]] = {
    "dropout active": (
        lambda: Around(lambda x, net: net(functional.dropout(x, 0.3, training=True)), dense()),
        "differently",
    ),
    "traced in train mode": (
        lambda: torch.jit.trace(conv().train(), example(), check_trace=False),
        "differently",
    ),
    "a generator of its own": (with_own_generator, "differently"),
    "NumPy's generator": (
        lambda: Around(lambda x, net: net(x + torch.from_numpy(NUMPY.random(x.shape)).float()), dense()),
        "differently",
    ),
    "Python's generator": (
        lambda: Around(lambda x, net: net(x) + random.random() * torch.arange(CLASSES), dense()),
        "differently",
    ),
    "counts its calls": (Counting, "differently"),
    "batch norm in train mode": (Forced, "batch"),
    "statistics of the batch, by a function": (
        lambda: Around(lambda x, net: net(functional.batch_norm(x, None, None, training=True)), dense()),
        "batch",
    ),
    "statistics of the batch, frozen": (lambda: frozen(of_batch()), "batch"),
    "statistics of the batch, traced": (lambda: torch.jit.trace(Forced(), example()), "batch"),
}
"""Networks whose answer to an image is not always the same, and what is to be said."""

REFUSED: Mapping[str, tuple[Callable[[], Any], str]] = {
    "two tuples of logits": (
        lambda: Around(lambda x, a, b: (a(x), b(x)), dense(), dense(7)),
        r"in which \(6, 5\) and \(6, 7\) could each be the logits",
    ),
    "two names": (lambda: Around(lambda x, a: {"a": a(x), "b": a(x)}, dense()), "could each be the logits"),
    "no tensor": (lambda: Around(lambda x: None), "returned NoneType"),
    "an array": (lambda: Around(lambda x, a: a(x).detach().numpy(), dense()), "returned ndarray"),
    "lazy": (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(5)), "lazy parameters"),
    "integers": (lambda: Around(lambda x: (x.flatten(1) * 9).int()), "returned torch.int32"),
    "booleans": (lambda: Around(lambda x: x.flatten(1) > 0.5), "returned torch.bool"),
    "complex": (lambda: Around(lambda x: torch.fft.fft(x.flatten(1))), "returned torch.complex64"),
    "meta": (lambda: dense().to("meta"), "on the meta device"),
    "two devices": (split, "on the meta device"),
    "raises": (lambda: Around(lambda x: 1 / 0), "raised ZeroDivisionError"),
    "exits": (lambda: Around(lambda x: sys.exit(3)), "raised SystemExit"),
    "NaN": (lambda: Around(lambda x, net: net(x) * np.nan, dense()), "NaN or infinite logits for 6 of 6"),
    "masked logits": (
        lambda: Around(lambda x, net: net(x).index_fill(1, torch.tensor([0]), -np.inf), dense()),
        "NaN or infinite",
    ),
    "one logit": (lambda: dense(1), r"shape \(6, 1\) for 6 images"),
    "rank 1": (lambda: Around(lambda x, net: net(x)[:, 0], dense()), r"returned shape \(6,\)"),
    "rank 3": (lambda: Around(lambda x, net: net(x)[:, None], dense()), r"returned shape \(6, 1, 5\)"),
    "a map of logits": (lambda: nn.Conv2d(3, 5, 1), r"returned shape \(6, 5, 8, 8\)"),
    "statistics of the batch": (of_batch, "0 is a batch norm without running statistics"),
    "the same, scripted": (lambda: torch.jit.script(of_batch()), "0 is a batch norm without running"),
    "made in inference mode": (made_in_inference_mode, "made in torch.inference_mode"),
    "a function": (lambda: lambda x: x.flatten(1), "not function"),
    "a class": (lambda: nn.Flatten, "not type"),
    "a state dict": (lambda: dense().state_dict(), "not OrderedDict"),
}
"""What is to be refused in one clear error that names what is wrong."""
