"""Whether a network's answer to an image is always the same: each time, and whatever else is in its batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from limen.errors import LimenError, LimenWarning

_REPEATED = 1e-4  # of the largest logit: by how much the same batch may differ from itself
_REBATCHED = 2e-2  # by how much an image may in another batch, as other kernels are used; as for int8
_EPS = 16  # so many times the network's precision may be more

UNREPEATED = (
    "the model answers differently to the same image, as it draws random numbers in eval mode or changes "
    "with each call (by up to {change:.2g} in logits of up to {size:.2g}): whether an attack succeeded may "
    "change from one call to the next. Attacks ask again about every success, and say how many did not hold"
)
BATCHED = (
    "the model's answer to an image depends on what else is in its batch (by up to {change:.2g} in logits "
    "of up to {size:.2g}), as where a batch norm was scripted or traced in training mode: results hold for "
    "this batch size and order alone. Make it in eval mode"
)


class Steadiness:
    """What has been found out about a network's answers; a classifier around another shares it.

    Attributes:
        asked: Whether it has been.
        repeatable: Whether the same batch has the same answer each time.
    """

    def __init__(self, asked: bool = False) -> None:
        self.asked, self.repeatable = asked, True

    def ask(self, forward: Callable[[Tensor], Tensor], images: Tensor, logits: Tensor, eps: float) -> None:
        """Ask again about the first image beside a black or white one, twice, and warn where answers differ.

        These are four rows, once for a network; torch's random numbers are as if nobody had asked.

        Args:
            forward: Passes images through the network.
            images: At least one that it was given.
            logits: What it answered.
            eps: The precision that it works in.
        """
        if self.asked or not len(images):
            return
        self.asked = True
        first = images[:1].detach()
        pair = torch.cat([first, torch.full_like(first, float(first.mean() < 0.5))])
        devices = [images.device] if images.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices):
            try:
                one = forward(pair)
                before = _random_state(images.device)
                other = forward(pair)
                drawn = not torch.equal(before, _random_state(images.device))
            except LimenError:  # of a network for one size of batch: who needs another will hear of it
                return
        size, precision = float(logits.detach().abs().max()), _EPS * eps
        change = float((one - other).abs().max())
        if drawn or change > size * max(_REPEATED, precision):
            self.repeatable = False
            warnings.warn(UNREPEATED.format(change=change, size=size), LimenWarning, stacklevel=4)
            return
        change = float((one[0] - logits[0].detach()).abs().max())
        if change > size * max(_REBATCHED, precision):
            warnings.warn(BATCHED.format(change=change, size=size), LimenWarning, stacklevel=4)


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
