"""`limen augment`: a robust data set, with adversarial images of the networks along a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from limen.cli import machine
from limen.cli.options import COUNT, Device, Seed, option
from limen.cli.train_options import (
    DATA,
    HELP,
    RATE,
    CheckpointEvery,
    Classes,
    Clip,
    Data,
    Dual,
    Model,
    Optimizer,
    Schedule,
    TrainData,
    Workers,
)

if TYPE_CHECKING:
    from limen.data.robust import Grown

Attack = Annotated[
    str,
    option("SPEC", "Attack that makes the images, such as pgd_l2:eps=1,steps=10.", rich_help_panel=DATA),
]
Out = Annotated[
    Path,
    option("DIR", "Folder of the set, which robust:DIR then names; made if missing.", rich_help_panel=HELP),
]
Steps = Annotated[
    int,
    option(
        "N",
        "Outer steps; each attacks as many images as there are clean ones.",
        **COUNT,
        rich_help_panel=RATE,
    ),
]
BatchSize = Annotated[
    int,
    option(
        "N",
        "Images per step of the network, attacked side by side; 1 is the algorithm's text.",
        **COUNT,
        rich_help_panel=RATE,
    ),
]
Literal = Annotated[
    bool,
    typer.Option(
        "--literal",
        help="Follow the algorithm's text: attack adversarial images again, multiply gradients by weights.",
        rich_help_panel=RATE,
    ),
]
CleanShare = Annotated[
    float,
    option("SHARE", "How often a clean image is drawn, unless literal.", min=0, max=1, rich_help_panel=RATE),
]


def augment(
    attack: Attack,
    out: Out,
    model: Model = "demo:photos",
    data: Data = None,
    train_data: TrainData = None,
    classes: Classes = "data",
    steps: Steps = 5,
    batch_size: BatchSize = 32,
    optimizer: Optimizer = "sgd:learning_rate=0.01,momentum=0,weight_decay=0",
    schedule: Schedule = "constant",
    clip: Clip = None,
    literal: Literal = False,
    clean_share: CleanShare = 0.5,
    dual: Dual = None,
    workers: Workers = 0,
    checkpoint_every: CheckpointEvery = 10.0,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Make a robust data set: a network learns, and is attacked at every step of it.

    Any number of networks can then be trained on it: limen train --train-data robust:DIR. The same command
    again resumes.
    """
    machine.prepare()
    from limen.cli.console import complain_of_skipped, output
    from limen.report import write_sheet
    from limen.training import Growing, Settings, Task, Team, describe_robust_set, grow_robust_set

    task = Task(model, data or model, train_data, classes=classes, dual=dual)
    settings = Settings(
        steps,
        batch_size,
        optimizer or "adamw",
        schedule or "constant",
        clip=clip,
        seed=seed,
    )
    with _listening() as listen:
        manifest = grow_robust_set(
            task,
            Growing(attack, literal, clean_share),
            out,
            settings,
            every=60 * checkpoint_every,
            listen=listen,
            on_skip=complain_of_skipped,
            workers=workers,
            team=Team(device),
        )
    page = out / "robust.html"
    write_sheet(describe_robust_set(out, manifest), page, kind="robust data set")
    output().print(f"{(steps + 1) * (manifest.data.count - len(manifest.skipped))} samples, robust:{out}")
    output().print(f"page {page}")


@contextmanager
def _listening() -> Iterator[Any]:
    """Show batches as a bar, and outer steps in lines, on standard error."""
    from limen.cli.console import complain
    from limen.cli.progress import steps
    from limen.training import Step

    with steps("step") as show:

        def listen(event: Step | Grown, made: tuple[Grown, ...]) -> None:
            if isinstance(event, Step):
                show(event)
            else:
                complain(_line(event))

        yield listen


def _line(step: Grown) -> str:
    dual = "" if step.dual is None else f", dual {step.dual.value:.4f}"
    return f"step {step.number}: loss {step.loss:.4f}, fooled {step.success:.1%}{dual}, {step.seconds:.1f} s"
