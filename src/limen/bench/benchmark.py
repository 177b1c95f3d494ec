"""A benchmark from specs to its page: attacks planned and run at equal passes, ranked, and told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limen import catalog, runs
from limen.bench.page import KIND, described, summary
from limen.bench.passes import Counter
from limen.bench.plan import PLANNING, Planned, plan
from limen.classifier import Classifier
from limen.data import Dataset
from limen.document import Document
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, labels_of, run_attacks
from limen.evaluation.showing import Showing
from limen.images import LATTICE
from limen.metrics import METRICS, STANDARD, Metric
from limen.report.sheet import write_sheet
from limen.runs.files import write_whole
from limen.safety import check_count, opened
from limen.workers import HERE, Workers

SUMMARY, PAGE, FLOATS = "bench.json", "bench.html", "floats"
"""The files of a benchmark in its folder, and the folder in it of the run whose attacks round nothing."""

_SIMILARITIES = ("ms_ssim", "fsim")


@dataclass(frozen=True)
class Made:
    """What a benchmark has made.

    Attributes:
        document: What its page says.
        files: By what they are, where they lie.
    """

    document: Document
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Setup:
    """What all attacks of a benchmark have in common.

    Attributes:
        classifier: The model.
        dataset: The images.
        measures: The metrics.
        passes: How many passes an image may take.
        limit: Only the first so many images; None for all.
        batch_size: Images side by side.
        device: Where to compute.
        seed: Seed of everything that is drawn.
        workers: Who attacks.
        showing: Shows progress.
    """

    classifier: Classifier
    dataset: Dataset
    measures: Sequence[Metric]
    passes: int
    limit: int | None
    batch_size: int
    device: str
    seed: int
    workers: Workers
    showing: Showing

    def ranked(self, planned: Sequence[Planned], folder: Path, lattice: int | None) -> runs.Stored:
        """Do what is left of the run of these attacks, in floats where there is no lattice, and rank them."""
        run = self._attacked(planned, folder, lattice)
        what = EVALUATIONS.make(f"optimality:passes={self.passes}" + ("" if lattice else ",floats=true"))
        with self.showing(run.manifest.labels) as progress:
            return evaluate(
                run,
                what,
                classifier=self.classifier,
                device=self.device,
                batch_size=self.batch_size,
                limit=self.limit,
                progress=progress,
            )

    def _attacked(self, planned: Sequence[Planned], folder: Path, lattice: int | None) -> runs.Run:
        attacks = [each.attack for each in planned]
        what = self.classifier, self.dataset, attacks
        manifest = describe_run(
            *what, seed=self.seed, lattice=lattice, metrics=self.measures, device=self.workers.device
        )
        with runs.create_or_resume(folder, manifest) as writer, self.showing(labels_of(attacks)) as progress:
            if lattice is not None and not (folder / SUMMARY).exists():
                # So that, where this process is killed, no benchmark at other passes goes on here.
                begun = {"kind": KIND, "passes": self.passes}
                write_whole(folder / SUMMARY, json.dumps(begun).encode())
            how: dict[str, Any] = {"batch_size": self.batch_size, "limit": self.limit, "progress": progress}
            run_attacks(*what, writer, metrics=self.measures, workers=self.workers, **how)
        return runs.open_run(folder)


def benchmark(
    model: str,
    data: str,
    attacks: Sequence[str],
    out: Path,
    *,
    passes: int,
    showing: Showing,
    metrics: Sequence[str] = (),
    defenses: Sequence[str] = (),
    floats: bool = False,
    limit: int | None = None,
    batch_size: int = 32,
    device: str = "cpu",
    seed: int = 0,
    workers: Workers = HERE,
) -> Made:
    """Do what is left of a benchmark: a run of all attacks at equal passes, their ranking, and its page.

    Args:
        model: Spec of the model.
        data: Spec of the images.
        attacks: Specs of attacks, or `all`.
        out: Folder of the run, which is resumed if it is there.
        passes: How many forward and backward passes an image may take.
        showing: Shows progress.
        metrics: Specs of further metrics; every run has the standard ones, MS-SSIM and FSIM where images are
            large enough.
        defenses: Specs of defences in front of the model.
        floats: Whether to run all attacks once more without rounding, and rank them as they are in memory.
        limit: Only the first so many images.
        batch_size: Images side by side.
        device: Where to compute.
        seed: Seed of everything that is drawn.
        workers: Who attacks: this process alone, or others beside it.

    Raises:
        UsageError: If a spec cannot be followed, or the folder holds a benchmark at other passes.
        LimenError: If images or the folder cannot be used.
    """
    check_count("passes", passes, least=2)
    _check(out / SUMMARY, passes)
    classifier = catalog.model(model, device, defenses)
    dataset = catalog.data(data, classifier)
    image = dataset.first()[None].to(classifier.device, classifier.dtype)
    measures = _measures(metrics, min(image.shape[2:]))
    with showing([PLANNING], "attacks") as progress:
        planned, left = plan(attacks, passes, Counter(classifier, image), progress)
    setup = Setup(classifier, dataset, measures, passes, limit, batch_size, device, seed, workers, showing)
    stored = {"8 bits": setup.ranked(planned, out, LATTICE)}
    if floats:
        stored[FLOATS] = setup.ranked(planned, out / FLOATS, None)
    document = described(stored, passes, planned, left)
    told = summary(stored, passes, planned, left)
    files = {"run": out, "page": out / PAGE, "json": out / SUMMARY}
    write_whole(files["json"], json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1).encode())
    write_sheet(document, files["page"], "benchmark")
    return Made(document, files)


def _measures(metrics: Sequence[str], side: int) -> list[Metric]:
    """The standard metrics, the similarities that take images of such a side, and those that specs name."""
    fitting = [METRICS[key] for key in _SIMILARITIES if METRICS[key].least_side <= side]
    measures = {each.column.key: each for each in (*STANDARD, *fitting, *map(catalog.metric, metrics))}
    return [*measures.values()]


def _check(path: Path, passes: int) -> None:
    """Refuse to go on with a benchmark at other passes.

    Raises:
        UsageError: If the file at `path` is of one, or of none.
    """
    if not path.exists():
        return
    try:
        with opened(path) as file:
            known = json.loads(file.read()).get("passes")
    except (OSError, ValueError, AttributeError):
        known = None
    if known != passes:
        is_of = f"a benchmark at {known} passes" if isinstance(known, int) else "no benchmark of Limen's"
        raise UsageError(f"{path} is of {is_of}, not at {passes}; give another --out")
