"""Values that are bound to the samples of a call, and narrowed to those of them that go on."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from limen.classifier import Classifier
from limen.errors import UsageError
from limen.images import column, per_sample, quantize
from limen.seeds import draw


def setting(default: Any = MISSING) -> Any:
    """A field for a number, or a tensor (N,) with one per sample; bound, it broadcasts over images."""
    return field(default=default, metadata={"per_sample": True, "setting": True})


def flat(value: float | Tensor) -> float | Tensor:
    """A setting as a number or (n,), the shape of distances."""
    return value.flatten() if isinstance(value, Tensor) else value


def rows() -> Any:
    """A field with one row per sample, filled by `bind` or the loop: a tensor, or what has `select`."""
    return field(default=None, kw_only=True, repr=False, metadata={"per_sample": True})


@dataclass(frozen=True)
class Part:
    """A value whose fields are settings, other parts, and what belongs to the samples of a call.

    Fields made by `setting` and `rows` are narrowed when samples finish; a tensor in any other field is not.
    """

    def bind(self, problem: Problem) -> Self:
        """Bind to the samples of a call: settings of shape (N,) broadcast over their images."""
        return self._map(
            lambda part: part.bind(problem), lambda each, value: _broadcast(each, value, problem)
        )

    def select(self, rows: Tensor) -> Self:
        """The same part for the samples at `rows`; of one not bound yet, its settings of shape (N,)."""
        return self._map(lambda part: part.select(rows), lambda each, value: _select(each, value, rows))

    def update(self, state: Any) -> Self:
        """The part as it stands after an iterate, `protocols.State`; most stay as they are."""
        return self

    def check(self, problem: Problem) -> None:
        """Refuse settings of another number of samples than the problem has."""
        for each in dataclasses.fields(self):
            _broadcast(each, getattr(self, each.name), problem)
        for part in self._parts():
            part.check(problem)

    def capacity(self, images: Tensor) -> float:
        """How many images of this size it may be bound to at once; infinite for most parts."""
        return min((part.capacity(images) for part in self._parts()), default=math.inf)

    def passes(self) -> tuple[int, int]:
        """The forward and backward passes that a sample takes when this is bound; none for most parts."""
        counts = [part.passes() for part in self._parts()]
        return sum(count[0] for count in counts), sum(count[1] for count in counts)

    def unmasked(self) -> Tensor | bool:
        """Of which samples (n,) a mask named no place when this was bound; of none for most parts."""
        return functools.reduce(operator.or_, (part.unmasked() for part in self._parts()), False)

    def needs_foreground(self) -> bool:
        """Whether it, or a part of it, treats the foreground apart, which a composition's mask finds."""
        return any(part.needs_foreground() for part in self._parts())

    def _parts(self) -> Iterator[Part]:
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            items = value if isinstance(value, tuple) else (value,)
            yield from (item for item in items if isinstance(item, Part))

    def _map(self, of_part: Callable[[Part], Part], of_field: Callable[[Field[Any], Any], Any]) -> Self:
        changes = {}
        for each in dataclasses.fields(self):
            old = getattr(self, each.name)
            if isinstance(old, Part):
                new = of_part(old)
            elif isinstance(old, tuple):
                new = tuple(of_part(item) if isinstance(item, Part) else item for item in old)
                new = old if all(a is b for a, b in zip(new, old, strict=True)) else new
            else:
                new = of_field(each, old)
            if new is not old:
                changes[each.name] = new
        return replace(self, **changes) if changes else self


def _broadcast(each: Field[Any], value: Any, problem: Problem) -> Any:
    is_setting = "setting" in each.metadata and isinstance(value, Tensor)
    return per_sample(value, problem.originals, each.name) if is_setting else value


def _select(each: Field[Any], value: Any, rows: Tensor) -> Any:
    if "per_sample" not in each.metadata or isinstance(value, int | float | None):
        return value
    if isinstance(value, Tensor):
        # A setting that is not bound yet lies where the caller made it.
        return value[rows.to(value.device)] if value.ndim else value
    return value.select(rows)


def may_hold(truths: Tensor) -> bool:
    """Whether one of them may be true: a CPU is asked, and no other device, which would be waited for.

    So what is done then must change nothing where none is true.

    Example:
        >>> may_hold(torch.tensor([False, True])), may_hold(torch.tensor([False, False]))
        (True, False)
    """
    return truths.device.type != "cpu" or bool(truths.any())


def other_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """The logits with each sample's own class taken out of any maximum."""
    return logits.scatter(1, labels[:, None], -torch.inf)


