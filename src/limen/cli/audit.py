"""`limen audit`: is the set-up right, what fools the model, would people notice, and do the rules hold?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import BatchSize, Device, GpusPerWorker, Ray, Seed, WorkerCount, option

if TYPE_CHECKING:
    from limen.audit import Verdict


def audit(
    model: Annotated[str, option("SPEC", "Model, such as torchvision:resnet50.")],
    data: Annotated[str, option("SPEC", "Labelled images, such as folder:photos.")],
    out: Annotated[
        Path, option("DIR", "Folder of the audit; made if missing, resumed if it holds this audit.")
    ],
    effort: Annotated[
        Literal["quick", "standard", "thorough"], typer.Option(help="How much is tried, on how many images.")
    ] = "quick",
    require: Annotated[
        list[str] | None,
        option("RULE", "What must hold, such as robust_accuracy[linf=2/255]>=0.4; repeatable."),
    ] = None,
    minutes: Annotated[
        float | None, option("M", "How long it may take; it then runs on as many images as fit.")
    ] = None,
    transfer: Annotated[
        list[str] | None,
        option("SPEC", "Another model: does what fools this one fool it, too? Repeatable."),
    ] = None,
    calibration: Annotated[
        Path | None,
        option(
            "FILE",
            "A curve of limen study read, by which people would notice; the published one if not given.",
        ),
    ] = None,
    limit: Annotated[
        int | None, option("N", "On so many images at most, spread over the data.", min=1)
    ] = None,
    batch_size: BatchSize = 32,
    device: Device = "cpu",
    seed: Seed = 0,
    ray: Ray = None,
    workers: WorkerCount = 1,
    gpus_per_worker: GpusPerWorker = 0.0,
) -> None:
    """Audit a model: check its set-up, attack it in every geometry, and say in plain sentences what holds.

    Ends with a page, JSON and a JUnit file. Exits with 0 if the audit was done and every rule holds, with 1
    if not, with 2 for wrong arguments. The same command again resumes.

    Rules: clean_accuracy>=0.7, robust_accuracy[linf=2/255]>=0.4, noticed<=0.5:success<=0.05, findings<=0.
    """
    machine.prepare()
    from limen.audit import audit as do
    from limen.cli.console import complain, output
    from limen.cli.progress import showing
    from limen.cli.workers import workers_of

    with workers_of(ray, workers, gpus_per_worker, device) as those:
        done = do(
            model,
            data,
            out,
            effort=effort,
            require=require or (),
            minutes=minutes,
            transfer=transfer or (),
            calibration=calibration,
            limit=limit,
            batch_size=batch_size,
            device=device,
            seed=seed,
            workers=those,
            showing=showing,
            tell=complain,
        )
    _show(done.verdict)
    for what, path in done.files.items():
        output().print(f"{what:6}{path}")
    raise typer.Exit(done.exit_code)


def _show(verdict: Verdict) -> None:
    """Print the verdict, what weakens it, and each rule."""
    from limen.cli.console import output

    output().print(*verdict.sentences, sep="\n")
    for finding in verdict.weak:
        output().print(f"finding: {finding.sentence}")
    for each in verdict.rules:
        output().print(f"{'holds' if each.holds else 'fails'}  {each.rule.text}  found {each.said}")
