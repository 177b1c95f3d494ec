"""Who does the work of a command: this process, or workers on Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from limen.errors import UsageError
from limen.workers import HERE, Workers


@contextmanager
def workers_of(ray: str | None, count: int, gpus: float, device: str) -> Iterator[Workers]:
    """The workers that `--ray`, `--workers` and `--gpus-per-worker` ask for, while the block runs.

    Raises:
        UsageError: If options do not fit each other, or no such workers can be had.
    """
    if ray is None:
        if count > 1 or gpus:
            raise UsageError("--workers and --gpus-per-worker are of --ray; give --ray local, or an address")
        yield HERE
        return
    if device != "cpu":
        raise UsageError(
            f"with --ray, workers compute on GPUs where --gpus-per-worker says so; leave --device {device}"
        )
    from limen.workers.on_ray import ray_workers

    with ray_workers(ray, count, gpus) as workers:
        yield workers