@dataclass(frozen=True)
class Passes:
    """The passes of the classifier that each sample of a call took, counted by the loop and by parts.

    What `select` gives of it counts in the same tensors.

    Attributes:
        forwards: Forward passes of all samples (N,).
        backwards: Backward passes of all samples (N,).
        places: Which (n,) of them are meant.
    """

    forwards: Tensor
    backwards: Tensor
    places: Tensor

    @classmethod
    def of(cls, originals: Tensor) -> Self:
        """None yet, of each of these images."""
        places = torch.arange(len(originals), device=originals.device)
        return cls(torch.zeros_like(places), torch.zeros_like(places), places)

    def select(self, rows: Tensor) -> Self:
        """Those of the samples at `rows`."""
        return replace(self, places=self.places[rows])

    def add(self, forwards: int = 0, backwards: int = 0) -> None:
        """Count so many passes of each of these samples."""
        self.forwards[self.places] += forwards
        self.backwards[self.places] += backwards


@dataclass(frozen=True)
class Problem(Part):
    """The samples under attack.

    Attributes:
        originals: Images (n, C, H, W) in [0, 1].
        labels: The classes (n,) to leave, or to reach if `targeted`.
        seeds: One random seed (n,) per sample, made from the call's seed and the sample's id.
        targeted: Whether success is to reach the label rather than to leave it.
        confidence: The logit margin that a success must exceed, a number or one per sample.
        lattice: Steps between 0 and 1 that the stored image has; None for floats.
        classifier: The model under attack, for parts that ask it when they are bound.
        foreground: Which pixels (n, 1, H, W) are foreground: as the caller says, for a composition's mask;
            for its other parts as that mask says.
        region: Where (n, 1, H, W) images may change at all; None for everywhere.
        answer: The model's logits (n, K) for the originals, if it has been asked.
        start: Images (n, C, H, W) that a climb starts from; None for where its composition starts.
        taken: Where parts count the passes of the classifier that they take; None to count none.
    """

    originals: Tensor = rows()
    labels: Tensor = rows()
    seeds: Tensor = rows()
    targeted: bool = False
    confidence: float | Tensor = setting(0.0)
    lattice: int | None = None
    classifier: Classifier | None = None
    foreground: Tensor | None = rows()
    region: Tensor | None = rows()
    answer: Tensor | None = rows()
    start: Tensor | None = rows()
    taken: Passes | None = rows()

    @property
    def size(self) -> int | Tensor:
        """How many values of an image may change: a number, or one per sample (n, 1, 1, 1)."""
        values = self.originals[0].numel()
        if self.region is None:
            return values
        pixels = self.region.flatten(1).sum(1, dtype=self.originals.dtype)
        return column(pixels) * self.originals.shape[1]

    def within(self, region: Tensor) -> Self:
        """The problem of changing the images only in a region (n, 1, H, W); the rest is as it is stored."""
        kept = quantize(self.originals.clone(), self.lattice)
        return replace(self, originals=torch.where(region, self.originals, kept), region=region)

    def answers(self) -> Tensor:
        """The model's logits (n, K) for the originals; where it has not been asked, it is, and counted.

        Raises:
            UsageError: If there is no model.
        """
        if self.answer is not None:
            return self.answer
        if self.classifier is None:
            raise UsageError("the model's answer is not known; bind the parts to a problem that has a model")
        if self.taken is not None:
            self.taken.add(forwards=self.classifier.draws)
        with torch.no_grad():
            return self.classifier(quantize(self.originals, self.lattice))

    def margin(self, logits: Tensor) -> Tensor:
        """The logit margin (n,): positive exactly where the attack succeeds.

        Untargeted, the greatest logit of another class less the label's; targeted, the target's less the
        greatest logit of another class.
        """
        own = logits.gather(1, self.labels[:, None])[:, 0]
        others = other_logits(logits, self.labels).amax(1)
        return own - others if self.targeted else others - own

    def adversarial(self, predictions: Tensor) -> Tensor:
        """Which predictions (n,) are what the attack is after."""
        return (predictions == self.labels) if self.targeted else (predictions != self.labels)

    def attained(self, logits: Tensor, predictions: Tensor | None = None) -> Tensor:
        """Which logits (n, K) are what the attack is after: the prediction, by more than the confidence.

        Args:
            logits: The model's answers.
            predictions: Their greatest (n,), if they are known.
        """
        least = flat(self.confidence)
        predictions = logits.argmax(1) if predictions is None else predictions
        adversarial = self.adversarial(predictions)
        if not isinstance(least, Tensor) and least == 0:
            return adversarial
        # Without one the prediction decides alone, in a tie too, as it does for whoever uses the model.
        return adversarial & ((self.margin(logits) > least) | (least == 0))

    def draw(self, sampler: Callable[..., Tensor], salt: int = 0) -> Tensor:
        """Random numbers of the images' shape, each sample's from its own seed.

        Args:
            sampler: `torch.rand` or `torch.randn`.
            salt: Tells draws of one sample apart.
        """
        return draw(sampler, self.seeds, self.originals.shape[1:], self.originals.dtype, salt)
