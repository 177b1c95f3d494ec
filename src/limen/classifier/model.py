"""The classifier: a module, what it is fed, and how it is held while it runs."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from limen.classifier.answers import checked_logits, logits_of, raising
from limen.classifier.checks import (
    check_fed,
    checked_device,
    checked_names,
    refuse_batch_statistics,
    refuse_unready,
)
from limen.classifier.preprocessing import Channels, Preprocessing
from limen.classifier.steadiness import Steadiness
from limen.errors import UsageError
from limen.identity import Identity
from limen.images import Crop

_PIECE_VALUES = 8 * 3 * 224 * 224  # smaller pieces cost more than the caches save
_LARGE_IMAGE = 3 * 192 * 192  # smaller images gain nothing by pieces
_WIDE = (torch.float32, torch.float64)


class Classifier:
    """A module that takes images in [0, 1] and returns logits, checked and left as it was found.

    While it runs, the module is in eval mode and its parameters need no gradient; training flags
    and gradient flags are restored afterwards, also when it raises. Parameters' `.grad` is never
    touched. The logits are the module's own, within the rounding of a pass: kernels change with the
    number of rows, and the last bits of their results with them. On a CPU, a convolutional network is
    passed large images in pieces that fit the caches, which is faster; a piece is as much as a batch can be.

    A network whose weights are in half precision is fed in that; images and logits are float32 all the same.
    Of a network that returns a tuple, a dict or a dataclass, `logits_of` reads the logits. At its first call
    a network is asked whether it answers alike each time, and whatever else is in the batch, and a
    `LimenWarning` says so if it does not. A network that takes three channels is shown a grey image in each.

    Args:
        module: Any network on (N, C, H, W).
        mean: What the network expects subtracted, a number or one per channel; None for 0.
        std: What the network expects to be divided by, likewise; None for 1.
        bounds: The range that the network's own preprocessing starts from, before mean and std:
            (0, 1), or (0, 255) for a network fed with bytes.
        device: Where to move the module; None leaves it where it is. Images are never moved.
        class_names: A name for each logit, for pages and tables.
        channels: The order in which the network takes colours; mean and std are in this order too.
        crop: What its own preprocessing makes of a photograph, for data that do not say it.
        ask: Whether to ask the network if its answers are steady; not one that changes by learning.

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
        channels: Channels = "RGB",
        crop: Crop | None = None,
        ask: bool = True,
    ) -> None:
        if not isinstance(module, nn.Module):
            raise UsageError(f"the model must be a torch.nn.Module, not {type(module).__name__}")
        refuse_batch_statistics(module)
        refuse_unready(module)
        self.module = module if device is None else module.to(checked_device(device))
        self.class_names = checked_names(class_names)
        first = next(itertools.chain(module.parameters(), module.buffers()), None)
        self.device = first.device if first is not None else torch.device(device or "cpu")
        fed = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)
        self.dtype = fed if fed is None or fed in _WIDE else torch.float32
        self.crop = crop
        layers = [each for each in module.modules() if isinstance(each, nn.modules.conv._ConvNd)]
        taken = layers[0].in_channels if layers else None
        self._preprocessing = Preprocessing(mean, std, bounds, channels, self.device, fed, taken)
        self._convolutional = bool(layers)
        self._frozen = False
        self._steadiness = Steadiness(asked=not ask)

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
            logits = checked_logits(self._pass(images), images, self.class_names)
            self._steadiness.ask(self._answered, images, logits, self._preprocessing.eps)
        return logits

    def __repr__(self) -> str:
        weights = sum(each.numel() for each in self.module.parameters())
        known = [f"{weights:,} weights on {self.device}", self._preprocessing.described]
        if self.class_names is not None:
            known.append(f"{len(self.class_names)} classes")
        name = type(self.module).__name__ if self.identity is None else self.identity.label
        return f"<{type(self).__name__} {name}: {', '.join(filter(None, known))}>"

    def to(self, device: str | torch.device) -> Self:
        """Move the network, and all that the classifier feeds it by, to a device; images are never moved.

        Returns:
            The classifier itself, as a module does.

        Raises:
            UsageError: If torch cannot compute there.

        Example:
            >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
            >>> Classifier(net, mean=0.5, class_names=[*"abcde"]).to("cpu")
            <Classifier Sequential: 65 weights on cpu, mean 0.5, std 1, 5 classes>
        """
        self.device = checked_device(device)
        self.module.to(self.device)
        self._preprocessing.to(self.device)
        return self

    @property
    def repeatable(self) -> bool:
        """Whether the model has the same answer to the same image each time, as far as it has been asked."""
        return self._steadiness.repeatable

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the module in eval mode, its parameters without gradient, until the block ends.

        Raises:
            UsageError: If `torch.autocast` is on, which would round the caller's own numbers too.
        """
        kind = self.device.type
        if torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind):
            raise UsageError("torch.autocast is on; turn it on inside the network's forward instead")
        if self._frozen:
            yield
            return
        training = [part for part in self.module.modules() if getattr(part, "training", False)]
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

    @contextmanager
    def unasked(self) -> Iterator[None]:
        """Put off asking whether answers are steady, for whoever gathers what layers give in a call."""
        asked, self._steadiness.asked = self._steadiness.asked, True
        try:
            yield
        finally:
            self._steadiness.asked = asked

    def fingerprint(self) -> str:
        """A SHA-256 hex digest of the weights (names, shapes, types, bytes), and of mean, std and bounds."""
        digest = hashlib.sha256()
        digest.update(self._preprocessing.told.encode())
        for name, value in sorted(self.module.state_dict().items()):
            if not isinstance(value, Tensor):
                continue
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

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
        return self._preprocessing(images)

    def _forward(self, images: Tensor) -> Any:
        with raising(f"on images of shape {tuple(images.shape)}"):
            output: Any = self.module(self.normalised(images))
        return logits_of(output, len(images), None if self.class_names is None else len(self.class_names))

    def _answered(self, images: Tensor) -> Tensor:
        return checked_logits(self._forward(images), images, self.class_names)

    def _check_fit(self, images: Tensor) -> None:
        check_fed(images, self.device)
        self._preprocessing.check(images)


class Wrapped(Classifier):
    """A classifier around another, with whose module, device and class names it answers otherwise.

    Args:
        classifier: The classifier inside.
    """

    def __init__(self, classifier: Classifier) -> None:
        vars(self).update(vars(classifier))
        self.classifier = classifier

    def to(self, device: str | torch.device) -> Self:
        """Move the classifier inside, as `Classifier.to` does."""
        self.classifier.to(device)
        return super().to(device)

    def fingerprint(self) -> str:
        """That of the classifier inside."""
        return self.classifier.fingerprint()
