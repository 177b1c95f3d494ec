"""Kill an attack run with SIGKILL at random moments, resume it, and compare it with an undisturbed one.

    python benchmarks/kill_resume.py -- limen attack --model demo:photos --data demo:photos --attack ddn

The command is given without `--out`. A resumed run cuts its batches as the first one did, so on one
machine the two are equal bit for bit, although a network rounds otherwise in other batches. Exit code 1
if a record (all columns but the seconds) or an image file differs, or a file is left over.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_POLL = 0.002
_EARLY_SHARE = 0.2  # of the kills, those that may hit the start of the process


@dataclass(frozen=True)
class Timing:
    """Seconds of an undisturbed run: until its first records, and until its end."""

    first: float
    total: float


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("command", nargs="+", help="the command to run, after --")
    options = parser.parse_args(arguments)
    seed = random.randrange(2**32) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory() as folder:
        return _compare_runs(options.command, options.kills, random.Random(seed), Path(folder), seed)


def _compare_runs(command: list[str], kills: int, draw: random.Random, folder: Path, seed: int) -> int:
    reference = folder / "undisturbed"
    timing = _time(command, reference)
    print(f"undisturbed: {timing.total:.1f} s, first records after {timing.first:.1f} s; seed {seed}")
    done = rounds = 0
    differences: list[str] = []
    while done < kills:
        rounds += 1
        killed = folder / f"killed-{rounds}"
        while done < kills and _kill_once(command, killed, timing, kills, draw):
            done += 1
            print(f"kill {done:2}: {len(_parts(killed))} of {len(_parts(reference))} batches were written")
        _finish(command, killed)
        differences += _differences(reference, killed)
    for line in differences:
        print(f"DIFFERENT: {line}")
    rows = len(_records(reference))
    verdict = f"{len(differences)} differences" if differences else "all equal"
    print(f"{done} kills in {rounds} run(s), {rows} records, {len(_images(reference))} images: {verdict}")
    return 1 if differences else 0


@contextmanager
def _started(command: list[str], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    with open(f"{out}.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--out", str(out)], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        _kill(process)  # whoever interrupts this script leaves nothing running


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _finish(command: list[str], out: Path) -> None:
    with _started(command, out) as process:
        _check_end(process, out)


def _check_end(process: subprocess.Popen[bytes], out: Path) -> None:
    if process.wait() != 0:
        log = Path(f"{out}.log").read_text(errors="replace")
        sys.exit(f"the command failed with exit code {process.returncode}:\n{log[-4000:]}")


def _time(command: list[str], out: Path) -> Timing:
    begin = time.perf_counter()
    with _started(command, out) as process:
        while process.poll() is None and not _parts(out):
            time.sleep(_POLL)
        first = time.perf_counter() - begin
        _check_end(process, out)
    return Timing(first, time.perf_counter() - begin)


def _kill_once(command: list[str], out: Path, timing: Timing, kills: int, draw: random.Random) -> bool:
    """Whether the process was killed before it ended by itself."""
    before = len(_parts(out))
    with _started(command, out) as process:
        if draw.random() < _EARLY_SHARE:
            pause = draw.uniform(0, timing.first)
        else:
            # Drawn so that the kills spread over about one whole run.
            pause = draw.uniform(0, 1.5 * (timing.total - timing.first) / kills)
            while process.poll() is None and len(_parts(out)) == before:
                time.sleep(_POLL)
        time.sleep(pause)
        _kill(process)
        if process.returncode == -signal.SIGKILL:
            return True
        _check_end(process, out)
        return False


def _parts(run: Path) -> list[Path]:
    return [*(run / "records").glob("*.parquet")]


def _images(run: Path) -> dict[str, Path]:
    # Every file, so that a leftover is a difference too.
    return {str(path.relative_to(run)): path for path in (run / "images").rglob("*") if path.is_file()}


def _differences(expected: Path, found: Path) -> list[str]:
    return [*_record_differences(expected, found), *_image_differences(expected, found)]


def _record_differences(expected: Path, found: Path) -> list[str]:
    try:
        ours, theirs = (_records(run) for run in (expected, found))
    except pa.ArrowInvalid as error:
        return [f"{found.name}: {error}"]
    if ours.keys() != theirs.keys():
        return [f"{found.name}: records of {sorted(ours.keys() ^ theirs.keys())[:3]} are missing or too many"]
    return [
        f"{found.name}: {name} of {key}: {ours[key][name]!r} undisturbed, {theirs[key][name]!r} resumed"
        for key in ours
        for name in ours[key]
        if ours[key][name] != theirs[key][name]
    ]


def _records(run: Path) -> dict[tuple[str, str, int], dict[str, object]]:
    rows = pq.read_table(run / "records").drop_columns(["seconds"]).to_pylist()
    seen: dict[tuple[str, str], int] = {}
    records = {}
    for row in rows:
        key = (row["attack"], row["id"])
        seen[key] = seen.get(key, 0) + 1  # a repeated record gets a key that the other run lacks
        records[(*key, seen[key])] = row
    return records


def _image_differences(expected: Path, found: Path) -> list[str]:
    ours, theirs = _images(expected), _images(found)
    names = sorted(ours.keys() ^ theirs.keys())
    unequal = [
        name for name in ours.keys() & theirs.keys() if ours[name].read_bytes() != theirs[name].read_bytes()
    ]
    return [f"{found.name}: file {name}" for name in [*names, *sorted(unequal)]]


if __name__ == "__main__":
    sys.exit(main())
