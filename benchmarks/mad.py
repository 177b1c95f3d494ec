"""How long MAD takes, what it says of graded distortions, and how its ranks agree with other metrics'.

    python benchmarks/mad.py --threads 1

Times `limen.metrics.mad` on photographs of 3×224×224 and 3×299×299, one and 32 at once. Then noise, blur
and JPEG compression from faint to strong: MAD, its two stages, the difference between float32 and float64,
and over all of them Spearman's rank correlation with other metrics. Exit code 1 if one image of 3×299×299
takes more than 0.5 s. The photographs come with scikit-image.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import io
import statistics
import sys

import numpy as np
import torch
from PIL import Image
from scipy import ndimage, stats
from torch import Tensor

from limen.images import from_uint8, grey, quantize, to_uint8
from limen.metrics import METRICS, mad
from limen.metrics.appearance import appearance_distortion
from limen.metrics.visibility import detected_distortion
from s2_ball import views

MOST_SECONDS = 0.5
OTHERS = ("l2", "psnr", "wpsnr", "ssim", "ciede2000")


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--repeats", type=common.positive, default=10, help="runs of one image")
    parser.add_argument("--images", type=common.positive, default=8, help="photographs to distort")
    options = parser.parse_args(arguments)
    common.settle(options)
    times = [[side, *cells(side, options.repeats)] for side in (224, 299)]
    header = ["side", "one image, s", "32 images, s an image"]
    print(common.table(header, [[row[0], *(f"{cell:.3g}" for cell in row[1:])] for row in times]))
    originals = views(options.images, 299)
    distorted = [
        (name, level, distort(originals, level))
        for name, (distort, levels) in GRADED.items()
        for level in levels
    ]
    header = ["distortion", "level", "MAD", "d_detect", "d_appear", "float32 − float64, at most"]
    print(common.table(header, [graded(originals, *each) for each in distorted]))
    print(common.table(["metric", "rank correlation with MAD"], agreement(originals, distorted)))
    return 0 if times[1][1] <= MOST_SECONDS else 1


def noisy(images: Tensor, deviation: float) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return quantize((images + deviation / 255 * noise).clamp(0, 1))


def blurred(images: Tensor, deviation: float) -> Tensor:
    return quantize(torch.from_numpy(ndimage.gaussian_filter(images.numpy(), (0, 0, deviation, deviation))))


def compressed(images: Tensor, quality: int) -> Tensor:
    decoded = []
    for pixels in to_uint8(images):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file)))
    return from_uint8(np.stack(decoded))


GRADED = {
    "noise, standard deviation of 255": (noisy, (2, 4, 8, 16, 32)),
    "blur, standard deviation in pixels": (blurred, (0.5, 1, 2, 4)),
    "JPEG, quality": (compressed, (90, 60, 30, 10)),
}


def cells(side: int, repeats: int) -> tuple[float, float]:
    """Seconds for one image, and seconds an image for 32."""
    a = views(32, side)
    b = noisy(a, 8)
    mad(a[:1], b[:1])
    one = statistics.median(common.seconds(lambda: mad(a[:1], b[:1])) for _ in range(repeats))
    return one, common.seconds(lambda: mad(a, b)) / len(a)


def graded(originals: Tensor, name: str, level: float, distorted: Tensor) -> list[str]:
    """The row of one level: means over the images."""
    values, exact = mad(originals, distorted), mad(originals.double(), distorted.double())
    pair = 255 * grey(originals), 255 * grey(distorted)
    means = (
        float(each.mean()) for each in (values, detected_distortion(*pair), appearance_distortion(*pair))
    )
    return [name, f"{level:g}", *(f"{mean:.3g}" for mean in means), f"{(values - exact).abs().max():.0e}"]


def agreement(originals: Tensor, distorted: list[tuple[str, float, Tensor]]) -> list[list[str]]:
    """Spearman's rank correlation over all images and levels."""
    values = {
        name: torch.cat([METRICS[name](originals, each) for _, _, each in distorted])
        for name in ("mad", *OTHERS)
    }
    return [[name, f"{stats.spearmanr(values['mad'], values[name]).statistic:.2f}"] for name in OTHERS]


if __name__ == "__main__":
    sys.exit(main())
