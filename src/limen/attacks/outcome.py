"""What an attack found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import cast

import torch
from torch import Tensor

from limen.attacks.trace import Trace


@dataclass(frozen=True)
class Outcome:
    """What an attack found, one row per sample.

    Attributes:
        images: The adversarial images (N, C, H, W), on the 8-bit lattice unless it was turned
            off; a failed sample's original, as it was given.
        success: Whether (N,) the model's prediction on these images is what the attack was after.
        predictions: The model's predictions (N,): on the adversarial image of a success, on the
            last image tried of a failure.
        steps: Moves made (N,), over all restarts and searches.
        forwards: Forward passes (N,) that the sample took part in.
        backwards: Backward passes (N,) whose gradient the sample used.
        zero_gradients: In how many (N,) of these the gradient was 0 everywhere, or the model, not fooled yet,
            had no part in it, as where only a salience was climbed. Where no gradient of what is climbed
            could move the sample, the passes beside these count as such, too.
        nonfinite_gradients: In how many (N,) of these it held NaN or infinity, which count as 0.
        unmasked: On which samples (N,) a mask says nothing: it named no place, as where attention is flat, so
            that all of the image could change; or the foreground is empty or the whole image.
        unconfirmed: Which successes (N,) did not hold when the model was asked again about the same image, as
            it is where its answers are not repeatable. They are successes nonetheless.
        still: Which samples (N,) were never moved: no image that the model was shown differed from the stored
            original, though steps were made.
        trace: Every look of the attack at the model, where the call asked for it.
    """

    images: Tensor
    success: Tensor
    predictions: Tensor
    steps: Tensor
    forwards: Tensor
    backwards: Tensor
    zero_gradients: Tensor
    nonfinite_gradients: Tensor
    unmasked: Tensor = field(default=cast(Tensor, None))
    unconfirmed: Tensor = field(default=cast(Tensor, None))
    still: Tensor = field(default=cast(Tensor, None))
    trace: Trace | None = None

    def __post_init__(self) -> None:
        for name in ("unmasked", "unconfirmed", "still"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, torch.zeros_like(self.success))

    def __repr__(self) -> str:
        return f"<outcome of images {tuple(self.images.shape)}: {int(self.success.sum())} succeeded>"

    @classmethod
    def joined(cls, parts: Sequence[Outcome]) -> Outcome:
        """The outcomes of the parts of a batch, one after the other."""
        if len(parts) == 1:
            return parts[0]
        found = {name: torch.cat([getattr(part, name) for part in parts]) for name in cls._of_samples()}
        traces = [part.trace for part in parts if part.trace is not None]
        whole = len(traces) == len(parts)
        trace = Trace.joined(traces, [len(part.success) for part in parts]) if whole else None
        return cls(**found, trace=trace)

    def retried(self, rows: Tensor, again: Outcome) -> Outcome:
        """With a second try at the samples at `rows`, which is kept where it succeeds, and counted anyway."""
        found = {name: getattr(self, name).clone() for name in self._of_samples()}
        kept = rows[again.success]
        for name, values in found.items():
            if name in ("images", "success", "predictions", "unconfirmed"):
                values[kept] = getattr(again, name)[again.success]
            elif name == "still":
                values[rows] &= again.still
            else:
                values[rows] += getattr(again, name)
        if self.trace is None or again.trace is None:
            return Outcome(**found)
        return Outcome(**found, trace=self.trace.followed(rows, again.trace))

    @classmethod
    def _of_samples(cls) -> list[str]:
        """The attributes that have one row per sample."""
        return [each.name for each in fields(cls) if each.name != "trace"]

    @property
    def stuck(self) -> Tensor:
        """Which samples (N,) no gradient could move: all were 0 everywhere, or not finite."""
        return (self.backwards > 0) & (self.zero_gradients + self.nonfinite_gradients == self.backwards)

    @property
    def faded(self) -> Tensor:
        """Which others (N,) a gradient could move in less than half of the backward passes."""
        return ~self.stuck & (2 * (self.zero_gradients + self.nonfinite_gradients) > self.backwards)
