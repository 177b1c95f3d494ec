"""`limen bench`: attacks side by side at equal passes."""

from __future__ import annotations

from typing import Annotated

import typer

from limen.cli import machine
from limen.cli.attack import Data, Defenses, Metrics, Model
from limen.cli.options import (
    COUNT,
    BatchSize,
    Device,
    GpusPerWorker,
    Limit,
    Out,
    Ray,
    Seed,
    WorkerCount,
    option,
)


def bench(
    model: Model,
    data: Data,
    attack: Annotated[
        list[str],
        option(
            "SPEC", "Attack to compare, such as ddn or pgd_l2:steps=40; all for each of Limen's; repeatable."
        ),
    ],
    passes: Annotated[
        int, option("N", "Forward and backward passes of the model that an image may take.", **COUNT)
    ],
    out: Out,
    metric: Metrics = None,
    defense: Defenses = None,
    floats: Annotated[
        bool, typer.Option("--floats", help="Also without rounding to 8 bits, as other benchmarks measure.")
    ] = False,
    limit: Limit = None,
    batch_size: BatchSize = 32,
    device: Device = "cpu",
    seed: Seed = 0,
    ray: Ray = None,
    workers: WorkerCount = 1,
    gpus_per_worker: GpusPerWorker = 0.0,
) -> None:
    """Compare attacks at equal passes, by every metric: who needs the least distance to fool the model.

    Counts that a spec leaves open, such as steps, are chosen to use the passes; a budget that it leaves open
    is searched for each image. The same command again resumes; with further attacks, it adds them.
    """
    machine.prepare()
    from limen.bench import benchmark
    from limen.cli.console import output, show
    from limen.cli.progress import showing
    from limen.cli.workers import workers_of

    with workers_of(ray, workers, gpus_per_worker, device) as those:
        made = benchmark(
            model,
            data,
            attack,
            out,
            passes=passes,
            showing=showing,
            metrics=metric or (),
            defenses=defense or (),
            floats=floats,
            limit=limit,
            batch_size=batch_size,
            device=device,
            seed=seed,
            workers=those,
        )
    show(*made.first)
    for what, path in made.files.items():
        output().print(f"{what:5}{path}")
