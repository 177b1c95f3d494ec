"""What recipes measure on: one model, one data set, and runs of attacks in a folder that recipes share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from limen import analysis, catalog, runs
from limen.classifier import Classifier
from limen.data import Dataset
from limen.evaluation import EVALUATIONS, AnyAttack, describe_run, evaluate, labels_of, run_attacks
from limen.evaluation.showing import Showing, silent
from limen.images import LATTICE
from limen.recipes.entries import Entry, Groups

Kind = Literal["imagenet", "cifar10", "mnist"]
"""The kinds of images that the papers measure on."""

DATA_SETS: dict[Kind, str] = {"imagenet": "ImageNet", "cifar10": "CIFAR-10", "mnist": "MNIST"}
"""What they are called."""

Like = Kind | None
"""The option `like`: the kind of images to stand beside; None for what the images are like."""

FLOATS = "floats"
"""The setting of a table in which images count as they are in memory."""

STORED = "8 bits"
"""The setting in which they count as files store them."""

RIGHT = pc.field("clean_prediction") == pc.field("label")
"""Whether an image was classified correctly before it was attacked, so that it counts."""

Row = Mapping[str, Any]
"""A figure with its interval, what it is of, and beside it what the paper printed."""


@dataclass(frozen=True)
class Ran:
    """An entry that was run.

    Attributes:
        entry: The entry.
        columns: What its rows begin with: pixels, group, attack, spec, and the budgets of a grid as eps.
        budgets: Its budgets as specs write them, weak to strong; none where the spec states one, or none.
        labels: Its label in the run under each; or the one that it has.
        run: The run.
        records: The records of all images that count. In floats, success and distances are those in memory.
    """

    entry: Entry
    columns: Row
    budgets: tuple[str, ...]
    labels: tuple[str, ...]
    run: runs.Run
    records: pa.Table

    def outcomes(self, records: pa.Table | None = None) -> analysis.Outcomes:
        """What the attack did to each image, at the best of its budgets; as other records of the run say."""
        return analysis.outcomes(self.records if records is None else records, self.labels)

    def row(self, **found: Any) -> Row:
        """A row of this attack: what was found, and what the paper prints for it."""
        words = (found.get(key) for key in ("classifier", "statistic", "metric"))
        name = " ".join(filter(None, words))
        printed = {column: figures.get(name) for column, figures in self.entry.printed.items()}
        return {**self.columns, **found, **printed}

    def figures(
        self,
        metrics: Sequence[str],
        records: pa.Table | None = None,
        against: analysis.Outcomes | None = None,
        **columns: Any,
    ) -> Iterator[Row]:
        """A row for each of `limen.analysis.statistics`, with further columns; arguments are as there."""
        for found in analysis.statistics(self.outcomes(records), metrics, against=against):
            yield self.row(**columns, **found)


@dataclass(frozen=True)
class Bench:
    """What the user of any recipe decides.

    Attributes:
        model: Spec of the model.
        data: Spec of the images.
        out: Folder of the runs and pages; recipes that need the same run share it there.
        limit: Only the first so many images; None for all.
        batch_size: Rows attacked side by side.
        device: Where to compute.
        seed: Seed of everything that is drawn.
        showing: Shows progress.
        trust: The files of code that recipes' inputs may name, such as the models of another run.
    """

    model: str
    data: str
    out: Path
    limit: int | None = None
    batch_size: int = 32
    device: str = "cpu"
    seed: int = 0
    showing: Showing = silent
    trust: Sequence[Path | str] = ()

    @cached_property
    def classifier(self) -> Classifier:
        """The model."""
        return catalog.model(self.model, self.device)

    @cached_property
    def dataset(self) -> Dataset:
        """The images."""
        return catalog.data(self.data, self.classifier)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) of the first image that can be read."""
        return tuple(self.dataset.first().shape)

    @property
    def kind(self) -> Kind:
        """The papers' data set that the images are like: grey ones MNIST, small ones CIFAR-10."""
        channels, *sides = self.shape
        if channels == 1:
            return "mnist"
        return "cifar10" if max(sides) < 64 else "imagenet"

    def attacked(self, folder: str, groups: Groups, budgets: int = 1, pixels: str = STORED) -> list[Ran]:
        """Do what is left of a run of these attacks.

        Args:
            folder: The run's folder in `out`; in floats, that with an ending.
            groups: The attacks.
            budgets: How many budgets an attack is given that has several.
            pixels: `STORED`, or `FLOATS` for attacks that round nothing.

        Raises:
            UsageError: If a spec cannot be followed, or the folder holds another run.
        """
        lattice, name = (LATTICE, folder) if pixels == STORED else (None, f"{folder}-{pixels}")
        planned = []
        for group, entries in groups.items():
            for entry in entries:
                texts = () if entry.budgets is None else entry.budgets.texts(budgets, lattice)
                planned.append((group, entry, texts, entry.under(texts)))
        attacks = {spec: catalog.attack_or_grid(spec) for *_, spec in planned}
        run = self._run(name, [*attacks.values()], lattice)
        records = run.table() if pixels == STORED else analysis.in_memory(run.table())
        if self.limit is not None:
            # An earlier bench may have gone further.
            records = records.filter(pc.field("index") < self.limit)
        ran = []
        for group, entry, texts, spec in planned:
            named = {"pixels": pixels, "group": group, "attack": entry.title, "spec": entry.spec}
            columns = {**named, "eps": ",".join(texts) or None}
            ran.append(Ran(entry, columns, texts, labels_of([attacks[spec]]), run, records))
        return ran

    def in_both(self, folder: str, groups: Groups, budgets: int = 1) -> list[Ran]:
        """The attacks in floats, as papers have them, and on the lattice of 8-bit files."""
        both = (self.attacked(folder, groups, budgets, pixels) for pixels in (FLOATS, STORED))
        return [ran for attacked in both for ran in attacked]

    def of(self, model: str) -> Bench:
        """The bench of another model, whose runs have a folder of their own."""
        if model == self.model:
            return self
        folder = f"model-{hashlib.sha256(model.encode(errors='surrogatepass')).hexdigest()[:8]}"
        return replace(self, model=model, out=self.out / folder)

    def evaluated(self, run: runs.Run, spec: str, title: str) -> pa.Table:
        """The records of an evaluation of the run."""
        return self.stored(run, spec, title).records()

    def stored(self, run: runs.Run, spec: str, title: str) -> runs.Stored:
        """An evaluation of the run, with its pictures; what is stored of it is not measured again."""
        with self.showing([f"{title}, {label}" for label in run.manifest.labels]) as progress:
            return evaluate(
                run,
                EVALUATIONS.make(spec),
                classifier=self.classifier,
                device=self.device,
                batch_size=self.batch_size,
                limit=self.limit,
                trust=self.trust,
                progress=lambda label, done, total: progress(f"{title}, {label}", done, total),
            )

    def _run(self, name: str, attacks: Sequence[AnyAttack], lattice: int | None) -> runs.Run:
        what = self.classifier, self.dataset, attacks
        manifest = describe_run(*what, seed=self.seed, lattice=lattice)
        with (
            runs.create_or_resume(self.out / name, manifest) as writer,
            self.showing(labels_of(attacks)) as progress,
        ):
            run_attacks(*what, writer, batch_size=self.batch_size, limit=self.limit, progress=progress)
        return runs.open_run(self.out / name)


def facts(ran: Sequence[Ran]) -> dict[str, str]:
    """What every page says of how it was made."""
    manifest, records = ran[0].run.manifest, ran[0].records
    images, right = (len(table["id"].unique()) for table in (records, records.filter(RIGHT)))
    in_floats = "in floats, and " if any(each.columns["pixels"] == FLOATS for each in ran) else ""
    found = {
        "Model": manifest.model.spec,
        "Data": manifest.data.spec,
        "Images": f"{images} of {manifest.data.count}, {right} classified correctly",
        "Measured": f"{in_floats}as stored on a lattice of {LATTICE} steps, 8-bit PNG",
        "Seed": str(manifest.settings.seed),
        "Computed on": manifest.device,
        "Made": f"{manifest.created[:10]} with Limen {manifest.limen}",
    }
    warning = analysis.clean_warning(ran[0].run)
    return found if warning is None else {**found, "Beware": warning}
