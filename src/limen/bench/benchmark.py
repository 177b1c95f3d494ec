"""A benchmark from specs to its page: attacks planned and run at equal passes, ranked, and told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limen import catalog, runs
from limen.bench.page import described, summary
from limen.bench.passes import Counter
from limen.bench.plan import PLANNING, LeftOut, Plan, Planned, drafts, plan
from limen.bench.progress import begun
from limen.classifier import Classifier
from limen.data import Dataset
from limen.document import Block, Document, Notes
from limen.evaluation import EVALUATIONS, AnyAttack, describe_run, evaluate, labels_of, run_attacks
from limen.evaluation.optimality_tables import LEADERS
from limen.evaluation.showing import Showing
from limen.images import LATTICE
from limen.metrics import METRICS, STANDARD, Metric
from limen.report.sheet import write_sheet
from limen.safety import check_count
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

    @property
    def first(self) -> list[Block]:
        """What a reader wants first: who leads by each metric, and the notes; the rest is for the page."""
        return [
            each for each in self.document.blocks if isinstance(each, Notes) or each.title.startswith(LEADERS)
        ]


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

    def done(self, made: Plan, folder: Path, floats: bool) -> tuple[dict[str, runs.Stored], list[LeftOut]]:
        """Do and rank the run, and where asked the one in floats; the rankings, and what failed."""
        stored, failed = {}, []
        for name, place, lattice in (("8 bits", folder, LATTICE), (FLOATS, folder / FLOATS, None)):
            if lattice or floats:
                failed += self.attacked(made.planned, place, lattice)
                stored[name] = self.ranked(place, lattice)
        return stored, failed

    def begin(self, folder: Path) -> runs.RunWriter:
        """Begin the run, of no attack yet, or go on with one of the same model, images and metrics."""
        return runs.create_or_resume(folder, self._manifest([], LATTICE))

    def attacked(self, planned: Sequence[Planned], folder: Path, lattice: int | None) -> list[LeftOut]:
        """Do what is left of the run of these attacks, in floats where there is no lattice.

        Returns:
            The attacks that failed on some image, and why.
        """
        attacks = [each.attack for each in planned]
        failed: list[LeftOut] = []

        def fail(attack: AnyAttack, reason: str) -> None:
            failed.extend(LeftOut(each.asked, reason) for each in planned if each.attack is attack)

        with (
            runs.create_or_resume(folder, self._manifest(attacks, lattice)) as writer,
            self.showing(labels_of(attacks)) as progress,
        ):
            run_attacks(
                self.classifier,
                self.dataset,
                attacks,
                writer,
                batch_size=self.batch_size,
                limit=self.limit,
                metrics=self.measures,
                workers=self.workers,
                progress=progress,
                failed=fail,
            )
        return failed

    def ranked(self, folder: Path, lattice: int | None) -> runs.Stored:
        """Rank the attacks of a run."""
        run = runs.open_run(folder)
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

    def _manifest(self, attacks: Sequence[AnyAttack], lattice: int | None) -> runs.Manifest:
        how: dict[str, Any] = {"seed": self.seed, "lattice": lattice, "metrics": self.measures}
        return describe_run(self.classifier, self.dataset, attacks, device=self.workers.device, **how)


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
    before = begun(out / SUMMARY, passes)
    read = drafts(attacks, passes)
    classifier = catalog.model(model, device, defenses)
    dataset = catalog.data(data, classifier)
    image = dataset.first()[None].to(classifier.device, classifier.dtype)
    measures = _measures(metrics, min(image.shape[2:]))
    setup = Setup(classifier, dataset, measures, passes, limit, batch_size, device, seed, workers, showing)
    with setup.begin(out), showing([PLANNING], "attacks") as progress:
        made = plan(read, passes, Counter(classifier, image), before.known(), progress)
    stored, failed = setup.done(made, out, floats)
    files = {"run": out, "page": out / PAGE, "json": out / SUMMARY}
    before.write(summary(stored, passes, made, failed))
    document = described(stored, passes, made, failed)
    write_sheet(document, files["page"], "benchmark")
    return Made(document, files)


def _measures(metrics: Sequence[str], side: int) -> list[Metric]:
    """The standard metrics, the similarities that take images of such a side, and those that specs name."""
    fitting = [METRICS[key] for key in _SIMILARITIES if METRICS[key].least_side <= side]
    measures = {each.column.key: each for each in (*STANDARD, *fitting, *map(catalog.metric, metrics))}
    return [*measures.values()]
