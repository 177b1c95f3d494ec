"""How well the saliency models that need no weights foretell where people look.

    python benchmarks/saliency.py

The photographs are 60 of OSIE (Xu et al. 2014), 800×600, with fixations of 15 people. NSS is the mean
z-score of a density at the fixations, AUC the area under the curve between fixations and all other pixels. An
interval is a bootstrap over the photographs, 95 %. Beside the models stand the centre prior alone, and
people: the fixations of 14, blurred by a Gaussian of a degree, foretell those of the 15th. The second table
is about the foregrounds that are made of the densities. Exit code 1 if the default model's NSS is below 1.4.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from limen.images import read_image
from limen.structure.foregrounds import half_way
from limen.structure.saliency import as_density, center_surround, centre_prior, spectral_residual
from limen.structure.saliency.fixations import auc_judd, nss

LEAST_NSS = 1.4
DEGREE = 24  # pixels of OSIE's photographs
HEIGHT, WIDTH = 600, 800
DEFAULT = "spectral residual, with prior"
MODELS: dict[str, Callable[[Tensor], Tensor]] = {
    DEFAULT: spectral_residual,
    "spectral residual": partial(spectral_residual, prior=None),
    "spectral residual, unsquared, with prior": partial(spectral_residual, squared=False),
    "centre and surround, with prior": center_surround,
    "centre and surround": partial(center_surround, prior=None),
    "centre prior alone": lambda images: as_density(centre_prior(HEIGHT, WIDTH).expand(len(images), -1, -1)),
}


@dataclass(frozen=True)
class Record:
    """Photographs and fixations: for each, the photograph, row and column, and who looked."""

    images: Tensor
    fixations: Tensor
    subjects: Tensor


def record(count: int) -> Record:
    folder = common.data_folder() / "saliency" / "osie"
    file = np.load(folder / "fixations.npz")
    kept = file["image"] < count
    # Pixels are counted from 1.
    places = [file["image"], file["y"].round() - 1, file["x"].round() - 1]
    points = torch.from_numpy(np.stack(places, 1).astype(np.int64)[kept])
    points = torch.minimum(points.clamp_min(0), torch.tensor([count, HEIGHT - 1, WIDTH - 1]))
    images = torch.stack([read_image(folder / str(name)) for name in file["names"][:count]])
    return Record(images, points, torch.from_numpy(file["subject"].astype(np.int64)[kept]))


def interval(values: Tensor, repeats: int = 10_000) -> str:
    """The mean over the photographs, and its 95 % bootstrap interval."""
    known = values[~values.isnan()].double()
    drawn = torch.randint(len(known), (repeats, len(known)), generator=torch.Generator().manual_seed(0))
    low, high = known[drawn].mean(1).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
    return f"{known.mean():.3f} [{low:.3f}, {high:.3f}]"


def people(shown: Record) -> tuple[Tensor, Tensor]:
    """NSS and AUC of 14 people for the 15th, meant over who is left out; (N,) each."""
    each = []
    for left_out in shown.subjects.unique():
        others = shown.fixations[shown.subjects != left_out]
        counts = torch.zeros(len(shown.images), HEIGHT, WIDTH)
        counts.index_put_(tuple(others.unbind(1)), torch.ones(len(others)), accumulate=True)
        blurred = gaussian_filter(counts.numpy(), (0, DEGREE, DEGREE), mode="constant", truncate=3)
        density, points = torch.from_numpy(blurred), shown.fixations[shown.subjects == left_out]
        each.append(torch.stack([nss(density, points), auc_judd(density, points)]))
    both = torch.stack(each).nanmean(0)
    return both[0], both[1]


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=60)
    options = parser.parse_args(arguments)
    common.settle(options)
    shown = record(options.images)
    rows, foregrounds, default = [], [], 0.0
    for name, model in MODELS.items():
        density = torch.cat([model(batch) for batch in shown.images.split(10)])
        scores = nss(density, shown.fixations)
        default = float(scores.mean()) if name == DEFAULT else default
        rows.append([name, interval(scores), interval(auc_judd(density, shown.fixations))])
        foregrounds += [[name, kind, *held(density, kind == "log", shown)] for kind in ("log", "plain")]
    rows.append(["14 people for the 15th", *map(interval, people(shown))])
    print(common.table(["model", "NSS", "AUC"], rows))
    print()
    print(
        common.table(["model", "density", "of the image", "deviation", "score", "of fixations"], foregrounds)
    )
    return int(default < LEAST_NSS)


def held(density: Tensor, logarithm: bool, shown: Record) -> list[str]:
    """Of the foregrounds: share of the image, its deviation over photographs, score, share of fixations."""
    masks = half_way(density, logarithm)[:, 0]
    share, score = masks.double().mean((1, 2)), (density * masks).sum((1, 2))
    image, row, column = shown.fixations.unbind(1)
    fixated = masks[image, row, column].double().mean()
    return [f"{share.mean():.3f}", f"{share.std():.3f}", f"{score.mean():.3f}", f"{fixated:.3f}"]


if __name__ == "__main__":
    sys.exit(main())
