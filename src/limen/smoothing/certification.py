"""What is proved of a smoothed classifier, and what it answers where it may abstain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from limen.analysis.certification import certified_radii, decided
from limen.errors import UsageError
from limen.safety import check_count
from limen.smoothing.smoothed import Smoothed

ABSTAINED = -1
"""What stands for a class where there is none."""


@dataclass(frozen=True, eq=False)
class Certificates:
    """What is proved of a smoothed classifier, image by image.

    Attributes:
        predictions: The classes (N,), int64; `ABSTAINED` where nothing is proved.
        radii: The L2 radii (N,), float64, within which each image keeps its class; 0 where nothing is proved.
        counts: How many of the draws gave the class that was looked at (N,), int64.
    """

    predictions: Tensor
    radii: Tensor
    counts: Tensor

    @property
    def abstained(self) -> Tensor:
        """Whether nothing is proved of an image (N,), bool."""
        return self.predictions == ABSTAINED


def certify(
    smoothed: Smoothed, images: Tensor, n0: int = 100, n: int = 100_000, alpha: float = 0.001
) -> Certificates:
    """The class of each image, and the radius within which the smoothed classifier keeps it.

    A few draws choose the class; others, of which the choice knows nothing, bound its probability from below.
    Each certificate by itself is wrong with a chance of at most `alpha`. It is about the smoothed classifier
    of draws without end, not about the network inside, nor about an answer of `draws` votes. No radius is
    above σ·Φ⁻¹(α^(1/n)): more draws prove more.

    Args:
        smoothed: The smoothed classifier; its own `draws` count for nothing here.
        images: Images (N, C, H, W) in [0, 1].
        n0: How many draws choose the class.
        n: How many draws bound its probability.
        alpha: The chance of being wrong, between 0 and 1.

    Returns:
        Certificates on the images' device.

    Raises:
        UsageError: If a count is not 1 or more, alpha is out of range, `n` draws could prove nothing
            whatever they show, or the images do not fit.
        ModelError: As the classifier.

    Source:
        Cohen, Rosenfeld & Kolter 2019, Section 3.2.2, CERTIFY.

    Example:
        >>> from limen.classifier import Classifier
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> made = certify(Smoothed(Classifier(net), sigma=0.5), torch.rand(2, 3, 4, 4), n=100)
        >>> bool((made.radii <= 0.5 * 1.5).all())
        True
    """
    check_count("n0", n0)
    _check(n, alpha)
    if alpha ** (1 / n) < 0.5:
        least = math.ceil(math.log(alpha, 0.5))
        raise UsageError(f"n is {n}, which proves nothing at alpha {alpha}; take at least {least} draws")
    top = smoothed.votes(images, range(-n0, 0)).argmax(1)
    counts = smoothed.votes(images, range(n)).gather(1, top[:, None])[:, 0]
    found = certified_radii(counts.cpu().numpy(), n, smoothed.sigma, alpha)
    radii = torch.from_numpy(found).to(images.device)
    return Certificates(top.masked_fill(radii.isnan(), ABSTAINED), radii.nan_to_num(0), counts)


def predict(smoothed: Smoothed, images: Tensor, n: int = 100_000, alpha: float = 0.001) -> Tensor:
    """The class that the smoothed classifier gives to each image, or none where the votes do not decide.

    A class that is returned is not that of the smoothed classifier of draws without end with a chance of at
    most `alpha`.

    Args:
        smoothed: The smoothed classifier; its own `draws` count for nothing here.
        images: Images (N, C, H, W) in [0, 1].
        n: How many draws vote.
        alpha: The chance of being wrong, between 0 and 1.

    Returns:
        Classes (N,), int64; `ABSTAINED` where the votes do not decide.

    Raises:
        UsageError: If `n` is not 1 or more, alpha is out of range, or the images do not fit.
        ModelError: As the classifier.

    Source:
        Cohen, Rosenfeld & Kolter 2019, Section 3.2.1, PREDICT.

    Example:
        >>> from limen.classifier import Classifier
        >>> even = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2))
        >>> _ = [parameter.requires_grad_(False).zero_() for parameter in even.parameters()]
        >>> even[1].weight[0] = torch.tensor([1.0, -1.0]).repeat(24)
        >>> predict(Smoothed(Classifier(even)), torch.full((1, 3, 4, 4), 0.5), n=100)
        tensor([-1])
    """
    _check(n, alpha)
    votes = smoothed.votes(images, range(n))
    first, second = votes.topk(2, 1).values.unbind(1)
    sure = torch.from_numpy(decided(first.cpu().numpy(), second.cpu().numpy(), alpha))
    return votes.argmax(1).masked_fill(~sure.to(images.device), ABSTAINED)


def _check(n: int, alpha: float) -> None:
    check_count("n", n)
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha}; expected a number between 0 and 1")
