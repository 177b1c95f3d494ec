"""What every evaluation is given: the run, its model, and its images batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import pyarrow.compute as pc
import torch
from torch import Tensor

from limen import catalog
from limen.classifier import Classifier, checked_device
from limen.data import Dataset
from limen.errors import UsageError
from limen.evaluation.fooled import load
from limen.evaluation.ledger import Progress
from limen.identity import Identity
from limen.runs import Run
from limen.safety import resolved
from limen.user_code import named_by

Images = Mapping[str, Mapping[str, int]]
"""By an attack's label, the index in the data set of each image by its id."""


@dataclass(frozen=True)
class Batch:
    """Some originals of a run side by side, in the order of the data set.

    Attributes:
        ids: Their ids.
        originals: Their pixels, (N, C, H, W) in [0, 1].
        attacked: By an attack's label, the places in the batch of its images that are still to be measured.
    """

    ids: tuple[str, ...]
    originals: Tensor
    attacked: Mapping[str, tuple[int, ...]]

    def remaining(self) -> Iterator[tuple[str, list[int], list[str]]]:
        """What is still to be measured: each attack's label, the places of its images, and their ids."""
        for label, places in self.attacked.items():
            yield label, list(places), [self.ids[place] for place in places]


class Progressing(Protocol):
    """What has been measured so far; a `Measurement` is one."""

    run: Run

    @property
    def finished(self) -> frozenset[tuple[str, str]]:
        """The attacks and images that have rows now."""
        ...

    def __contains__(self, pair: tuple[str, str]) -> bool:
        """Whether an attack and image have rows."""
        ...

    def note(self, name: str, value: str) -> None:
        """Keep what the values depend on besides the options."""
        ...


class EndOfShareError(Exception):
    """Ends an evaluation where its share of the batches ends: the rest is not for this worker."""


