"""`limen train`: train or fine-tune a classifier, with any objective and any attack."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limen.cli import machine
from limen.cli.options import Device, Seed
from limen.cli.train_options import (
    Augment,
    BatchSize,
    CheckpointEvery,
    Classes,
    Clip,
    Data,
    Dual,
    Epochs,
    Fixed,
    Freeze,
    Jobs,
    Log,
    Model,
    Models,
    Objective,
    Optimizer,
    Out,
    Precision,
    Sampling,
    Schedule,
    TrainData,
    Validate,
    ValidateCount,
    Workers,
)
from limen.errors import UsageError

if TYPE_CHECKING:
    from limen.training import Epoch, Files, Settings, Step, Task


def train(
    out: Out,
    model: Model = "demo:photos",
    data: Data = None,
    train_data: TrainData = None,
    objective: Objective = "cross_entropy",
    validate: Validate = None,
    validate_count: ValidateCount = 256,
    dual: Dual = None,
    classes: Classes = "data",
    freeze: Freeze = False,
    fixed: Fixed = False,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    optimizer: Optimizer = None,
    schedule: Schedule = None,
    augment: Augment = None,
    sampling: Sampling = None,
    clip: Clip = None,
    precision: Precision = "full",
    workers: Workers = 0,
    checkpoint_every: CheckpointEvery = 10.0,
    log: Log = None,
    models: Models = None,
    jobs: Jobs = 1,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Train a classifier and write its weights, which any model spec can name by `weights=`.

    Started by `accelerate launch -m limen train …`, several processes share each batch. With --models, a
    family of networks is trained that differ in their seeds alone. The same command again resumes.
    """
    machine.prepare()
    from limen.cli.console import complain_of_skipped
    from limen.training import Files, Task, assemble, settings_for, train_network

    task = Task(model, data or model, train_data, objective, validate, validate_count, classes, freeze, dual)
    given: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": optimizer,
        "schedule": schedule,
        "augment": None if augment is None else tuple(augment),
        "clip": clip,
        "precision": precision,
        "seed": seed,
        "sampling": sampling,
        "fixed": fixed,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    settings: Settings = dataclasses.replace(settings_for(model), **changed)
    if models is not None:
        if log is not None:
            raise UsageError("--log is of one network; leave it, or --models")
        _train_family(task, settings, out, models, jobs, 60 * checkpoint_every, workers, device)
        return
    team = assemble(device, precision)
    files = Files(out)
    with _listening(task, settings, files.page, log, team.leads) as listen:
        history = train_network(
            task,
            out,
            settings,
            every=60 * checkpoint_every,
            listen=listen,
            on_skip=complain_of_skipped,
            workers=workers,
            team=team,
        )
    if team.leads:
        _conclude(task, settings, files, history)


def _train_family(
    task: Task,
    settings: Settings,
    folder: Path,
    models: int,
    jobs: int,
    every: float,
    workers: int,
    device: str,
) -> None:
    from limen.cli.console import complain, complain_of_skipped, output
    from limen.cli.progress import steps
    from limen.report import write_sheet
    from limen.training import describe_family, train_family

    histories: dict[int, tuple[Epoch, ...]] = {}
    page = folder / "family.html"

    def tell(number: int, history: tuple[Epoch, ...], found: bool) -> None:
        histories[number] = history
        seconds = sum(epoch.seconds for epoch in history)
        result = "there before" if found else f"accuracy {history[-1].accuracy:.1%}, {seconds:.1f} s"
        complain(f"model {number:03d} ({len(histories)} of {models}): {result}")
        if not found or len(histories) == models:
            write_sheet(describe_family(histories, task, settings, models), page, kind="training")

    with steps() as show:
        train_family(
            task,
            folder,
            models,
            settings,
            jobs=jobs,
            every=every,
            listen=lambda event, history: show(event),
            tell=tell,
            on_skip=complain_of_skipped,
            workers=workers,
            device=device,
        )
    accuracies = [history[-1].accuracy for history in histories.values()]
    mean = sum(accuracies) / models
    output().print(f"accuracy {mean:.1%} on average, {min(accuracies):.1%} to {max(accuracies):.1%}")
    output().print(f"models   {folder}")
    output().print(f"page     {page}")


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

    with steps() as show, nullcontext() if logs is None else closing(logs):
        yield listen


def _conclude(task: Task, settings: Settings, files: Files, history: tuple[Epoch, ...]) -> None:
    """Say what the training came to, and where everything is."""
    from limen.cli.console import output

    _write_page(task, settings, history, files.page)
    output().print(f"accuracy {_accuracy(history[-1])}")
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
    return f"epoch {epoch.number}: loss {epoch.loss:.4f}, accuracy {_accuracy(epoch)}, {epoch.seconds:.1f} s"


def _accuracy(epoch: Epoch) -> str:
    robust = epoch.robust_accuracy
    return f"{epoch.accuracy:.1%}" + ("" if robust is None else f", under attack {robust:.1%}")
