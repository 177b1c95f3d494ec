"""The model under test: one way to call it, whatever it is and wherever it comes from."""

from __future__ import annotations

import hashlib
import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from limen.errors import LimenError, UsageError
from limen.identity import Identity

_PIECE_VALUES = 8 * 3 * 224 * 224  # smaller pieces cost more than the caches save
_LARGE_IMAGE = 3 * 192 * 192  # smaller images gain nothing by pieces


class ModelError(LimenError):
    """The model under test raised, or returned something that is no batch of finite logits."""


class Classifier:
    """A module that takes images in [0, 1] and returns logits, checked and left as it was found.

    While it runs, the module is in eval mode and its parameters need no gradient; training flags
    and gradient flags are restored afterwards, also when it raises. Parameters' `.grad` is never
    touched. The logits are the module's own, within the rounding of a pass: kernels change with the
    number of rows, and the last bits of their results with them. On a CPU, a convolutional network is
    passed large images in pieces that fit the caches, which is faster; a piece is as much as a batch can be.

    Args:
        module: Any network on (N, C, H, W); a Hugging Face model's `.logits` are taken.
        mean: What the network expects subtracted, a number or one per channel; None for 0.
        std: What the network expects to be divided by, likewise; None for 1.
        bounds: The range that the network's own preprocessing starts from, before mean and std:
            (0, 1), or (0, 255) for a network fed with bytes.
        device: Where to move the module; None leaves it where it is. Images are never moved.
        class_names: A name for each logit, for pages and tables.

    Raises:
        UsageError: For a module that is none or is not ready for use, a batch norm that would make a
            sample's logits depend on its batch, or a mean, std or bounds that make no sense.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        >>> classifier = Classifier(net, mean=0.5, std=0.25)
        >>> classifier(torch.rand(3, 3, 2, 2)).shape
        torch.Size([3, 5])
    """

    identity: Identity | None = None
    """The spec that the model was made from, as data; None where it was made in Python."""
    draws: int = 1
    """How many passes of the network a call takes: several where it averages over random draws."""

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
        _refuse_unready(module)
        self.module = module if device is None else module.to(checked_device(device))
        self.class_names = None if class_names is None else tuple(class_names)
        first = next(itertools.chain(module.parameters(), module.buffers()), None)
        self.device = first.device if first is not None else torch.device(device or "cpu")
        self.dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
        self._scale, self._shift = _affine(mean, std, bounds, self.device)
        self._convolutional = any(isinstance(m, nn.modules.conv._ConvNd) for m in module.modules())
        self._frozen = False
        self._tried = False

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W) in [0, 1]; differentiable in the images.

        Raises:
            UsageError: If the images' device, dtype or channels do not fit the model, `torch.autocast` is
                on, or a gradient is asked for inside `torch.inference_mode`.
            ModelError: If the module raises, returns anything but N rows of finite logits, or gives no
                gradient where the images need one.
        """
        self._check_fit(images)
        with self.frozen():
            logits = self._pass(images) if self._tried else self._first_pass(images)
        return self._checked(logits, images)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the module in eval mode, its parameters without gradient, until the block ends.

        Raises:
            UsageError: If `torch.autocast` is on, which would round the caller's own numbers too.
        """
        if torch.is_autocast_enabled(self.device.type):
            raise UsageError("torch.autocast is on; turn it on inside the network's forward instead")
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
            yield
        finally:
            self._frozen = False
            for part in training:
                part.training = True
            for parameter in learning:
                parameter.requires_grad_(True)

    def fingerprint(self) -> str:
        """A SHA-256 hex digest of the weights (names, shapes, types, bytes), and of mean, std and bounds."""
        digest = hashlib.sha256()
        if self._scale is not None:
            digest.update(repr((self._scale.flatten().tolist(), self._shift.flatten().tolist())).encode())
        for name, value in sorted(self.module.state_dict().items()):
            if not isinstance(value, Tensor):
                continue
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def _first_pass(self, images: Tensor) -> Any:
        """The pass, and a warning if it moved torch's random numbers: such answers are not repeatable."""
        before = _random_state(self.device)
        logits = self._pass(images)
        self._tried = True
        if not torch.equal(before, _random_state(self.device)):
            warnings.warn(
                "the model draws random numbers in eval mode, so it may answer differently to the same "
                "image: whether an attack succeeded may change from one call to the next",
                stacklevel=3,
            )
        return logits

    def _pass(self, images: Tensor) -> Any:
        values = images[0].numel() if len(images) else 0
        if values < _LARGE_IMAGE or not self._convolutional or images.device.type != "cpu":
            return self._forward(images)
        pieces = images.tensor_split(max(1, len(images) * values // _PIECE_VALUES))
        answers = [self._forward(piece) for piece in pieces]
        fit = len(answers) > 1 and all(isinstance(each, Tensor) and each.ndim == 2 for each in answers)
        return torch.cat(answers) if fit else answers[0]

    def normalised(self, images: Tensor) -> Tensor:
        """What the module is fed for images, in a tensor of its own: it may work in place on it."""
        return images.clone() if self._scale is None else torch.addcmul(self._shift, images, self._scale)

    def _forward(self, images: Tensor) -> Any:
        try:
            output: Any = self.module(self.normalised(images))
        except Exception as error:
            raise ModelError(
                f"the model raised {type(error).__name__} on images of shape {tuple(images.shape)}: {error}"
            ) from error
        return getattr(output, "logits", output)

    def _check_fit(self, images: Tensor) -> None:
        if torch.is_inference_mode_enabled() and torch.is_grad_enabled():
            raise UsageError("torch.inference_mode is on, where nothing has a gradient; use torch.no_grad")
        if images.device != self.device:
            raise UsageError(f"images are on {images.device}, the model on {self.device}; move one of them")
        if self.dtype is not None and images.dtype != self.dtype:
            raise UsageError(f"images are {images.dtype}, the model {self.dtype}; convert one of them")
        if self._scale is not None and self._scale.shape[1] not in (1, images.shape[1]):
            raise UsageError(f"images have {images.shape[1]} channels, mean and std {self._scale.shape[1]}")
        if self._scale is not None and self._scale.dtype != images.dtype:
            self._scale, self._shift = self._scale.to(images.dtype), self._shift.to(images.dtype)

    def _checked(self, logits: Any, images: Tensor) -> Tensor:
        if not isinstance(logits, Tensor):
            raise ModelError(f"the model returned {type(logits).__name__}; expected a tensor of logits")
        if logits.ndim != 2 or logits.shape[0] != images.shape[0] or logits.shape[1] < 2:
            raise ModelError(
                f"the model returned shape {tuple(logits.shape)} for {images.shape[0]} images; "
                "expected (N, K) logits of K >= 2 classes"
            )
        if not logits.is_floating_point():
            raise ModelError(f"the model returned {logits.dtype}; expected floating-point logits")
        if self.class_names is not None and len(self.class_names) != logits.shape[1]:
            raise ModelError(f"{len(self.class_names)} class names for {logits.shape[1]} logits")
        if torch.is_grad_enabled() and images.requires_grad and not logits.requires_grad:
            raise ModelError(
                "no gradient flows through the model: it detaches the images, or uses no_grad, NumPy or "
                "layers of integers. Let the gradient pass straight through these; or attack the model "
                "without them, and see which of those images fool this one"
            )
        if not bool(torch.isfinite(logits.detach()).all()):
            bad = int((~torch.isfinite(logits).all(1)).sum())
            raise ModelError(f"the model returned NaN or infinite logits for {bad} of {len(logits)} images")
        return logits.to(images.dtype)  # a network may work in half precision inside


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def check_labels(labels: Tensor, images: Tensor, classes: int | None = None, name: str = "labels") -> None:
    """Refuse anything but integer labels (N,), one for each image, inside the model's classes.

    Raises:
        UsageError: Naming the first label that is out of range, or what is wrong with the tensor.
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.ndim != 1:
        shaped = isinstance(labels, Tensor)
        what = f"{labels.dtype} {tuple(labels.shape)}" if shaped else type(labels).__name__
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
        UsageError: If there is no such kind of device, or torch cannot compute on it here.
    """
    try:
        target = torch.device(device)
    except RuntimeError:
        raise UsageError(f"unknown device {device!r}; use cpu, cuda or cuda:0") from None
    if target.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {device!r} was asked for, but this torch sees no CUDA device; use cpu")
    try:
        torch.zeros(1, device=target).tolist()
    except Exception:  # of a dozen kinds, one for each back end
        raise UsageError(f"this torch cannot compute on device {device!r}; use cpu, cuda or cuda:0") from None
    return target


def _affine(
    mean: float | Sequence[float] | None,
    std: float | Sequence[float] | None,
    bounds: tuple[float, float],
    device: torch.device,
) -> Any:
    try:
        low, high = (float(bound) for bound in bounds)
        shift, scale = (
            torch.as_tensor(value, dtype=torch.float64).reshape(1, -1, 1, 1)
            for value in (0.0 if mean is None else mean, 1.0 if std is None else std)
        )
    except (TypeError, ValueError, RuntimeError):
        given = f"mean is {mean!r}, std {std!r} and bounds {bounds!r}"
        raise UsageError(f"{given}; expected numbers, or one per channel for mean and std") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"bounds are {bounds}; expected a lower and a greater upper number")
    if mean is None and std is None and (low, high) == (0, 1):
        return None, None
    if not bool(shift.isfinite().all() & scale.isfinite().all() & (scale > 0).all()):
        raise UsageError(f"mean is {mean} and std {std}; expected finite numbers, std above 0")
    if shift.shape[1] != scale.shape[1] and 1 not in (shift.shape[1], scale.shape[1]):
        raise UsageError(f"mean has {shift.shape[1]} channels, std {scale.shape[1]}")
    shift, scale = torch.broadcast_tensors((low - shift) / scale, (high - low) / scale)
    return scale.float().to(device), shift.float().to(device)


def _refuse_batch_statistics(module: nn.Module) -> None:
    for name, part in module.named_modules():
        # A scripted or traced module keeps only the name of what it was.
        kind = getattr(part, "original_name", "")
        normalises = isinstance(part, nn.modules.batchnorm._BatchNorm) or "BatchNorm" in kind
        if normalises and getattr(part, "running_mean", None) is None:
            raise UsageError(
                f"{name or 'the model'} is a batch norm without running statistics: a sample's logits would "
                "depend on its batch; train it with track_running_stats=True"
            )


def _refuse_unready(module: nn.Module) -> None:
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        if nn.parameter.is_lazy(tensor):
            raise UsageError("the model has lazy parameters without values; run it once on an image")
        if tensor.is_meta:
            raise UsageError("the model's weights are on the meta device, which holds no values; load them")
        if tensor.is_inference():
            raise UsageError("the model was made in torch.inference_mode, so it has no gradient; use no_grad")
