"""Batches to learn from: the same ones in the same order, whoever reads them and however many take part."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from limen.data import Batch, Dataset, Sample
from limen.data.dataset import stack
from limen.errors import LimenError, UsageError
from limen.identity import Named
from limen.images import ImageFileError
from limen.seeds import sample_seeds
from limen.training.sampling import SAMPLINGS, Drawn, sampling_for

OnSkip = Callable[[str, str], None]
"""Called with the name of an image that cannot be used and the reason."""


@dataclass(frozen=True, kw_only=True)
class Lesson(Batch):
    """The samples of one step that this process learns from.

    Attributes:
        weights: How much each sample's loss counts, shape (N,): 1 unless the sampling says otherwise, or 0
            for one that only fills a place.
        places: Where each sample stands in the whole batch, int64, shape (N,).
        whole: How many samples the whole batch has, over all processes.
        seed: What all that is drawn in this epoch comes from, with each sample's id.
    """

    weights: Tensor
    places: Tensor
    whole: int
    seed: int

    def draw_seeds(self, purpose: str) -> Tensor:
        """One seed per sample (N,), of the epoch, of the sample's id, and of what is to be drawn."""
        return sample_seeds(self.seed, [f"{purpose} {name}" for name in self.ids]).to(self.labels.device)

    def chosen(self, share: float) -> Tensor:
        """The rows (n,) of so large a share of the whole batch, spread evenly over it.

        The order of a training set is random, and so the choice is.
        """
        before, after = (torch.floor((self.places + more) * share + 1e-9) for more in (0, 1))
        return (after > before).nonzero()[:, 0]

    def to(self, device: torch.device, dtype: torch.dtype | None) -> Lesson:
        """The same on another device, with images of another dtype if one is given."""
        tensors = {each.name: getattr(self, each.name) for each in fields(self)}
        moved = {name: value.to(device) for name, value in tensors.items() if isinstance(value, Tensor)}
        return replace(self, **{**moved, "images": moved["images"].to(dtype)})


@dataclass(frozen=True)
class Share:
    """Which part of every batch a process takes: all of it, where it is alone.

    Attributes:
        rank: Which of the processes it is.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1


@dataclass(frozen=True)
class Plan:
    """What is read of a data set, in which batches.

    Attributes:
        dataset: The data set.
        order: Positions in it, in the order in which they are learned from or measured.
        batch_size: Of the whole batch.
        share: This process's part.
        seed: Of what is drawn of a sample.
        augment: What is done to each sample.
        factors: How much the loss at each position of the order counts; None for 1.
    """

    dataset: Dataset
    order: Sequence[int] = field(repr=False)
    batch_size: int
    share: Share = Share()
    seed: int = 0
    augment: tuple[Named, ...] = ()
    factors: Sequence[float] | None = field(default=None, repr=False)

    @classmethod
    def of_epoch(
        cls,
        dataset: Dataset,
        seed: int,
        batch_size: int,
        share: Share,
        augment: tuple[Named, ...],
        sampling: str | None = None,
    ) -> Plan:
        """Samples drawn by a seed as a spec of a sampling says; of a set that draws its own, new ones."""
        dataset = dataset if dataset.redraw is None else dataset.redraw(seed)
        draw = SAMPLINGS.make(sampling_for(sampling, dataset))
        drawn: Drawn = draw(dataset, torch.Generator().manual_seed(seed))
        return cls(dataset, drawn.order, batch_size, share, seed, augment, drawn.factors)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, step: int) -> Read:
        """Read what this process takes of a step's batch."""
        skipped: list[tuple[str, str]] = []
        try:
            lesson = self._lesson(step, skipped)
        except LimenError as error:
            return Read(None, tuple(skipped), error)
        return Read(lesson, tuple(skipped))

    def _lesson(self, step: int, skipped: list[tuple[str, str]]) -> Lesson | None:
        """This process's part of a batch, if any of it can be used; `skipped` takes what cannot, and why."""
        cut = slice(step * self.batch_size, (step + 1) * self.batch_size)
        whole = self.order[cut]
        factors = [1.0] * len(whole) if self.factors is None else self.factors[cut]
        mine = range(self.share.rank, len(whole), self.share.size)
        # All processes must take each step together, so one without a sample has one that counts nothing.
        weights = {place: factors[place] for place in mine} or {0: 0.0}
        samples: dict[int, Sample] = {}
        for place in weights:
            try:
                samples[place] = self._sample(whole[place])
            except ImageFileError as error:
                skipped.append((self.dataset.ids[whole[place]], str(error)))
        if not samples:
            return None
        _check_shapes(samples.values())
        batch = stack([(whole[place], sample) for place, sample in samples.items()])
        return Lesson(
            **vars(batch),
            weights=torch.tensor([weights[place] for place in samples]),
            places=torch.tensor([*samples]),
            whole=len(whole),
            seed=self.seed,
        )

    def _sample(self, index: int) -> Sample:
        sample = self.dataset.load(index)
        if self.augment:
            seed = int(sample_seeds(self.seed, [f"augment {self.dataset.ids[index]}"]))
            draws = torch.Generator().manual_seed(seed)
            for change in self.augment:
                sample = change(sample, draws)
        return sample


def _check_shapes(samples: Iterable[Sample]) -> None:
    first, *others = samples
    for sample in others:
        if sample.image.shape != first.image.shape:
            sizes = " and ".join(str(tuple(each.image.shape)) for each in (first, sample))
            raise LimenError(f"{sample.id}: images of shapes {sizes} fit no common batch")


@dataclass(frozen=True)
class Read:
    """What came of reading a batch: workers hand on errors, which torch would write into long texts."""

    lesson: Lesson | None
    skipped: tuple[tuple[str, str], ...] = ()
    error: LimenError | None = None


def spread(dataset: Dataset, count: int) -> list[int]:
    """The positions of `count` samples, or of all if there are fewer, spread evenly over a data set.

    Example:
        >>> from limen.data import demo
        >>> spread(demo("digits", count=10), 4)
        [0, 2, 5, 7]
    """
    count = min(count, len(dataset))
    return [place * len(dataset) // count for place in range(count)]


def read(plan: Plan, start: int, workers: int, on_skip: OnSkip | None) -> Iterator[tuple[int, Lesson]]:
    """Read the batches of a plan, each with the number of its step, by workers or in this process.

    Args:
        plan: What to read.
        start: The first step to read.
        workers: How many processes read ahead; with 0, this process reads.
        on_skip: Called for every image that cannot be used; if None, such an image is an error.

    Raises:
        UsageError: If there are workers, and this system cannot fork.
        LimenError: If a sample cannot be used, or a whole batch cannot.
    """
    if workers and "fork" not in multiprocessing.get_all_start_methods():
        raise UsageError("workers need an operating system that can fork; use 0, so that this process reads")
    steps = range(start, len(plan))
    # A batch is read as a whole, and handed on as it is.
    dataset: Any = plan
    collate: Any = _as_it_is
    loader = DataLoader(
        dataset,
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        collate_fn=collate,
        multiprocessing_context="fork" if workers else None,
        generator=torch.Generator(),  # of no use here, but torch's own would move
    )
    for step, found in zip(steps, loader, strict=True):
        if found.error is not None:
            raise found.error
        for name, reason in found.skipped:
            if on_skip is None:
                raise LimenError(reason)
            on_skip(name, reason)
        if found.lesson is not None:
            yield step, found.lesson
        elif plan.share.size > 1:  # the others would wait for this step for ever
            raise LimenError(f"{plan.dataset.spec}: no image of a process's share of a batch can be used")


def _as_it_is(found: Read) -> Read:
    return found
