"""Whether the network would know the images clearly better if it were fed otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy
import torch
from torch import Tensor

from limen.audit.finding import Finding
from limen.audit.setup.subject import Subject
from limen.classifier import Classifier, logits_of, raising
from limen.defenses import undefended
from limen.document import number, percent
from limen.errors import LimenError

_LEVEL = 1e-3
_LEFT = 0.75  # of the loss, where another way is clearly better
_MOST = 64
_SHARPNESS = (-6.0, 6.0)
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE = (123.68, 116.78, 103.94)

Feed = Callable[[Tensor], Tensor]


def preprocessing(subject: Subject) -> Iterator[Finding]:
    """The usual ways to feed a network, each on the same images, against the way it is fed now."""
    title = "Preprocessing"
    if not subject.labelled:
        yield Finding("preprocessing", title, "note", "Without labels it cannot be told which is better.")
        return
    images, truth = subject.images[:_MOST], subject.labels[:_MOST].numpy()
    network = undefended(subject.classifier)
    now = _fed(network, images, truth, network.normalised)
    found = {}
    for name, feed in _ways(network, images).items():
        try:
            found[name] = _fed(network, images, truth, feed)
        except LimenError:  # a network that refuses such values is not meant to be fed so
            continue
    if not found:
        yield Finding("preprocessing", title, "note", "The network takes nothing but what it is fed now.")
        return
    clear = {name: each for name, each in found.items() if _clearly(now, each, len(found))}
    if clear:
        best = min(clear, key=lambda name: clear[name].losses.mean())
        cure = "Give the model the mean, std, bounds and order of channels that it was trained with."
        title, evidence = "The network is fed otherwise than it expects", _compared(now, found[best], best)
        yield Finding("preprocessing", title, "weakens", evidence, cure)
        return
    said = f"None of {len(found)} other usual ways to feed it makes it clearly surer of the right classes."
    yield Finding("preprocessing", title, "sound", said)


@dataclass(frozen=True)
class _Fed:
    """How a network does that is fed in some way: its losses (N,), and the share that it has right."""

    losses: np.ndarray
    right: float

    def better(self, other: _Fed) -> int:
        """On how many images the other way makes it surer of the right class."""
        return int((other.losses < self.losses).sum())


def _clearly(now: _Fed, other: _Fed, tried: int) -> bool:
    """Whether another way is better on too many images for chance alone, and by much on their mean.

    The mean is that of all but the image that gains most, which else could make all of it alone.
    """
    chance = scipy.special.bdtrc(now.better(other) - 1, len(now.losses), 0.5)
    rest = np.argsort(now.losses - other.losses)[:-1]
    by_much = len(rest) > 0 and other.losses[rest].mean() <= _LEFT * now.losses[rest].mean()
    return bool(by_much and tried * chance < _LEVEL)


def _compared(now: _Fed, other: _Fed, how: str) -> str:
    return (
        f"On {now.better(other):,} of {len(now.losses):,} images the network is surer of the right class "
        f"when fed {how} than as it is fed now. At the temperatures that fit best the mean cross-entropy is "
        f"{number(other.losses.mean())} instead of {number(now.losses.mean())}. Of these images "
        f"{percent(other.right)} are right instead of {percent(now.right)}."
    )


def _fed(network: Classifier, images: Tensor, truth: np.ndarray, feed: Feed) -> _Fed:
    said = []
    for piece in images.split(16):
        with network.frozen(), torch.no_grad(), raising("when fed otherwise"):
            fed = feed(piece).to(network.normalised(piece[:1]).dtype)
            said.append(logits_of(network.module(fed), len(piece)).double().nan_to_num(0).cpu())
    logits = torch.cat(said).numpy()
    return _Fed(_losses(logits, truth), float((logits.argmax(1) == truth).mean()))


def _losses(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The cross-entropy (N,), at the temperature at which its mean is least.

    Else what only raises the contrast of its images would make a network surer, and seem to be better.
    """
    size = np.abs(logits - logits.mean(1, keepdims=True)).mean() or 1.0

    def at(sharpness: float) -> np.ndarray:
        scaled = logits * (np.exp(sharpness) / size)
        return scipy.special.logsumexp(scaled, axis=1) - scaled[np.arange(len(truth)), truth]

    fit = scipy.optimize.minimize_scalar(
        lambda sharpness: at(sharpness).mean(), bounds=_SHARPNESS, method="bounded"
    )
    return at(fit.x)


def _ways(network: Classifier, images: Tensor) -> dict[str, Feed]:
    """The usual ways but the one in use, by what they are called after "fed"."""

    def of_channels(values: tuple[float, ...], like: Tensor) -> Tensor:
        numbers = torch.tensor(values, device=like.device, dtype=like.dtype)
        return (numbers if like.shape[1] == len(values) else numbers.mean()[None]).reshape(1, -1, 1, 1)

    def standard(x: Tensor) -> Tensor:
        return (x - of_channels(_MEAN, x)) / of_channels(_STD, x)

    def unstandard(y: Tensor) -> Tensor:
        return y * of_channels(_STD, y) + of_channels(_MEAN, y)

    straight: dict[str, Feed] = {
        "values in [0, 1] as they are": lambda x: x.clone(),
        "values from 0 to 255": lambda x: 255 * x,
        "values in [−1, 1] (mean and std 0.5)": lambda x: 2 * x - 1,
        "values normalised by ImageNet's mean and std": standard,
        "values from 0 to 255 less ImageNet's mean": lambda x: 255 * x - of_channels(_CAFFE, x),
    }
    ways = dict(straight)
    if images.shape[1] == 3:
        turned = {f"{name}, channels in the order BGR": each for name, each in straight.items()}
        ways |= {name: lambda x, feed=each: feed(x).flip(1) for name, each in turned.items()}
        ways["its channels in the other order"] = lambda x: network.normalised(x).flip(1)
    if torch.equal(network.normalised(images[:1]), images[:1]):
        # It may normalise inside: then what it should get must come out of its own map.
        ways["values that its own mean and std of 0.5 would leave in [0, 1]"] = lambda x: (x + 1) / 2
        ways["values that its own mean and std of 0.5 would make ImageNet's"] = lambda x: (
            (standard(x) + 1) / 2
        )
        ways["values that ImageNet's mean and std inside it would leave in [0, 1]"] = unstandard
        ways["values that ImageNet's mean and std inside it would make [−1, 1]"] = lambda x: unstandard(
            2 * x - 1
        )
    now = network.normalised(images[:1])
    return {name: feed for name, feed in ways.items() if not torch.allclose(feed(images[:1]).to(now), now)}
