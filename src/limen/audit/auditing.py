"""The audit itself: checks, plan, attacks, evaluations, verdict; each kept, so that a stopped one goes on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from limen import catalog
from limen.analysis import Measured
from limen.audit.conclusion import geometries_of, verdict_of
from limen.audit.effort import Attempt, Level, effort_named
from limen.audit.finding import Finding
from limen.audit.further import INDICATORS_NAME, evaluations_of, indicated
from limen.audit.judging import Judged
from limen.audit.junit import junit
from limen.audit.page import page
from limen.audit.plan import Plan, read_plan, write_plan
from limen.audit.planning import planned
from limen.audit.record import record
from limen.audit.rules import Rule, read_rule
from limen.audit.verdict import Verdict
from limen.classifier import Classifier
from limen.data import Dataset
from limen.defenses import defenses_of
from limen.errors import LimenError, LimenWarning, UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, labels_of, run_attacks
from limen.evaluation.showing import Showing, silent
from limen.metrics import METRICS, Metric
from limen.report import write_sheet
from limen.runs import Run, create_or_resume, open_run
from limen.runs.files import write_whole
from limen.workers import HERE, Workers

RUN = "run"
"""The folder of the run in that of an audit."""

MEASURED = ("l0", "l1", "l2", "linf", "ssim", "ciede2000", "mad")
"""The metrics that every audit measures, beside who would notice; rules may name further ones."""


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit came to, and where it lies.

    Attributes:
        verdict: What it comes to.
        files: The files by what they are: `page`, `json` and `junit`, and the folder `run` if there is one.
    """

    verdict: Verdict
    files: dict[str, Path]

    @property
    def exit_code(self) -> int:
        """0 where the model could be audited and every rule holds; else 1."""
        return 0 if self.verdict.passed else 1


@dataclass(frozen=True, eq=False)
class _Work:
    """What is audited, how, and where."""

    classifier: Classifier
    dataset: Dataset
    rules: Sequence[Rule]
    metrics: Sequence[Metric]
    folder: Path
    batch_size: int
    seed: int
    workers: Workers
    showing: Showing


def audit(
    model: Classifier | str,
    data: Dataset | str,
    out: Path | str,
    *,
    effort: Level = "quick",
    require: Sequence[str] = (),
    minutes: float | None = None,
    transfer: Sequence[str] = (),
    calibration: Path | str | None = None,
    limit: int | None = None,
    batch_size: int = 32,
    device: str = "cpu",
    seed: int = 0,
    workers: Workers = HERE,
    showing: Showing = silent,
    tell: Callable[[str], object] = lambda text: None,
) -> Audit:
    """Check a model's set-up, attack it in every geometry, and say what holds.

    The folder `out` gets `plan.json`, the run in `run/`, and in the end `audit.html`, `audit.json` and
    `audit.junit.xml`. Called again, an audit goes on where it was stopped, and ends the same.

    Args:
        model: The classifier, or its spec.
        data: Labelled images, or their spec.
        out: Folder of the audit.
        effort: How much is tried: "quick", "standard" or "thorough".
        require: Rules, such as `robust_accuracy[linf=2/255]>=0.4`; see `limen.audit.read_rule`.
        minutes: How long it may take; it then runs on fewer images.
        transfer: Specs of other models; whether what fools this one fools them.
        calibration: A file that `limen study read` wrote, by which people would notice; the published study
            if not given.
        limit: On how many images at most; the effort's own number if not given.
        batch_size: Images side by side; bounds the memory.
        device: Where to compute, where the model is given by its spec.
        seed: Seed of everything that is drawn.
        workers: Who attacks and measures: this process alone, or others beside it.
        showing: Shows progress.
        tell: Told in a sentence what is about to happen, and how long it takes at most.

    Raises:
        UsageError: If an argument is wrong, or the folder holds something else.
        LimenError: If the model cannot answer, or a file cannot be read or written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     done = audit("demo:digits", "demo:digits", folder, limit=4, require=["findings<=0"])
        >>> done.exit_code, done.verdict.sentences[0]
        (0, 'Before any attack the model had 4 of 4 images right (100\N{NO-BREAK SPACE}%, ...).')
    """
    curve = catalog.metric("noticed" if calibration is None else f"noticed:calibration={calibration}")
    noticed = curve.column.key
    rules = [read_rule(text, METRICS).renamed({"noticed": noticed}) for text in require]
    _check(effort, minutes, limit, batch_size)
    for spec in transfer:  # before the attacks take their time
        catalog.model(spec, device)
    classifier = catalog.model(model, device) if isinstance(model, str) else model
    dataset = catalog.data(data, classifier) if isinstance(data, str) else data
    further = [name for each in rules for name in each.metrics if name != noticed]
    metrics = [*(METRICS[name] for name in dict.fromkeys([*MEASURED, *further])), curve]
    work = _Work(classifier, dataset, rules, metrics, Path(out), batch_size, seed, workers, showing)
    how = {"effort": effort, "seed": seed, "minutes": minutes, "limit": limit}
    asked = _asked(classifier, dataset, calibration=curve.column.code, **how)
    plan = read_plan(work.folder, asked)
    if plan is None:
        wanted = limit or effort_named(effort).images
        with _quiet():
            others = len(transfer)
            plan = planned(classifier, dataset, asked, rules, metrics, wanted, minutes, batch_size, others)
        write_plan(work.folder, plan)
    if plan.stopped:
        nothing = Measured(math.nan, math.nan, math.nan)
        judged = tuple(Judged(rule, nothing, False) for rule in rules)
        return _written(Verdict(plan, None, plan.findings, judged), work.folder, {})
    tell(plan.told)
    attempts = plan.attempts(rules)
    run = _attacked(work, plan, attempts)
    specs = evaluations_of(dataset, effort_named(plan.effort), transfer, plan.images)
    notes = _measured(work, run, specs)
    return _written(verdict_of(plan, run, attempts, rules, notes), work.folder, geometries_of(attempts))


