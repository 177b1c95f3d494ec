"""Perceptual attacks beside the programs of their papers.

    python benchmarks/perceptual.py colours --images 8 --steps 200
    python benchmarks/perceptual.py features --images 64 --steps 40

`colours` runs PerC-AL of Limen and of adv-lib on the same photographs, `features` PPGD and LPA of Limen and,
as ported for the tests, of perceptual-advex on a small network of random weights.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limen import attacks, catalog, metrics
from limen.attacks.features import FeatureDistance
from limen.attacks.part import Problem
from limen.classifier import Classifier

BOUNDS = (0.5, 0.25, 0.1)


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("what", choices=("colours", "features"))
    parser.add_argument("--network", choices=common.NETWORKS, default="mobilenet_v2")
    parser.add_argument("--images", type=common.positive, default=8)
    parser.add_argument("--steps", type=common.positive, default=40)
    parser.add_argument("--batch", type=common.positive, default=8)
    options = parser.parse_args(arguments)
    common.settle(options)
    header, rows = {"colours": colours, "features": features}[options.what](options)
    print(common.table(header, list(rows)))
    return 0


def colours(options: Any) -> tuple[list[str], Iterator[list[str]]]:
    classifier, data = loaded(options)
    ours = attacks.perc_al(steps=options.steps)
    theirs = catalog.attack(f"advlib:perc_al,max_iterations={options.steps}")
    programs = {
        "Limen": lambda images, labels: ours(classifier, images, labels).images,
        "adv-lib": lambda images, labels: theirs(classifier, images, labels, lattice=None).images,
    }

    def rows() -> Iterator[list[str]]:
        for name, program in programs.items():
            images = torch.cat([program(*part) for part in data.batches(options.batch)])
            with torch.no_grad():
                hit = classifier(images).argmax(1) != data.labels
            found = metrics.ciede2000_map(data.images[hit], images[hit]).flatten(1)
            yield [name, f"{int(hit.sum())}/{len(hit)}", middle(found.mean(1)), middle(found.norm(dim=1))]

    return ["program", "fooled", "mean CIEDE2000: median, mean", "L2 of the map: median, mean"], rows()


def features(options: Any) -> tuple[list[str], Iterator[list[str]]]:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    published = importlib.import_module("tests.attacks.published_ppgd")
    network, problem = importlib.import_module("tests.attacks.test_neural").small(options.images)
    call = (problem.classifier, problem.images, problem.labels)
    unseeded = Problem(originals=problem.images, labels=problem.labels, seeds=problem.labels)
    distance = FeatureDistance(network.features).bind(unseeded)
    noise = 0.01 * torch.randn(problem.images.shape, generator=torch.Generator().manual_seed(0))

    def share(images: Tensor, bound: float) -> str:
        inside = distance(images) <= bound * (1 + 1e-4)
        return f"{100 * float((problem.fooled(images) & inside).float().mean()):.0f}"

    def rows() -> Iterator[list[str]]:
        for bound in BOUNDS:
            row = [f"{bound}"]
            for name in ("ppgd", "lpa"):
                theirs = getattr(published, name)(
                    network, network.features, *call[1:], noise, bound, options.steps
                )
                ours = getattr(attacks, name)(eps=bound, steps=options.steps, network=network.features)
                found = [ours(*call, lattice=lattice).images for lattice in (None, 255)]
                row += [share(images, bound) for images in (theirs, *found)]
            yield row

    columns = [f"{name} {which}" for name in ("PPGD", "LPA") for which in ("published", "Limen", "8-bit")]
    return ["bound", *columns], rows()


def loaded(options: Any) -> tuple[Classifier, common.Images]:
    classifier = Classifier(common.load_network(options.network))
    return classifier, common.load_images(options.network, classifier, options.images)


def middle(values: Tensor) -> str:
    """The median and the mean."""
    return f"{values.median():.3g}, {values.mean():.3g}" if len(values) else ""


if __name__ == "__main__":
    sys.exit(main())