class Context:
    """What an evaluation is given beside the run.

    Attributes:
        run: The run.
        device: Where to compute.
        batch_size: Images looked at side by side; memory is bounded by one batch.
        limit: Only so many first images of the data set; None for all.
        trust: The files whose code the run may name, as of `evaluate`.
    """

    def __init__(
        self,
        measurement: Progressing,
        *,
        classifier: Classifier | None = None,
        device: str | torch.device = "cpu",
        batch_size: int = 32,
        limit: int | None = None,
        progress: Progress | None = None,
        trust: Iterable[str | Path] = (),
        share: tuple[int, int] | None = None,
    ) -> None:
        if limit is not None and limit < 0:
            raise UsageError(f"limit must be at least 0, not {limit}")
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1, not {batch_size}")
        self.run, self.batch_size, self.limit = measurement.run, batch_size, limit
        self.trust = tuple(trust)
        self.device = checked_device(device)
        self._measurement, self._given, self._progress = measurement, classifier, progress
        self._share = share
        self._wanted: dict[str, frozenset[str]] | None = None

    @cached_property
    def classifier(self) -> Classifier:
        """The classifier that the run attacked, made from the run's manifest when it is first asked for.

        Raises:
            UsageError: If it is not what it was when the run was made.
            LimenError: If code would run that only the run names.
        """
        try:
            with self.named_by_run():
                return catalog.model_of(self.run.manifest.model, self.device, self._given)
        except UsageError as error:
            raise UsageError(f"{self.run.directory}: {error}") from error

    @cached_property
    def dataset(self) -> Dataset:
        """The data that the run attacked, made from its spec when it is first asked for.

        Raises:
            UsageError: If it is not what it was when the run was made.
            LimenError: If code would run that only the run names.
        """
        entry = self.run.manifest.data
        with self.named_by_run():
            dataset = catalog.data(entry.spec)
        if entry.fingerprint not in (None, dataset.fingerprint()) or entry.code != dataset.code:
            raise UsageError(f"{self.run.directory}: {entry.spec} is not what it was when the run was made")
        return dataset

    @cached_property
    def _places(self) -> dict[str, int]:
        return {image_id: place for place, image_id in enumerate(self.dataset.ids)}

    def named_by_run(self) -> AbstractContextManager[None]:
        """While what the run names is made and used, run no code but in files that the user has named."""
        return named_by(str(self.run.directory), self.trust)

    def model(self, spec: str) -> Classifier:
        """Another classifier; its weights are noted, so that nothing measured with others is mixed in."""
        made = catalog.model(spec, self.device)
        self.note(f"weights of {spec}", made.fingerprint()[:12])
        self.note_code(spec, made.identity)
        return made

    def note(self, name: str, value: str) -> None:
        """Keep what the values depend on besides the options, such as a layer that was found."""
        self._measurement.note(name, value)

    def note_code(self, what: str, identity: Identity | None) -> None:
        """Note the user's file that something comes from, where it comes from one."""
        if identity is not None and identity.code is not None:
            self.note(f"file of the {what}", identity.code[:12])

    def every(self) -> Images:
        """For each attack, all of its images."""
        return self._images(pc.scalar(True))

    def correct(self) -> Images:
        """For each attack, the images that the run's classifier had right before it."""
        return self._images(pc.field("clean_prediction") == pc.field("label"))

    def fooled(self) -> Images:
        """For each attack, the images that the run's classifier had right before it, and wrong after."""
        return self._images(pc.field("success") & (pc.field("clean_prediction") == pc.field("label")))

    def finished(self, label: str, image_id: str) -> bool:
        """Whether an earlier process has measured this attack and image."""
        return (label, image_id) in self._measurement

    def want(self, images: Images) -> None:
        """Say which attacks and images the evaluation is of; rows of others do not count any more."""
        self._wanted = {label: frozenset(of_attack) for label, of_attack in images.items()}
        self.tell()

    def batches(self, images: Images, like: Classifier | None = None) -> Iterator[Batch]:
        """The originals of these images, batch by batch, but for batches that are finished.

        A resumed evaluation cuts the same batches as one that was not interrupted.

        Args:
            images: By attack, the images that the evaluation is of.
            like: As of `originals`: the classifier whose device and precision they get.

        Yields:
            Batches with what is left of each attack.

        Raises:
            EndOfShareError: Where other workers take the other batches, after those of this one.
        """
        self.want(images)
        ids = together(images)
        for place, start in enumerate(range(0, len(ids), self.batch_size)):
            if self._share is not None and place % self._share[1] != self._share[0]:
                continue
            batch = tuple(ids[start : start + self.batch_size])
            attacked = {}
            for label, of_attack in images.items():
                left = [each in of_attack and not self.finished(label, each) for each in batch]
                if any(left):
                    attacked[label] = tuple(place for place, is_left in enumerate(left) if is_left)
            if attacked:
                yield Batch(batch, self.originals(batch, like), attacked)
        if self._share is not None:
            raise EndOfShareError

    def originals(self, ids: Sequence[str], like: Classifier | None = None) -> Tensor:
        """Stored originals, (N, C, H, W) in [0, 1], where `like` is, or else on the context's device.

        Raises:
            RunError: If one cannot be read, or has another size than the others.
        """
        return self._load([self.run.original_path(image_id) for image_id in ids], like)

    def adversarial(self, label: str, ids: Sequence[str], like: Classifier | None = None) -> Tensor:
        """What an attack made of images, as their files hold it; else as `originals`."""
        return self._load([self.run.image_path(label, image_id) for image_id in ids], like)

    def masks(self, ids: Sequence[str]) -> Tensor | None:
        """The foreground of images, bool (N, 1, H, W), as the run's data says it; None where it says nothing.

        Raises:
            UsageError: If the data is not what it was when the run was made.
        """
        found = [self.dataset.load(self._places[image_id]).mask for image_id in ids]
        known = [mask for mask in found if mask is not None]
        return torch.stack(known).to(self.device) if found and len(known) == len(found) else None

    def tell(self) -> None:
        """Tell of each attack's finished images."""
        if self._progress is not None and self._wanted is not None:
            for label, ids in self._wanted.items():
                done = sum(self.finished(label, image_id) for image_id in ids)
                self._progress(label, done, len(ids))

    @property
    def wanted(self) -> frozenset[tuple[str, str]]:
        """The attacks and images that the evaluation is of; all that it has measured where it did not say."""
        if self._wanted is None:
            return self._measurement.finished
        return frozenset((label, image_id) for label, ids in self._wanted.items() for image_id in ids)

    def _images(self, condition: pc.Expression) -> Images:
        table = self.run.table().filter(condition)
        if self.limit is not None:
            table = table.filter(pc.field("index") < self.limit)
        found = {}
        for label in self.run.manifest.labels:
            rows = table.filter(pc.field("attack") == label)
            found[label] = dict(zip(rows["id"].to_pylist(), rows["index"].to_pylist(), strict=True))
        return found

    def _load(self, paths: Sequence[Path], like: Classifier | None) -> Tensor:
        images = load(paths, resolved(self.run.directory))
        return images.to(self.device) if like is None else images.to(like.device, like.dtype)


def together(images: Images) -> list[str]:
    """The ids of all attacks' images, each once, in the order of the data set."""
    indices = {image_id: index for of_attack in images.values() for image_id, index in of_attack.items()}
    return sorted(indices, key=lambda image_id: indices[image_id])
