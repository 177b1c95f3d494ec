"""Many networks that differ in their seeds alone: what training makes of chance."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from limen.data import Dataset, held
from limen.decoding import decode
from limen.errors import LimenError, RunError, UsageError
from limen.models import read_metadata
from limen.runs.files import locked
from limen.training.checkpoint import make_folder
from limen.training.loop import Listener
from limen.training.network import metadata_of, train_network
from limen.training.reading import OnSkip
from limen.training.settings import Epoch, Settings
from limen.training.task import Task
from limen.training.team import assemble

LOCK = "family.lock"

_NAME = re.compile(r"\d{3,}\.safetensors")

FamilyListener = Callable[[int, tuple[Epoch, ...], bool], None]
"""Called with a model's number, what its epochs came to, and whether it was there before."""


def train_family(
    task: Task,
    folder: Path,
    models: int,
    settings: Settings,
    *,
    jobs: int = 1,
    every: float = 600.0,
    listen: Listener | None = None,
    tell: FamilyListener | None = None,
    on_skip: OnSkip | None = None,
    workers: int = 0,
    device: str = "cpu",
) -> list[Path]:
    """Train networks with the seeds `settings.seed`, `settings.seed + 1`, and so on.

    Number i is `FOLDER/00i.safetensors`. One that is finished is not trained again, and one that was
    interrupted goes on from its checkpoint, so that the same call, or one for more models, resumes. Each
    model is what `train_network` makes with its seed.

    Args:
        task: What is trained on what; the data is read once per process.
        folder: Where the models go.
        models: How many.
        settings: Of each; the seed is that of the first.
        jobs: How many processes train at once; with 1, this one trains. Each has its share of torch's
            threads, on which the rounding of sums depends. A script that asks for several must be guarded by
            `if __name__ == "__main__":`, as new processes import it.
        every: As of `train_network`.
        listen: As of `train`, of the models that this process trains.
        tell: Called for every model that is finished.
        on_skip: As of `train`, of the models that this process trains.
        workers: As of `train`.
        device: Where to compute.

    Returns:
        The files, in the order of their numbers.

    Raises:
        UsageError: If a number is out of range, or a model that is there was trained otherwise.
        LimenError: As of `train_network`.

    Source:
        The paper on imperceptible attacks, distributionally robust optimization and fairness (Hua et al.)
        samples 50 networks by Algorithm 4.2 from one data set.
    """
    if models < 1 or jobs < 1:
        raise UsageError(f"models is {models} and jobs {jobs}; expected 1 or more of each")
    if settings.seed + models > 2**32:
        raise UsageError(f"the seeds from {settings.seed} on would leave 32 bits; choose a smaller seed")
    make_folder(folder)
    with locked(folder / LOCK):
        datasets = _read_once(task, settings)
        left = []
        for number in range(models):
            path, own = model_file(folder, number), replace(settings, seed=settings.seed + number)
            if path.exists():
                _check(path, task, own, datasets[0])
                if tell is not None:
                    tell(number, history_of(path), True)
            else:
                left.append((number, path, own))
        given = {"every": every, "workers": workers, "device": device}
        if jobs == 1:
            heard = {"listen": listen, "on_skip": on_skip}
            made = (_trained(task, each, datasets, **given, **heard) for each in left)
        else:
            made = _together(task, settings, left, jobs, given)
        for number, history in made:
            if tell is not None:
                tell(number, history, False)
    return [model_file(folder, number) for number in range(models)]


def model_file(folder: Path, number: int) -> Path:
    """The file of a family's model.

    Example:
        >>> model_file(Path("family"), 7).as_posix()
        'family/007.safetensors'
    """
    return folder / f"{number:03d}.safetensors"


def family_files(folder: Path) -> list[Path]:
    """The finished models of a family, in the order of their numbers.

    Raises:
        UsageError: If there is none.
    """
    found = [path for path in folder.glob("*.safetensors") if _NAME.fullmatch(path.name)]
    if not found:
        raise UsageError(f"{folder}: no models here; limen train --models 50 --out {folder} makes them")
    return sorted(found, key=lambda path: int(path.stem))


def history_of(path: Path) -> tuple[Epoch, ...]:
    """What the epochs of a finished training came to, from its file.

    Raises:
        WeightsError: If the file cannot be read.
        LimenError: If it does not say.
    """
    try:
        return decode(tuple[Epoch, ...], read_metadata(path)["history"])
    except (KeyError, RunError) as error:
        raise LimenError(f"{path}: does not say how its training went; train it again") from error


def _check(path: Path, task: Task, settings: Settings, train_set: Dataset) -> None:
    """Refuse a model that is there and was trained otherwise."""
    told, wanted = read_metadata(path), metadata_of(task, settings, train_set)
    changed = [
        f"{name} was {told.get(name)}, now {wanted[name]}"
        for name in wanted
        if told.get(name) != wanted[name]
    ]
    if changed:
        raise UsageError(
            f"{path}: the model there was trained otherwise ({'; '.join(changed)}); choose another --out"
        )


Left = tuple[int, Path, Settings]
"""A model that is still to be trained: its number, its file and its settings."""


def _trained(
    task: Task, left: Left, datasets: tuple[Dataset, Dataset], *, device: str, **given: Any
) -> tuple[int, tuple[Epoch, ...]]:
    """Train one model; returns its number, and what its epochs came to."""
    number, path, settings = left
    team = assemble(device, settings.precision)
    return number, train_network(task, path, settings, team=team, datasets=datasets, **given)


def _together(
    task: Task, settings: Settings, left: Sequence[Left], jobs: int, given: Mapping[str, Any]
) -> Iterator[tuple[int, tuple[Epoch, ...]]]:
    """Train the models that are left in several processes; yield each as it is finished."""
    # A forked process could not use the threads of torch, nor a GPU, that this one has used.
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(jobs, context, _start, (task, settings, threads)) as pool:
        waiting = [pool.submit(_train, task, each, given) for each in left]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


_DATASETS: list[tuple[Dataset, Dataset]] = []


def _start(task: Task, settings: Settings, threads: int) -> None:
    """Open the data of a task, once in each process."""
    torch.set_num_threads(threads)
    _DATASETS[:] = [_read_once(task, settings)]


def _read_once(task: Task, settings: Settings) -> tuple[Dataset, Dataset]:
    """The data sets of a task, whose samples all models share."""
    train_set, test_set = task.datasets()
    return held(train_set, fixed=settings.fixed), held(test_set, fixed=True)


def _train(task: Task, left: Left, given: Mapping[str, Any]) -> tuple[int, tuple[Epoch, ...]]:
    return _trained(task, left, _DATASETS[0], **given)
