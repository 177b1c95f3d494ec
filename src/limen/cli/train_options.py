"""The options of `limen train`, in the panels of its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from limen.cli.options import COUNT, PROCESSES, option

DATA, RATE, HELP = "What is learned", "How it is learned", "What is written"

Out = Annotated[
    Path,
    option(
        "FILE",
        "Safetensors file of the weights; the page of the curves and, with --validate, "
        "the best weights are put beside it. With --models, the folder of all models.",
        rich_help_panel=HELP,
    ),
]
Models = Annotated[
    int | None,
    option(
        "N",
        "Train so many networks, with seeds from --seed on; those that are finished are not trained again.",
        **COUNT,
        rich_help_panel=HELP,
    ),
]
Jobs = Annotated[
    int,
    option("N", "With --models: how many processes train at once.", min=1, **PROCESSES, rich_help_panel=HELP),
]
Model = Annotated[
    str,
    option(
        "SPEC",
        "Network: demo:photos or demo:digits from random weights, or any model from its own; "
        "torchvision:NAME,weights=random starts from none.",
        rich_help_panel=DATA,
    ),
]
Data = Annotated[
    str | None,
    option(
        "SPEC",
        "Data to measure on, whose split=train is learned; as the model if not given.",
        rich_help_panel=DATA,
    ),
]
TrainData = Annotated[
    str | None,
    option("SPEC", "Data to learn from, where it is no split of the other.", rich_help_panel=DATA),
]
Objective = Annotated[
    str,
    option(
        "SPEC",
        "What is brought down: cross_entropy, adversarial:attack=SPEC, step_ll, noise:sigma=0.25, "
        "group_dro, wrm, or your own; a comma inside the attack's spec is written twice.",
        rich_help_panel=DATA,
    ),
]
Validate = Annotated[
    str | None,
    option(
        "SPEC",
        "Attack to judge every epoch by, such as pgd_linf:eps=8/255,steps=10; the best weights are kept.",
        rich_help_panel=DATA,
    ),
]
ValidateCount = Annotated[int, option("N", "How many test images it attacks.", **COUNT, rich_help_panel=DATA)]
Classes = Annotated[
    Literal["data", "model"],
    option(
        "WHOSE",
        "data: exchange the last layer where the data has another number of classes; "
        "model: look labels up among the model's.",
        rich_help_panel=DATA,
    ),
]
Freeze = Annotated[bool, typer.Option("--freeze", help="Learn the last layer only.", rich_help_panel=DATA)]
Epochs = Annotated[
    int | None,
    option(
        "N",
        "Passes over the data; 10 for demo:photos, 15 for demo:digits, else 20.",
        **COUNT,
        rich_help_panel=RATE,
    ),
]
BatchSize = Annotated[
    int | None,
    option("N", "Images a step, over all processes; 32 if not given.", **COUNT, rich_help_panel=RATE),
]
Optimizer = Annotated[
    str | None,
    option(
        "SPEC",
        "adamw:learning_rate=0.003,weight_decay=0.05, sgd:learning_rate=0.1,momentum=0.9, or your own.",
        rich_help_panel=RATE,
    ),
]
Schedule = Annotated[
    str | None,
    option("SPEC", "one_cycle, cosine, multistep:at=0.5,0.75, constant, or your own.", rich_help_panel=RATE),
]
Augment = Annotated[
    list[str] | None,
    option(
        "SPEC",
        "crop:padding=4, flip, a chain such as crop+flip, or your own; may be repeated.",
        rich_help_panel=RATE,
    ),
]
Sampling = Annotated[
    str | None,
    option(
        "SPEC",
        "Which samples an epoch has: shuffled, weighted, balanced:by=group, or your own; "
        "weighted for data with weights, else shuffled.",
        rich_help_panel=RATE,
    ),
]
Fixed = Annotated[
    bool,
    typer.Option(
        "--fixed",
        help="Learn the same images in every epoch from data that draws its images.",
        rich_help_panel=DATA,
    ),
]
Clip = Annotated[float | None, option("NORM", "Greatest L2 norm of a step's gradient.", rich_help_panel=RATE)]
Precision = Annotated[
    Literal["full", "bf16", "fp16"],
    option("NAME", "What the network computes in; fp16 needs a GPU.", rich_help_panel=RATE),
]
Dual = Annotated[
    str | None,
    option(
        "SPEC",
        "What estimates the dual of distributionally robust risk, such as "
        "lagrangian:attack=SPEC,metric=ssim,weight=1,radius=0.01; a comma inside the attack's spec is "
        "written twice.",
        rich_help_panel=DATA,
    ),
]
Workers = Annotated[
    int,
    option(
        "N",
        "Processes that read images ahead; the result is the same.",
        min=0,
        **PROCESSES,
        rich_help_panel=RATE,
    ),
]
CheckpointEvery = Annotated[
    float, option("MINUTES", "How often the state is kept within an epoch.", min=0, rich_help_panel=HELP)
]
Log = Annotated[Path | None, option("DIR", "Folder for TensorBoard.", rich_help_panel=HELP)]
