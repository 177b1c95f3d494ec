"""Workers on Ray: processes of this machine, or of all machines of a cluster."""

from __future__ import annotations

import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from limen.errors import LimenError, LimenWarning, RunError, UsageError, reason
from limen.user_code import loaded_modules

if TYPE_CHECKING:
    from limen.workers import Found, Job, Left, S

LOCAL = "local"
"""The address that stands for workers of this machine, begun and ended with the run."""

_TRIES = 3  # of a job that workers are lost over, before it is taken to be what kills them
_NONE: Any = object()


@contextmanager
def ray_workers(address: str, count: int, gpus: float = 0.0) -> Iterator[RayWorkers]:
    """Workers on Ray, as long as the block runs.

    Each has one core of a CPU, and what it is given of a GPU. A worker that is lost is replaced, and its jobs
    are done again.

    Args:
        address: `local` for this machine alone; or a cluster's: `auto` for the one that this machine belongs
            to, or `HOST:PORT` where it belongs to several.
        count: How many.
        gpus: Of how many GPUs each has the use, such as 1 or 0.5; with 0 they compute on the CPU.

    Raises:
        UsageError: If Ray is not installed, no cluster answers, or it has too little for so many workers.

    Example:
        >>> with ray_workers("local", 0):
        ...     pass
        Traceback (most recent call last):
        limen.errors.UsageError: there must be at least 1 worker, not 0
    """
    if count < 1:
        raise UsageError(f"there must be at least 1 worker, not {count}")
    ray = _ray()
    _connect(ray, address, count)
    try:
        _check_room(ray, address, count, gpus)
        workers = RayWorkers(ray, count, gpus)
        try:
            yield workers
        finally:
            workers.close()
    finally:
        ray.shutdown()


class RayWorkers:
    """Actors of Ray, each with the state of the jobs that it does; made by `ray_workers`.

    Attributes:
        count: How many jobs are done at once.
        device: Where they compute.
    """

    def __init__(self, ray: Any, count: int, gpus: float) -> None:
        self.count, self.device = count, "cuda" if gpus else "cpu"
        self._ray, self._made = ray, ray.remote(num_cpus=1, num_gpus=gpus)(_Worker)
        self._lost = (
            ray.exceptions.RayActorError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.ObjectLostError,
        )
        self._idle = [self._made.remote(self.device) for _ in range(count)]
        self._busy: dict[Any, _Doing] = {}

    def run(
        self,
        work: Callable[[S, Left], Iterator[Found]],
        state: S,
        jobs: Iterable[Job],
        left: Callable[[Job], Left],
    ) -> Iterator[Found]:
        """Have every job done, as `Workers` says.

        Raises:
            LimenError: What a job raises.
            RunError: If worker after worker is lost over the same job.
        """
        kept = self._ray.put(_packed(work, state))
        source, again = iter(jobs), deque[tuple[Any, int]]()
        ahead = next(source, _NONE)
        try:
            while True:
                while self._idle and (again or ahead is not _NONE):
                    job, tries = again.popleft() if again else (ahead, 0)
                    self._deal(kept, job, left(job), tries)
                    if not tries:  # read while the workers work
                        ahead = next(source, _NONE)
                if not self._busy:
                    return
                ready, _ = self._ray.wait(list(self._busy), num_returns=1)
                doing = self._busy[ready[0]]
                try:
                    found = self._ray.get(next(ready[0]))
                except StopIteration:
                    self._idle.append(self._busy.pop(ready[0]).worker)
                except self._lost as error:
                    again.append(self._replaced(ready[0], doing, error))
                else:
                    yield from _told(found)
        finally:
            self._abandon()

    def close(self) -> None:
        """End the workers, whatever they do."""
        for worker in [*self._idle, *(doing.worker for doing in self._busy.values())]:
            self._ray.kill(worker)
        self._idle, self._busy = [], {}

    def _abandon(self) -> None:
        """Exchange workers that still work, as where a job failed: what they find is not for the next run."""
        while self._busy:
            _, doing = self._busy.popitem()
            self._ray.kill(doing.worker)
            self._idle.append(self._made.remote(self.device))

    def _deal(self, kept: Any, job: Any, left: Any, tries: int) -> None:
        worker = self._idle.pop()
        # In a list it is not fetched before a worker asks for it, which each does once.
        found = worker.do.options(num_returns="streaming").remote(kept.hex(), [kept], _packed(left))
        self._busy[found] = _Doing(worker, job, tries + 1)

    def _replaced(self, found: Any, doing: _Doing, error: Exception) -> tuple[Any, int]:
        """Begin another worker for one that was lost; the job that it did, and how often that was tried."""
        del self._busy[found]
        self._ray.kill(doing.worker)
        self._idle.append(self._made.remote(self.device))
        if doing.tries == _TRIES:
            raise RunError(
                f"{_TRIES} workers were lost over the same job ({reason(error)[:200]}); they may need more "
                "memory: give a smaller --batch-size or fewer --workers. What was finished is kept: the same "
                "command resumes there"
            ) from error
        warnings.warn("a worker was lost; another does its images again", LimenWarning, stacklevel=2)
        return doing.job, doing.tries


