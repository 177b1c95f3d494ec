"""What the benchmarks share: the process, the networks and images, paired timing, tables.

Import it before torch: the allocator and the threads are set for the whole process, and so are
equal on all sides of a comparison.
"""

from __future__ import annotations

from limen.cli.machine import prepare

prepare()

import argparse  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import skimage.data  # noqa: E402
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from limen import catalog, data  # noqa: E402
from limen.classifier import Classifier  # noqa: E402
from limen.errors import LimenError  # noqa: E402

# Each network of nets.py, and the images it was trained for: a source, its folder and parameters.
NETWORKS = {
    "mobilenet_v2": ("nips2017", "nips2017", {"size": 224}),
    "efficientnet_lite0": ("nips2017", "nips2017", {"size": 224}),
    "cifar_resnet": ("cifar10", "cifar10", {}),
    "cifar_robust": ("cifar10", "cifar10", {}),
    "mnist_cnn": ("mnist", "mnist", {}),
}
PHOTOGRAPHS = ("astronaut", "cat", "coffee", "rocket")


@dataclass(frozen=True)
class Images:
    """Images that the network classifies correctly, so that no attack starts at its goal."""

    images: Tensor
    labels: Tensor

    def to(self, device: str) -> Images:
        return Images(self.images.to(device), self.labels.to(device))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self.images.split(size), self.labels.split(size), strict=True)


def data_folder() -> Path:
    """The folder of real networks and images that the tests use too."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LIMEN_TEST_DATA", beside))
    if not (folder / "nets.py").is_file():
        sys.exit(f"{folder} holds no nets.py: set LIMEN_TEST_DATA to the folder of real models and images")
    return folder


def load_network(name: str) -> nn.Module:
    """A network on RGB or grey images in [0, 1]; its parameters need no gradient on any side."""
    try:
        module = catalog.model(f"python:{data_folder() / 'nets.py'}:{name}").module
    except LimenError as error:
        sys.exit(f"error: {error}")
    return module.eval().requires_grad_(False)


def load_images(name: str, classifier: Classifier, count: int, **changes: int) -> Images:
    """The first `count` images that the network classifies correctly; `changes` are of the data set."""
    source, folder, parameters = NETWORKS[name]
    dataset = data.SOURCES[source](data_folder() / folder, **{**parameters, **changes})
    images, labels, found = [], [], 0
    for batch in data.batches(dataset, range(len(dataset)), 8, on_skip=lambda *_: None):
        with torch.no_grad():
            correct = classifier(batch.images).argmax(1) == batch.labels
        images.append(batch.images[correct])
        labels.append(batch.labels[correct])
        found += int(correct.sum())
        if found >= count:
            break
    else:
        print(f"{name} classifies only {found} of its images correctly; these are used")
    return Images(torch.cat(images)[:count], torch.cat(labels)[:count])


def kept(path: Path, find: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What was found before and kept in that file; else it is found, and kept there whole or not at all."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **find())
        part.replace(path)
    with np.load(path) as found:
        return dict(found)


def photographs(count: int, side: int) -> Tensor:
    """Photographs of scikit-image, in turns, (count, 3, side, side)."""
    found = []
    for index in range(count):
        photograph = torch.tensor(getattr(skimage.data, PHOTOGRAPHS[index % len(PHOTOGRAPHS)])()[..., :3])
        image = photograph.permute(2, 0, 1)[None] / 255
        found.append(functional.interpolate(image, (side, side), mode="bilinear", antialias=True))
    return torch.cat(found).clamp(0, 1)


def seconds(function: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Its seconds, until a GPU, where one is used, has done all of it."""
    begin = clock()
    function()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return clock() - begin


def peak_memory(arguments: Sequence[str]) -> float:
    """The most memory, in MiB, that a `limen` command with these arguments had at once."""
    command = [sys.executable, "-m", "limen", *arguments]
    # Started by a small process: the peak of one that a large process starts is never below that one's own.
    done = subprocess.run(
        [sys.executable, "-c", _STARTED, *command], check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"limen {' '.join(arguments)} ended with exit code {done.returncode}: {done.stderr[-500:]}")
    return float(done.stdout) / 1024


_STARTED = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def paired_ratio(times: Sequence[float], reference: Sequence[float]) -> str:
    """How many times as long as the reference, pair by pair: the median, and the range.

    The two of a pair are timed one right after the other, so a machine that slows down meanwhile
    slows both down.
    """
    ratios = [a / b for a, b in zip(times, reference, strict=True)]
    return f"{statistics.median(ratios):.3f} [{min(ratios):.3f}, {max(ratios):.3f}]"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table, aligned to be read as it is."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    padded = (
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(f"| {line} |" for line in padded)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that every benchmark takes."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--threads", type=int, default=None, help="torch's threads (default: torch's choice)")
    return made


def positive(text: str) -> int:
    """An argument that must be 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def settle(options: argparse.Namespace) -> str:
    """Set the threads, and describe the machine in a line."""
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    line = (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, torch {torch.__version__} "
        f"with {torch.get_num_threads()} threads, OMP_WAIT_POLICY={os.environ['OMP_WAIT_POLICY']}, "
        f"Python {platform.python_version()}, {platform.system()}"
    )
    print(line, flush=True)
    return line


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
