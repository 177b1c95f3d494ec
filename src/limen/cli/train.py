"""`limen train`: train or fine-tune a classifier, with any objective and any attack."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from limen.cli import machine
from limen.cli.options import Device, Seed, option

if TYPE_CHECKING:
    from limen.training import Epoch, Files, Settings, Step, Task

DATA, RATE, HELP = "What is learned", "How it is learned", "What is written"


def train(
    out: Annotated[
        Path,
        option(
            "FILE",
            "Safetensors file of the weights; the page of the curves and, with --validate, "
            "the best weights are put beside it.",
            rich_help_panel=HELP,
        ),
    ],
    model: Annotated[
        str,
        option(
            "SPEC",
            "Network: demo:photos or demo:digits from random weights, or any model from its own; "
            "torchvision:NAME,weights=random starts from none.",
            rich_help_panel=DATA,
        ),
    ] = "demo:photos",
    data: Annotated[
        str | None,
        option(
            "SPEC",
            "Data to measure on, whose split=train is learned; as the model if not given.",
            rich_help_panel=DATA,
        ),
    ] = None,
    train_data: Annotated[
        str | None,
        option("SPEC", "Data to learn from, where it is no split of the other.", rich_help_panel=DATA),
    ] = None,
    objective: Annotated[
        str,
        option(
            "SPEC",
            "What is brought down: cross_entropy, adversarial:attack=SPEC, step_ll, noise:sigma=0.25, "
            "or your own; a comma inside the attack's spec is written twice.",
            rich_help_panel=DATA,
        ),
    ] = "cross_entropy",
    validate: Annotated[
        str | None,
        option(
            "SPEC",
            "Attack to judge every epoch by, such as pgd_linf:eps=8/255,steps=10; the best weights are kept.",
            rich_help_panel=DATA,
        ),
    ] = None,
    validate_count: Annotated[
        int, option("N", "How many test images it attacks.", min=1, rich_help_panel=DATA)
    ] = 256,
    classes: Annotated[
        Literal["data", "model"],
        option(
            "WHOSE",
            "data: exchange the last layer where the data has another number of classes; "
            "model: look labels up among the model's.",
            rich_help_panel=DATA,
        ),
    ] = "data",
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Learn the last layer only.", rich_help_panel=DATA)
    ] = False,
    epochs: Annotated[
        int | None,
        option(
            "N",
            "Passes over the data; 10 for demo:photos, 15 for demo:digits, else 20.",
            min=1,
            rich_help_panel=RATE,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        option("N", "Images a step, over all processes; 32 if not given.", min=1, rich_help_panel=RATE),
    ] = None,
    optimizer: Annotated[
        str | None,
        option(
            "SPEC",
            "adamw:learning_rate=0.003,weight_decay=0.05, sgd:learning_rate=0.1,momentum=0.9, or your own.",
            rich_help_panel=RATE,
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        option(
            "SPEC", "one_cycle, cosine, multistep:at=0.5,0.75, constant, or your own.", rich_help_panel=RATE
        ),
    ] = None,
    augment: Annotated[
        list[str] | None,
        option(
            "SPEC",
            "crop:padding=4, flip, a chain such as crop+flip, or your own; may be repeated.",
            rich_help_panel=RATE,
        ),
    ] = None,
    clip: Annotated[
        float | None, option("NORM", "Greatest L2 norm of a step's gradient.", rich_help_panel=RATE)
    ] = None,
    precision: Annotated[
        Literal["full", "bf16", "fp16"],
        option("NAME", "What the network computes in; fp16 needs a GPU.", rich_help_panel=RATE),
    ] = "full",
    workers: Annotated[
        int,
        option("N", "Processes that read images ahead; the result is the same.", min=0, rich_help_panel=RATE),
    ] = 0,
    checkpoint_every: Annotated[
        float, option("MINUTES", "How often the state is kept within an epoch.", min=0, rich_help_panel=HELP)
    ] = 10.0,
    log: Annotated[Path | None, option("DIR", "Folder for TensorBoard.", rich_help_panel=HELP)] = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Train a classifier and write its weights, which any model spec can name by `weights=`.

    Started by `accelerate launch -m limen train …`, several processes share each batch. The same command
    again resumes.
    """
    machine.prepare()
    from limen.training import Files, Task, assemble, settings_for, train_network

    task = Task(model, data or model, train_data, objective, validate, validate_count, classes, freeze)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "schedule": schedule,
        "augment": None if augment is None else tuple(augment),
        "clip": clip,
        "precision": precision,
        "seed": seed,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    settings: Settings = dataclasses.replace(settings_for(model), **changed)
    team = assemble(device, precision)
    files = Files(out)
    with _listening(task, settings, files.page, log, team.leads) as listen:
        history = train_network(
            task,
            out,
            settings,
            every=60 * checkpoint_every,
            listen=listen,
            on_skip=_skipped,
            workers=workers,
            team=team,
        )
    if team.leads:
        _conclude(task, settings, files, history)


def _skipped(image_id: str, reason: str) -> None:
    from limen.cli.console import complain

    complain(f"skipped {image_id}: {reason}")


@contextmanager
def _listening(task: Task, settings: Settings, page: Path, log: Path | None, leads: bool) -> Iterator[Any]:
    """Show steps and epochs on standard error, and keep the page and the logs up to date."""
    from limen.cli.console import complain
    from limen.cli.progress import steps
    from limen.training import Epoch, Logs

    logs = None if log is None or not leads else Logs(log)

    def listen(event: Step | Epoch, history: tuple[Epoch, ...]) -> None:
        show(event)
        if logs is not None:
            logs(event)
        if isinstance(event, Epoch):
            complain(_line(event))
            _write_page(task, settings, history, page)

    with steps() as show:
        yield listen
    if logs is not None:
        logs.close()


def _conclude(task: Task, settings: Settings, files: Files, history: tuple[Epoch, ...]) -> None:
    """Say what the training came to, and where everything is."""
    from limen.cli.console import output

    _write_page(task, settings, history, files.page)
    output().print(_line(history[-1]))
    output().print(f"weights  {files.out}")
    if task.validate is not None:
        output().print(f"best     {files.best}")
    output().print(f"page     {files.page}")


def _write_page(task: Task, settings: Settings, history: tuple[Epoch, ...], page: Path) -> None:
    from limen.report import write_sheet
    from limen.training import describe, facts

    document = describe(history, f"Training of {task.model}", facts(task, settings))
    write_sheet(document, page, kind="training")


def _line(epoch: Epoch) -> str:
    robust = "" if epoch.robust_accuracy is None else f", under attack {epoch.robust_accuracy:.1%}"
    result = f"loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.1%}{robust}"
    return f"epoch {epoch.number}: {result}, {epoch.seconds:.1f} s"