def _check(effort: str, minutes: float | None, limit: int | None, batch_size: int) -> None:
    effort_named(effort)
    if minutes is not None and not 0 < minutes < math.inf:
        raise UsageError(f"minutes is {minutes:g}; give a number above 0")
    for name, value in (("limit", limit), ("batch_size", batch_size)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")


def _asked(classifier: Classifier, dataset: Dataset, **how: object) -> dict[str, str]:
    """What decides what an audit does, by name, but for what was not given."""
    known = classifier.identity
    said = {
        "model": type(classifier.module).__name__ if known is None else known.label,
        "defenses": ", then ".join(each.label for each in defenses_of(classifier)) or None,
        "weights": classifier.fingerprint(),
        "data": dataset.spec,
        "fingerprint": dataset.fingerprint(),
        **how,
    }
    return {name: str(value) for name, value in said.items() if value is not None}


@contextmanager
def _quiet() -> Iterator[None]:
    """Let attacks and models not warn: what they would warn of, an audit finds and tells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        yield


def _attacked(work: _Work, plan: Plan, attempts: Sequence[Attempt]) -> Run:
    """The run of all attacks, with what was left of it done."""
    attacks = [catalog.attack_or_grid(each.runs) for each in attempts]
    what = work.classifier, work.dataset, attacks
    adaptive = 1 if defenses_of(work.classifier) else None
    manifest = describe_run(
        *what, seed=work.seed, adaptive=adaptive, metrics=work.metrics, device=work.workers.device
    )
    with (
        create_or_resume(work.folder / RUN, manifest) as writer,
        work.showing(labels_of(attacks)) as progress,
    ):
        how = {"batch_size": work.batch_size, "places": plan.places, "metrics": work.metrics}
        with _quiet():
            run_attacks(*what, writer, workers=work.workers, progress=progress, **how)
    return open_run(work.folder / RUN)


def _measured(work: _Work, run: Run, specs: Iterable[str]) -> list[Finding]:
    """Measure what is left of further evaluations of the run; what could not be measured is noted."""
    notes: list[Finding] = []
    for spec in specs:
        try:
            what = EVALUATIONS.make(spec)
            with _quiet(), work.showing(run.manifest.labels) as progress:
                how = {"device": work.classifier.device, "batch_size": work.batch_size, "progress": progress}
                stored = evaluate(run, what, classifier=work.classifier, workers=work.workers, **how)
            if what.identity.name == INDICATORS_NAME:
                notes += indicated(stored)
        except LimenError as error:
            said = f"It could not be measured: {error}."
            notes.append(Finding(f"evaluation {spec}", f"Evaluation {spec}", "note", said, of="attacks"))
    return notes


def _written(verdict: Verdict, folder: Path, geometries: dict[str, str]) -> Audit:
    files = {name: folder / file for name, file in _FILES.items()}
    write_sheet(page(verdict, geometries), files["page"], kind="audit", verdict=verdict.sentences)
    write_whole(files["json"], record(verdict).encode(errors="backslashreplace"))
    write_whole(files["junit"], junit(verdict))
    if verdict.done:
        files["run"] = folder / RUN
    return Audit(verdict, files)


_FILES = {"page": "audit.html", "json": "audit.json", "junit": "audit.junit.xml"}
