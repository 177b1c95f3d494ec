"""`limen attack`: attack a model on a data set, keep every result."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import (
    OF_DATA,
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
from limen.safety import MOST_COUNT

Model = Annotated[str, option("SPEC", "Model, such as torchvision:resnet50.")]
Data = Annotated[str, option("SPEC", "Images, such as folder:photos,size=224.")]
Attacks = Annotated[
    list[str],
    option(
        "SPEC",
        "Attack, such as pgd_l2:eps=3,steps=40, or a grid of budgets: pgd_l2:eps=1,2,4; repeatable.",
    ),
]
Defenses = Annotated[
    list[str] | None,
    option(
        "SPEC",
        "Defence in front of the model, such as jpeg:quality=75, or a chain: jpeg+resize; repeatable, "
        "passed in this order.",
    ),
]
Metrics = Annotated[
    list[str] | None,
    option("SPEC", "Further metric of distortion, such as python:FILE.py:NAME; repeatable."),
]
Targeted = Annotated[
    str | None,
    option(
        "[AIM]",
        "Aim at target classes: the data's own, or least_likely, random, or target=N with the number or "
        "name of a class.",
        "--targeted",
    ),
]
Adaptive = Annotated[
    bool,
    typer.Option(
        "--adaptive", help="Let attacks know of the defences: take gradients through or around them."
    ),
]
Draws = Annotated[
    int,
    typer.Option(
        min=1, max=MOST_COUNT, help="With --adaptive: draws of a random defence that each pass averages."
    ),
]
Lattice = Annotated[
    Literal["255", "none"],
    typer.Option(help="Keep attacks on the values an 8-bit file can hold, or let the file round them."),
]
Report = Annotated[bool, typer.Option(help="Make the page at the end.")]


def attack(
    model: Model,
    data: Data,
    attack: Attacks,
    out: Out,
    defense: Defenses = None,
    metric: Metrics = None,
    limit: Limit = None,
    batch_size: BatchSize = 32,
    device: Device = "cpu",
    seed: Seed = 0,
    targeted: Targeted = None,
    adaptive: Adaptive = False,
    draws: Draws = 1,
    lattice: Lattice = "255",
    ray: Ray = None,
    workers: WorkerCount = 1,
    gpus_per_worker: GpusPerWorker = 0.0,
    report: Report = True,
) -> None:
    """Attack a model on a data set, and keep every image and number.

    The same command again resumes; with further attacks or metrics, it adds them to the run.
    """
    machine.prepare()
    from limen.cli.running import execute
    from limen.cli.workers import workers_of

    with workers_of(ray, workers, gpus_per_worker, device) as those:
        execute(
            model,
            data,
            attack,
            out,
            defenses=defense or (),
            metrics=metric or (),
            limit=limit,
            batch_size=batch_size,
            device=device,
            seed=seed,
            targeted=targeted is not None,
            aim=None if targeted == OF_DATA else targeted,
            adaptive=draws if adaptive else None,
            lattice=None if lattice == "none" else int(lattice),
            workers=those,
            report=report,
        )
