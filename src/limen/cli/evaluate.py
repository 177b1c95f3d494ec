"""`limen evaluate`: compare the attacks of runs, measure more of them, and make their pages again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limen.cli import machine
from limen.cli.options import BatchSize, Device, GpusPerWorker, Limit, Ray, Trust, WorkerCount, option

if TYPE_CHECKING:
    from limen.evaluation import Evaluation
    from limen.runs import Run


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of runs.")],
    distance: Annotated[
        list[str] | None,
        option("NAME", "Distance to measure distortion by, such as ssim; repeatable. l2 if not given."),
    ] = None,
    against: Annotated[
        str | None,
        option(
            "ATTACK", "Compare all others with this attack: on how many images they take less distortion."
        ),
    ] = None,
    csv: Annotated[Path | None, option("FILE", "Write the figures of all runs to this file, too.")] = None,
    evaluation: Annotated[
        list[str] | None,
        option(
            "SPEC",
            "What to measure, such as attention:method=cam, magnify or transfer:model=SPEC; repeatable.",
            "-e",
            "--evaluation",
        ),
    ] = None,
    limit: Limit = None,
    batch_size: BatchSize = 32,
    device: Device = "cpu",
    trust: Trust = None,
    ray: Ray = None,
    workers: WorkerCount = 1,
    gpus_per_worker: GpusPerWorker = 0.0,
    report: Annotated[bool, typer.Option(help="Make the page again at the end.")] = True,
) -> None:
    """Compare the attacks of runs by success and distortion, and make the runs' pages again.

    Only images that the model classified correctly count. Attacks that differ in their eps alone are one: an
    image is fooled if it is at any eps, and its distortion is the least of these.

    With -e more is measured, kept in the run and shown on its page; `limen list evaluations` names all.
    The same command again resumes. Where the run's own model is needed it must have the weights that it had.
    Code in files that a run names is run only if you name the file by --trust.
    """
    machine.prepare()
    from limen import analysis
    from limen.cli.console import output, show
    from limen.cli.figures import compared, write_csv
    from limen.report import write_page
    from limen.runs import open_run

    wanted: list[Evaluation] = []
    if evaluation:
        from limen.evaluation import EVALUATIONS

        # All of them, before the first one takes its time.
        wanted = [EVALUATIONS.make(spec) for spec in evaluation]
    stored = {str(directory): open_run(directory) for directory in runs}
    figures = analysis.table(stored, distance or ["l2"], against=against)
    tables = [each for name in stored for each in compared(figures, stored[name], name, against)]
    if csv is not None:
        write_csv(csv, figures)
    show(*tables)
    if wanted:
        from limen.cli.workers import workers_of

        how = {"device": device, "batch_size": batch_size, "limit": limit, "trust": trust or ()}
        with workers_of(ray, workers, gpus_per_worker, device) as those:
            for what in wanted:
                measure(what, stored, workers=those, **how)
    for name in stored:
        output().print(f"run  {name}")
        if report:
            output().print(f"page {write_page([name])}")
    if csv is not None:
        output().print(f"csv  {csv}")


def measure(what: Evaluation, runs: dict[str, Run], **settings: Any) -> None:
    """Measure one evaluation of every run, and print the tables of its documents."""
    from limen.cli.console import output, show
    from limen.cli.progress import showing
    from limen.document import merge
    from limen.evaluation import evaluate

    documents = {}
    for name, run in runs.items():
        with showing(run.manifest.labels) as progress:
            documents[name] = evaluate(run, what, progress=progress, **settings).document()
    show(*merge(documents).blocks)
    output().print(f"kept as {what.identity.label}")