@dataclass(frozen=True)
class _Doing:
    """A worker, the job that it does, and how often that has been tried."""

    worker: Any
    job: Any
    tries: int


class _Worker:
    """What lives in each of Ray's processes."""

    def __init__(self, device: str) -> None:
        self._device, self._name = device, ""
        self._known: tuple[Any, ...] = ()

    def do(self, name: str, kept: list[Any], job: bytes) -> Iterator[Any]:
        """Do a job: what it finds, then what it warned of; or what it raised, if a user can mend that."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", LimenWarning)
            try:
                if name != self._name:  # the first job of its kind
                    work, state = _unpacked(_ray().get(kept[0]))
                    self._name, self._known = name, (work, state.to(self._device))
                    if self._device == "cpu" and "torch" in sys.modules:
                        sys.modules["torch"].set_num_threads(1)  # its one core
                work, state = self._known
                for found in work(state, *_unpacked(job)):
                    yield _Piece(found)
            except LimenError as error:
                yield _Raised(error)
        yield from (_Said(str(each.message)) for each in said if issubclass(each.category, LimenWarning))


@dataclass(frozen=True)
class _Piece:
    found: Any


@dataclass(frozen=True)
class _Said:
    warning: str


@dataclass(frozen=True)
class _Raised:
    error: LimenError


def _told(sent: _Piece | _Said | _Raised) -> Iterator[Any]:
    """What a worker sent, as if it had happened here."""
    if isinstance(sent, _Raised):
        raise sent.error
    if isinstance(sent, _Said):
        warnings.warn(sent.warning, LimenWarning, stacklevel=3)
    else:
        yield sent.found


def _packed(*what: Any) -> bytes:
    """What a worker needs, with the user's own code in it, which no other process can import."""
    from ray import cloudpickle

    modules = loaded_modules()
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(what)  # pyright: ignore[reportPrivateImportUsage]
    except Exception as error:  # of a dozen kinds, as anything may be in a model
        raise UsageError(
            f"the model or an attack cannot be sent to other processes: {reason(error)}"
        ) from error
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _unpacked(packed: bytes) -> tuple[Any, ...]:
    from ray import cloudpickle

    return cloudpickle.loads(packed)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    # A process without a GPU is not to hide those that torch finds.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError("workers need Ray; pip install 'limen[ray]'") from None
    return ray


def _connect(ray: Any, address: str, count: int) -> None:
    how = {"logging_level": "error", "log_to_driver": False}
    if address == LOCAL:
        how |= {"num_cpus": count, "include_dashboard": False}
    try:
        ray.init(address, **how)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address} ({reason(error)[:200]}); start one by `ray start --head`, "
            f"or give --ray {LOCAL} for this machine alone"
        ) from error


def _check_room(ray: Any, address: str, count: int, gpus: float) -> None:
    """Refuse what would wait for ever.

    Raises:
        UsageError: If the cluster has fewer cores or GPUs than the workers take.
    """
    there = ray.cluster_resources()
    for what, needed in (("CPU", count), ("GPU", count * gpus)):
        if there.get(what, 0) < needed:
            raise UsageError(
                f"{count} workers take {needed:g} {what}s, and Ray at {address} has {there.get(what, 0):g}; "
                "give fewer --workers" + (", or another --gpus-per-worker" if what == "GPU" else "")
            )
