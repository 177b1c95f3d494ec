"""What a model, its labels and its device must be, before anything is computed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from limen.errors import UsageError, shown
from limen.images import oddity


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
    """The device of this name, as its tensors call it: `cuda` is the GPU that is the current one.

    Raises:
        UsageError: If there is no such kind of device, or torch cannot compute on it here.
    """
    try:
        target = torch.device(device)
    except (RuntimeError, TypeError, ValueError):
        raise UsageError(f"unknown device {shown(device)}; use cpu, cuda or cuda:0") from None
    if target.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {str(device)!r} was asked for, but this torch sees no CUDA device; use cpu")
    try:
        tried = torch.zeros(1, device=target)
        tried.tolist()
    except Exception:  # of a dozen kinds, one for each back end
        raise UsageError(
            f"this torch cannot compute on device {str(device)!r}; use cpu, cuda or cuda:0"
        ) from None
    return tried.device


def check_fed(images: Tensor, device: torch.device) -> None:
    """Refuse what no network can be fed with on its device; values are not looked at.

    Raises:
        UsageError: Saying what was given, and the cure.
    """
    if torch.is_inference_mode_enabled() and torch.is_grad_enabled():
        raise UsageError("torch.inference_mode is on, where nothing has a gradient; use torch.no_grad")
    if not isinstance(images, Tensor):
        raise UsageError(
            f"images are {type(images).__name__}; expected a tensor (N, C, H, W) of floats in [0, 1], as "
            "torch.from_numpy or torch.stack make one"
        )
    if kind := oddity(images):
        raise UsageError(f"images are a {kind} tensor; pass a dense one that holds its values")
    if images.ndim < 2 or not images.is_floating_point():
        raise UsageError(
            f"images are {images.dtype} of shape {tuple(images.shape)}; expected floats (N, C, H, W)"
        )
    if images.device != device:
        raise UsageError(f"images are on {images.device}, the model on {device}; move one of them")


def checked_names(class_names: Iterable[str] | None) -> tuple[str, ...] | None:
    """The names of classes.

    Raises:
        UsageError: If they are no texts.
    """
    if class_names is None:
        return None
    if isinstance(class_names, str | Tensor) or not isinstance(class_names, Iterable):
        raise UsageError(f"class_names are {shown(class_names)}; expected a list of one text per class")
    names = tuple(class_names)
    if not all(isinstance(name, str) for name in names):
        raise UsageError(f"class_names are {shown(names)}; expected a list of one text per class")
    return names


def refuse_batch_statistics(module: nn.Module) -> None:
    """Refuse a batch norm that would take its statistics from the batch.

    Raises:
        UsageError: Naming the layer.
    """
    for name, part in module.named_modules():
        # A scripted or traced module keeps only the name of what it was.
        kind = str(getattr(part, "original_name", ""))
        normalises = isinstance(part, nn.modules.batchnorm._BatchNorm) or "BatchNorm" in kind
        if normalises and getattr(part, "running_mean", None) is None:
            raise UsageError(
                f"{name or 'the model'} is a batch norm without running statistics: a sample's logits would "
                "depend on its batch; train it with track_running_stats=True"
            )


def refuse_unready(module: nn.Module) -> None:
    """Refuse a module whose weights have no values, or can have no gradient.

    Raises:
        UsageError: Saying what was left out.
    """
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        if nn.parameter.is_lazy(tensor):
            raise UsageError("the model has lazy parameters without values; run it once on an image")
        if tensor.is_meta:
            raise UsageError("the model's weights are on the meta device, which holds no values; load them")
        if tensor.is_inference():
            raise UsageError("the model was made in torch.inference_mode, so it has no gradient; use no_grad")
