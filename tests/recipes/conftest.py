"""Benches on the embedded digits, and recipes measured there and described from their stored records."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from limen.document import Document
from limen.evaluation import Progress
from limen.recipes import RECIPES, Bench, Rows

Made = Callable[[str, Bench], tuple[Rows, Document]]


@dataclass
class Told:
    """Shows progress by remembering it."""

    labels: list[str] = field(default_factory=list)
    counts: list[tuple[str, int, int]] = field(default_factory=list)

    @contextmanager
    def __call__(self, labels: Iterable[str], units: str = "images") -> Iterator[Progress]:
        self.labels += labels
        yield lambda *values: self.counts.append(values)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def bench_in(tmp_path: Path, told: Told) -> Callable[..., Bench]:
    """A bench on twelve digits, in a folder of its own unless told otherwise."""

    def make(out: Path = tmp_path / "out", **changed: object) -> Bench:
        options: dict = {"limit": 12, "showing": told, **changed}
        return Bench("demo:digits", "demo:digits,count=20", out, **options)

    return make


@pytest.fixture(scope="session")
def smooth_out(tmp_path_factory) -> Path:
    """The folder of the run that all recipes of the paper on smooth adversarial examples share."""
    return tmp_path_factory.mktemp("smooth") / "out"


@pytest.fixture
def smooth_bench(bench_in, smooth_out) -> Bench:
    return bench_in(smooth_out, limit=4)


@pytest.fixture(scope="session")
def superpixel_out(tmp_path_factory) -> Path:
    """The folder of the runs that the recipes of the paper on superpixel attacks share."""
    return tmp_path_factory.mktemp("superpixel") / "out"


@pytest.fixture
def photos(bench_in, superpixel_out) -> Bench:
    """A bench on four photographs."""
    return dataclasses.replace(bench_in(superpixel_out, limit=4), model="demo:photos", data="demo:photos")


@pytest.fixture(scope="session")
def hua_out(tmp_path_factory) -> Path:
    """The folder of the run that the recipes of the paper on human imperceptible attacks share."""
    return tmp_path_factory.mktemp("hua") / "out"


@pytest.fixture
def seen(bench_in, hua_out) -> Bench:
    """A bench on three photographs, for that paper."""
    return dataclasses.replace(bench_in(hua_out, limit=3), model="demo:photos", data="demo:photos")


@pytest.fixture
def flat(tmp_path: Path) -> str:
    """Spec of attention to the left half of images that are of an even class, and flat to the others."""
    path = tmp_path / "flat.py"
    path.write_text(
        "def flat(classifier, images, classes=None):\n"
        "    maps = images.new_zeros(len(images), *images.shape[2:])\n"
        "    maps[..., : images.shape[3] // 2] = 1\n"
        "    return maps * (classifier(images).argmax(1) % 2 == 0)[:, None, None]\n"
    )
    return f"python:{path}:flat"


@pytest.fixture(scope="session")
def made() -> Made:
    """The rows of a recipe, and what it says of them after they were stored and read; each made once."""
    known: dict[tuple[str, Bench], tuple[Rows, Document]] = {}

    def make(spec: str, bench: Bench) -> tuple[Rows, Document]:
        # Whoever shows the progress makes no difference to what is found.
        key = spec, dataclasses.replace(bench, showing=print)
        if key not in known:
            recipe = RECIPES.make(spec)
            stored = io.BytesIO()
            pq.write_table(recipe.measure(bench), stored)
            records = pq.read_table(stored)
            known[key] = Rows(records.to_pylist()), recipe.describe(records)
        return known[key]

    return make
