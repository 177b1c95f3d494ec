"""Whether the network would know the images clearly better if it were fed otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from limen.analysis import mcnemar
from limen.audit.finding import Finding
from limen.audit.setup.subject import Subject
from limen.classifier import Classifier, logits_of, raising
from limen.defenses import undefended
from limen.document import percent
from limen.errors import LimenError

_LEVEL = 1e-3
_GAIN = 0.05
_MOST = 64
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
    before = _answers(network, images, lambda x: network.normalised(x)) == truth
    found = {}
    for name, feed in _ways(network, images).items():
        try:
            found[name] = _answers(network, images, feed) == truth
        except LimenError:  # a network that refuses such values is not meant to be fed so
            continue
    best = max(found, key=lambda name: found[name].sum(), default=None)
    if best is None:
        yield Finding("preprocessing", title, "note", "The network takes nothing but what it is fed now.")
        return
    gain = float(found[best].mean() - before.mean())
    if gain >= _GAIN and len(found) * mcnemar(before, found[best]) < _LEVEL:
        evidence = (
            f"Of {len(truth):,} images the network has {percent(float(before.mean()))} right as it is fed "
            f"now, and {percent(float(found[best].mean()))} when fed {best}."
        )
        cure = "Give the model the mean, std, bounds and order of channels that it was trained with."
        yield Finding(
            "preprocessing", "The network is fed otherwise than it expects", "weakens", evidence, cure
        )
        return
    yield Finding(
        "preprocessing",
        title,
        "sound",
        f"None of {len(found)} other usual ways to feed it is clearly better.",
    )


def _answers(network: Classifier, images: Tensor, feed: Feed):
    said = []
    for piece in images.split(16):
        with network.frozen(), torch.no_grad(), raising("when fed otherwise"):
            fed = feed(piece).to(network.normalised(piece[:1]).dtype)
            logits = logits_of(network.module(fed), len(piece))
        said.append(logits.float().nan_to_num(0).argmax(1).cpu())
    return torch.cat(said).numpy()


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
