"""How near JPEG with a gradient comes to the codec, and which gradient leads an attack through it.

    python benchmarks/jpeg.py --threads 1

The first table has `limen.defenses.differentiable_jpeg`, and kornia's JPEG, beside the codec on photographs
of 3×299×299, which come with scikit-image. In the second, signed steps attack `demo:photos` behind the codec:
what the network sees is always what the codec makes, and only the gradient differs. Images count that the
network has right behind the codec without an attack.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from unittest.mock import patch

import torch
from torch import Tensor, nn

from limen import catalog, data
from limen.attacks import pgd_linf
from limen.classifier import Classifier
from limen.defenses import differentiable_jpeg, jpeg
from limen.errors import LimenWarning
from limen.images import straight_through
from s2_ball import views

EPS, STEPS = 4 / 255, 20
ROUNDING = "limen.defenses.differentiable_jpeg.rounded_softly"

StandIn = Callable[[Tensor, int], Tensor]
GRADIENTS: dict[str, tuple[StandIn, Callable[[], AbstractContextManager]]] = {
    "as if JPEG were the identity": (lambda images, quality: images, nullcontext),
    "straight through": (differentiable_jpeg, lambda: patch(ROUNDING, straight_through)),
    "cubed rounding error": (differentiable_jpeg, nullcontext),
}


class Behind(nn.Module):
    """A network behind the codec, with the gradient of what stands in for it."""

    def __init__(self, network: Callable[[Tensor], Tensor], stand_in: StandIn, quality: int) -> None:
        super().__init__()
        self.network, self.stand_in, self.quality = network, stand_in, quality

    def forward(self, images: Tensor) -> Tensor:
        coded = jpeg(images.detach(), self.quality)
        return self.network(straight_through(self.stand_in(images, self.quality), coded))


def nearness(images: Tensor, quality: int) -> list[str]:
    """The share of equal values, the mean difference in levels, and that of kornia's."""
    from kornia.enhance import jpeg_codec_differentiable

    coded = jpeg(images, quality)
    apart = 255 * (differentiable_jpeg(images, quality) - coded).abs()
    kornias = jpeg_codec_differentiable(images, torch.full((len(images),), float(quality)))
    equal, theirs = (apart < 0.5).double().mean(), 255 * (kornias - coded).abs().mean()
    return [f"{quality}", f"{equal:.1%}", f"{apart.mean():.3f}", f"{theirs:.2f}"]


def fooled(name: str, classifier: Classifier, images: Tensor, labels: Tensor, quality: int) -> str:
    """How many images an attack along a gradient fools, of how many."""
    stand_in, rounding = GRADIENTS[name]
    behind = Classifier(Behind(classifier, stand_in, quality).eval())
    right = behind(images).argmax(1) == labels
    with rounding(), warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        outcome = pgd_linf(EPS, steps=STEPS, random_start=False)(behind, images[right], labels[right])
    return f"{int(outcome.success.sum())} of {int(right.sum())}"


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--images", type=common.positive, default=64, help="images of demo:photos to attack")
    parser.add_argument("--qualities", nargs="+", type=int, default=[75, 50, 25, 10], help="to attack at")
    parser.add_argument("--near", nargs="*", type=int, default=[95, 75, 50, 25, 5], help="to compare at")
    options = parser.parse_args(arguments)
    common.settle(options)
    rows = [nearness(views(4, 299), quality) for quality in options.near]
    print(common.table(["quality", "equal values", "mean difference, levels", "kornia's"], rows))
    classifier, some = catalog.model("demo:photos"), range(options.images)
    (batch,) = data.batches(catalog.data("demo:photos"), some, options.images, print)
    rows = [
        [name, *(fooled(name, classifier, batch.images, batch.labels, each) for each in options.qualities)]
        for name in GRADIENTS
    ]
    print(common.table(["gradient", *(f"quality {each}" for each in options.qualities)], rows))


if __name__ == "__main__":
    main()
