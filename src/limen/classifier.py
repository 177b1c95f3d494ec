"""The model under test: one way to call it, whatever it is and wherever it comes from."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from limen.errors import LimenError, UsageError

_PIECE_VALUES = 8 * 3 * 224 * 224
_PIECE_ROWS = 15
_DENSE_ROWS = 16


class ModelError(LimenError):
    """The model under test raised, or returned something that is no batch of finite logits."""


class Classifier:
    """A module that takes images in [0, 1] and returns logits, checked and left as it was found.

    While it runs, the module is in eval mode and its parameters need no gradient; training flags
    and gradient flags are restored afterwards, also when it raises. Parameters' `.grad` is never
    touched.

    On a CPU, the kernels of dense layers and convolutions change with the number of rows, and the
    last bits of their results with them; an iterated attack makes that visible. So a
    convolutional network is run in pieces of 2 to 15 images (a lone image is doubled, and its
    double's result dropped), which also keeps them in the caches, and dense layers get 16 rows or
    more. Within these limits a sample's logits and gradient are the same, bit for bit, in every batch.

    Args:
        module: Any network on (N, C, H, W); a Hugging Face model's `.logits` are taken.
        mean: What the network expects subtracted, a number or one a channel; None for 0.
        std: What the network expects to be divided by, likewise; None for 1.
        bounds: The range that the network's own preprocessing starts from, before mean and std:
            (0, 1), or (0, 255) for a network fed with bytes.
        device: Where to move the module; None leaves it where it is. Images are never moved.
        class_names: A name for each logit, for pages and tables.

    Raises:
        UsageError: For a module that is none, a batch norm that would make a sample's logits
            depend on its batch, or a mean, std or bounds that make no sense.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> classifier = Classifier(net, mean=0.5, std=0.25)
        >>> classifier(torch.rand(3, 3, 2, 2)).shape
        torch.Size([3, 5])
    """

    def __init__(
        self,
        module: nn.Module,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        bounds: tuple[float, float] = (0, 1),
        device: str | torch.device | None = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise UsageError(f"the model must be a torch.nn.Module, not {type(module).__name__}")
        _refuse_batch_statistics(module)
        self.module = module if device is None else module.to(checked_device(device))
        self.class_names = None if class_names is None else tuple(class_names)
        first = next(itertools.chain(module.parameters(), module.buffers()), None)
        self.device = first.device if first is not None else torch.device(device or "cpu")
        self.dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
        self._scale, self._shift = _affine(mean, std, bounds, self.device)
        on_cpu = self.device.type == "cpu"
        self._dense = [part for part in module.modules() if isinstance(part, nn.Linear)] if on_cpu else []
        self._in_pieces = on_cpu and any(isinstance(m, nn.modules.conv._ConvNd) for m in module.modules())
        self._frozen = False

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W) in [0, 1]; differentiable in the images.

        Raises:
            UsageError: If the images' device, dtype or channels do not fit the model.
            ModelError: If the module raises, or returns anything but N rows of finite logits.
        """
        self._check_fit(images)
        with self.frozen():
            logits = self._in_equal_pieces(images) if self._in_pieces else self._forward(images)
        return self._checked(logits, images)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the module in eval mode, its parameters without gradient, until the block ends."""
        if self._frozen:
            yield
            return
        training = [part for part in self.module.modules() if part.training]
        learning = [p for p in self.module.parameters() if p.requires_grad]
        try:
            self._frozen = True
            for part in training:
                part.training = False
            for parameter in learning:
                parameter.requires_grad_(False)
            with _at_least(_DENSE_ROWS, self._dense):
                yield
        finally:
            self._frozen = False
            for part in training:
                part.training = True
            for parameter in learning:
                parameter.requires_grad_(True)

    def fingerprint(self) -> str:
        """A SHA-256 hex digest of the weights: names, shapes, types and bytes."""
        digest = hashlib.sha256()
        for name, value in sorted(self.module.state_dict().items()):
            if not isinstance(value, Tensor):
                continue
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def _in_equal_pieces(self, images: Tensor) -> Tensor:
        count = len(images)
        if count == 1:
            logits = self._forward(images.expand(2, -1, -1, -1))
            return logits[:1] if isinstance(logits, Tensor) else logits
        values = max(1, images[:1].numel())
        most = max(_PIECE_ROWS // 2, min(_PIECE_ROWS, _PIECE_VALUES // values))
        if count <= most:
            return self._forward(images)
        return torch.cat([self._forward(piece) for piece in images.tensor_split(math.ceil(count / most))])

    def _forward(self, images: Tensor) -> Tensor:
        try:
            inputs = images if self._scale is None else torch.addcmul(self._shift, images, self._scale)
            output: Any = self.module(inputs)
        except Exception as error:
            raise ModelError(
                f"the model raised {type(error).__name__} on images of shape {tuple(images.shape)}: {error}"
            ) from error
        return getattr(output, "logits", output)

    def _check_fit(self, images: Tensor) -> None:
        if images.device != self.device:
            raise UsageError(f"images are on {images.device}, the model on {self.device}; move one of them")
        if self.dtype is not None and images.dtype != self.dtype:
            raise UsageError(f"images are {images.dtype}, the model {self.dtype}; convert one of them")
        if self._scale is not None and self._scale.shape[1] not in (1, images.shape[1]):
            raise UsageError(f"images have {images.shape[1]} channels, mean and std {self._scale.shape[1]}")
        if self._scale is not None and self._scale.dtype != images.dtype:
            self._scale, self._shift = self._scale.to(images.dtype), self._shift.to(images.dtype)

    def _checked(self, logits: Tensor, images: Tensor) -> Tensor:
        if not isinstance(logits, Tensor):
            raise ModelError(f"the model returned {type(logits).__name__}; expected a tensor of logits")
        if logits.ndim != 2 or logits.shape[0] != images.shape[0] or logits.shape[1] < 2:
            raise ModelError(
                f"the model returned shape {tuple(logits.shape)} for {images.shape[0]} images; "
                "expected (N, K) logits of K >= 2 classes"
            )
        if self.class_names is not None and len(self.class_names) != logits.shape[1]:
            raise ModelError(f"{len(self.class_names)} class names for {logits.shape[1]} logits")
        if not bool(torch.isfinite(logits.detach()).all()):
            bad = int((~torch.isfinite(logits).all(1)).sum())
            raise ModelError(f"the model returned NaN or infinite logits for {bad} of {len(logits)} images")
        return logits


@contextmanager
def _at_least(rows: int, layers: Sequence[nn.Linear]) -> Iterator[None]:
    """Let dense layers on fewer rows than these run on so many, until the block ends."""
    counts: dict[nn.Module, int] = {}

    def fill(layer: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        counts[layer] = len(args[0])
        if args[0].ndim != 2 or len(args[0]) >= rows:
            return None
        return (nn.functional.pad(args[0], (0, 0, 0, rows - len(args[0]))),)

    def cut(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output[: counts[layer]]

    hooks = [layer.register_forward_pre_hook(fill) for layer in layers]
    hooks += [layer.register_forward_hook(cut) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def check_labels(labels: Tensor, images: Tensor, classes: int | None = None, name: str = "labels") -> None:
    """Refuse anything but integer labels (N,), one for each image, inside the model's classes.

    Raises:
        UsageError: Naming the first label that is out of range, or what is wrong with the tensor.
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        what = (
            f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        )
        raise UsageError(f"{name} must be a torch.int64 tensor of shape (N,), not {what}")
    if labels.shape[0] != images.shape[0]:
        raise UsageError(f"{labels.shape[0]} {name} for {images.shape[0]} images")
    if labels.device != images.device:
        raise UsageError(f"{name} are on {labels.device}, images on {images.device}; move one of them")
    wrong = labels < 0 if classes is None else (labels < 0) | (labels >= classes)
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        most = "" if classes is None else f" and less than the model's {classes} classes"
        raise UsageError(f"{name}[{row}] is {int(labels[row])}; it must be 0 or more{most}")


def checked_device(device: str | torch.device) -> torch.device:
    """The device of this name.

    Raises:
        UsageError: If there is no such kind of device, or it is CUDA where torch sees none.
    """
    try:
        target = torch.device(device)
    except RuntimeError:
        raise UsageError(f"unknown device {device!r}; use cpu, cuda or cuda:0") from None
    if target.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {device!r} was asked for, but this torch sees no CUDA device; use cpu")
    return target


def _affine(
    mean: float | Sequence[float] | None,
    std: float | Sequence[float] | None,
    bounds: tuple[float, float],
    device: torch.device,
) -> Any:
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"bounds are {bounds}; expected a lower and a greater upper number")
    if mean is None and std is None and (low, high) == (0, 1):
        return None, None
    shift = torch.as_tensor(0.0 if mean is None else mean, dtype=torch.float64).reshape(1, -1, 1, 1)
    scale = torch.as_tensor(1.0 if std is None else std, dtype=torch.float64).reshape(1, -1, 1, 1)
    if not (
        bool(torch.isfinite(shift).all()) and bool((scale > 0).all()) and bool(torch.isfinite(scale).all())
    ):
        raise UsageError(f"mean is {mean} and std {std}; expected finite numbers, std above 0")
    if shift.shape[1] != scale.shape[1] and 1 not in (shift.shape[1], scale.shape[1]):
        raise UsageError(f"mean has {shift.shape[1]} channels, std {scale.shape[1]}")
    shift, scale = torch.broadcast_tensors((low - shift) / scale, (high - low) / scale)
    return scale.float().to(device), shift.float().to(device)


def _refuse_batch_statistics(module: nn.Module) -> None:
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is None:
            raise UsageError(
                f"{name or 'the model'} is a batch norm without running statistics: a sample's logits would "
                "depend on its batch; train it with track_running_stats=True"
            )
