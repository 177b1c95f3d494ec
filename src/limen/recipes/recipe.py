"""What a recipe is, and what all recipes do: run attacks into a folder that the next recipe finds."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from limen import catalog, runs
from limen.classifier import Classifier
from limen.data import Dataset
from limen.document import Document
from limen.errors import UnknownNameError, UsageError
from limen.evaluation import Progress, describe_run, run_attacks
from limen.images import LATTICE, ImageFileError
from limen.report.sheet import write_sheet
from limen.runs.files import write_whole

Showing = Callable[[Iterable[str]], AbstractContextManager[Progress]]
"""Shows the progress of what has these labels while its block runs."""

Record = Mapping[str, object]

KINDS = ("imagenet", "cifar10", "mnist")
"""The kinds of images that the papers measure on."""


@dataclass(frozen=True)
class Request:
    """What the user of a recipe decides.

    Attributes:
        model: Spec of the model.
        data: Spec of the images.
        out: Folder of the runs and pages; recipes that need the same run share it there.
        limit: Only the first so many images; None for all.
        batch_size: Rows attacked side by side.
        device: Where to compute.
        seed: Seed of everything that is drawn.
        budgets: How many budgets an attack is given, where it is given a grid.
        like: Which of the paper's data sets to stand beside, one of `KINDS`; None to tell by the images.
        quality: At which average quality to compare; None for the paper's.
        steps: At most so many steps in a climb, of attacks of many; None for all that the recipe gives them.
        search_steps: At most so many climbs in a search; None likewise.
        robust: Spec of a model trained against attacks, with the classes of the other; None for none.
    """

    model: str
    data: str
    out: Path
    limit: int | None = None
    batch_size: int = 32
    device: str = "cpu"
    seed: int = 0
    budgets: int = 8
    like: str | None = None
    quality: float | None = None
    steps: int | None = None
    search_steps: int | None = None
    robust: str | None = None


@dataclass(frozen=True)
class Reproduction:
    """What a recipe makes: the page, and the same figures as records for other programs."""

    sheet: Document
    records: Sequence[Record]


@dataclass(frozen=True)
class Recipe:
    """One table or figure of a paper.

    Attributes:
        name: What the command line calls it.
        title: What it shows.
        paper: Where the original stands.
        needs: What model and data it is meant for.
        make: Makes it.
    """

    name: str
    title: str
    paper: str
    needs: str
    make: Callable[[Request, Showing], Reproduction]


@dataclass(frozen=True)
class Bench:
    """A finished run with what it was made from."""

    run: runs.Run
    records: pa.Table
    classifier: Classifier


def kind_of(request: Request, dataset: Dataset) -> str:
    """The papers' data set to stand beside: for grey images MNIST, for small ones CIFAR-10, else ImageNet.

    Raises:
        UsageError: If the request names an unknown kind, or no image can be read.
    """
    if request.like is not None:
        if request.like not in KINDS:
            raise UnknownNameError("kind of images", request.like, KINDS)
        return request.like
    channels, *sides = first_shape(dataset)
    return "mnist" if channels == 1 else "cifar10" if max(sides) < 64 else "imagenet"


def first_shape(dataset: Dataset) -> tuple[int, ...]:
    """The shape (C, H, W) of the first image that can be read.

    Raises:
        UsageError: If none can.
    """
    for index in range(len(dataset)):
        try:
            return tuple(dataset.load(index).image.shape)
        except ImageFileError:
            continue
    raise UsageError(f"{dataset.spec}: no image can be read")


def attacked(
    request: Request,
    classifier: Classifier,
    dataset: Dataset,
    specs: Sequence[str],
    folder: str,
    showing: Showing,
) -> Bench:
    """Do what is left of a run of these attacks and grids.

    Args:
        request: The model, the data and how to compute.
        classifier: The model.
        dataset: The images.
        specs: Specs of attacks and grids.
        folder: The run's folder in the request's.
        showing: Shows progress.

    Raises:
        UsageError: If a spec cannot be followed, or the folder holds another run.
    """
    attacks = [catalog.attack_or_grid(spec) for spec in specs]
    manifest = describe_run(classifier, dataset, attacks, seed=request.seed)
    with (
        runs.create_or_resume(request.out / folder, manifest) as writer,
        showing(manifest.labels) as progress,
    ):
        run_attacks(
            classifier,
            dataset,
            attacks,
            writer,
            batch_size=request.batch_size,
            limit=request.limit,
            seed=request.seed,
            progress=progress,
        )
    run = runs.open_run(request.out / folder)
    records = run.table()
    if request.limit is not None:
        # An earlier request may have gone further.
        records = records.filter(pc.field("index") < request.limit)
    return Bench(run, records, classifier)


def settings(request: Request, bench: Bench) -> tuple[tuple[str, str], ...]:
    """What every page says of how it was made."""
    manifest = bench.run.manifest
    correct = bench.records.filter(pc.field("clean_prediction") == pc.field("label"))
    images, right = (len(set(table["id"].to_pylist())) for table in (bench.records, correct))
    return (
        ("Model", manifest.model.spec),
        ("Data", manifest.data.spec),
        ("Images", f"{images} of {manifest.data.count}, {right} classified correctly"),
        ("Stored on", f"a lattice of {LATTICE} steps, 8-bit PNG"),
        ("Seed", str(manifest.settings.seed)),
        ("Computed on", manifest.device),
        ("Made", f"{manifest.created[:10]} with Limen {manifest.limen}"),
    )


def write(made: Reproduction, folder: Path, name: str) -> dict[str, Path]:
    """Write `NAME.html` and `NAME.csv`, each whole or not at all.

    Returns:
        The files, by what they are.

    Raises:
        LimenError: If one cannot be written.
    """
    page, table = folder / f"{name}.html", folder / f"{name}.csv"
    write_sheet(made.sheet, page)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(key for row in made.records for key in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(made.records)
    write_whole(table, text.getvalue().encode())
    return {"page": page, "csv": table}
