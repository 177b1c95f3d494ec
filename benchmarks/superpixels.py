"""How long it takes to cut an image into superpixels.

    python benchmarks/superpixels.py --threads 1
    python benchmarks/superpixels.py --threads 1 --demo --images 48 --repeats 1 --merges 0 2 4

Photographs of 3×299×299 are cut by every method, without and with merging of like neighbours, each anew:
what `limen.structure.superpixels` keeps is forgotten between runs. Beside it stands scikit-image's `slic`
alone, on images that are in CIELAB already, with the same settings. Times are of one core, in seconds of
the processor, which other programs on the machine stretch little. Exit code 1 if an image takes more than
0.15 s with `slic` without merging. The photographs come with scikit-image; `--demo` takes those of
`demo:photos`.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import importlib
import statistics
import sys
import time
from collections.abc import Callable

from skimage.color import rgb2lab
from torch import Tensor

from limen import catalog, data
from limen.errors import LimenError
from limen.structure import superpixels
from limen.structure.segmentation import SUPERPIXELS, slic
from s2_ball import views

MOST_SECONDS = 0.15
SIZE, COMPACTNESS = 5.0, 20.0


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=4)
    parser.add_argument("--side", type=common.positive, default=299, help="height and width of the images")
    parser.add_argument("--repeats", type=common.positive, default=5)
    parser.add_argument("--demo", action="store_true", help="views of demo:photos, of 96×96")
    parser.add_argument("--merges", nargs="+", type=float, default=[0.0, 4.0], help="of how many ΔE")
    parser.add_argument("--methods", nargs="+", choices=SUPERPIXELS, default=list(SUPERPIXELS))
    options = parser.parse_args(arguments)
    common.settle(options)
    images = demo(options.images) if options.demo else views(options.images, options.side)
    rows, measured = [raw(images, options.repeats)], {}
    for method in options.methods:
        for merge in options.merges:
            try:
                each, counts = cut(images, method, merge, options.repeats)
            except LimenError as error:
                print(f"{method}: {error}")
                break
            measured[method, merge] = statistics.median(each)
            rows.append([method, f"{merge:g}", *figures(each), counts])
    print(common.table(["method", "merge", "s an image", "least", "most", "superpixels"], rows))
    return int(measured.get(("slic", 0.0), 0.0) > MOST_SECONDS)


def raw(images: Tensor, repeats: int) -> list[object]:
    """The row of scikit-image's `slic` alone."""
    lab = [rgb2lab(image) for image in images.double().permute(0, 2, 3, 1).numpy()]
    each = timed(lambda: [slic(image, SIZE, COMPACTNESS) for image in lab], len(images), repeats)
    return ["scikit-image", "0", *figures(each), ""]


def demo(count: int) -> Tensor:
    """Views of photographs, as Limen ships them."""
    (batch,) = data.batches(catalog.data("demo:photos"), range(count), count, print)
    return batch.images


def cut(images: Tensor, method: str, merge: float, repeats: int) -> tuple[list[float], str]:
    """Seconds an image in each run, and how many superpixels there are: the mean, the least and the most."""

    def run() -> None:
        forget()
        superpixels(images, method, SIZE, merge, COMPACTNESS)

    each = timed(run, len(images), repeats)
    counts = superpixels(images, method, SIZE, merge, COMPACTNESS).counts
    return each, f"{counts.double().mean():.0f} ({int(counts.min())} to {int(counts.max())})"


def forget() -> None:
    """Drop what is kept of earlier images."""
    kept = importlib.import_module("limen.structure.superpixels")._kept
    kept.labels.clear()
    kept.bytes = 0


def timed(function: Callable[[], object], images: int, repeats: int) -> list[float]:
    """Processor seconds an image of each run, after one that warms up."""
    function()
    each = []
    for _ in range(repeats):
        begin = time.process_time()
        function()
        each.append((time.process_time() - begin) / images)
    return each


def figures(each: list[float]) -> list[str]:
    return [f"{value:.3f}" for value in (statistics.median(each), min(each), max(each))]


if __name__ == "__main__":
    sys.exit(main())
