"""Every attack of the library on one network, whose logits are once, ten and a hundred times as great.

    python benchmarks/scale_of_logits.py --images 16

The network says the same of every image; what changes is how sure it seems. Attacks have their defaults but
for fewer steps, budgets for grey digits, and neither attention nor superpixels.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import inspect
import warnings

from torch import Tensor, nn

from limen.attacks import FACTORIES, Attack
from limen.classifier import Classifier
from limen.errors import LimenWarning
from limen.images import norm

SCALES = (1.0, 10.0, 100.0)
BRIEF = {"steps": 20, "search_steps": 5, "rounds": 4}
GIVEN = {"delta": 50.0, "attention": None, "superpixels": None}
BUDGETS = {
    **dict.fromkeys(("fgsm", "ifgsm", "mifgsm", "pgd_linf", "apgd_linf", "square", "autoattack"), 0.2),
    **dict.fromkeys(("pgap", "fpgap"), 0.05),
    **dict.fromkeys(("ssim_pgd", "perceptual_pgd"), 0.2),
    **dict.fromkeys(("ppgd", "lpa"), 1.0),
    "superpixel_ssim_pgd": 0.4,
}


class Scaled(nn.Module):
    """A network whose logits are multiplied by a factor."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * self.network(images)


def attack_named(name: str) -> Attack:
    known = inspect.signature(FACTORIES[name]).parameters
    given = {key: min(value, known[key].default) for key, value in BRIEF.items() if key in known}
    given |= {key: value for key, value in GIVEN.items() if key in known}
    return FACTORIES[name](**given, **({"eps": BUDGETS[name]} if name in BUDGETS else {}))


def cell(attack: Attack, classifier: Classifier, data: common.Images) -> str:
    """How many images are fooled, at which median distance in L2, and how many no gradient moved."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        outcome = attack(classifier, data.images, data.labels)
    lengths = norm(outcome.images - data.images)[outcome.success]
    found = f"{len(lengths)}/{len(data.images)}" + (
        f", {float(lengths.median()):.2f}" if len(lengths) else ""
    )
    unmoved = int((outcome.stuck | outcome.still).sum())
    return found + (f", {unmoved} unmoved" if unmoved else "")


def main() -> None:
    made = common.parser(__doc__)
    made.add_argument("--images", type=common.positive, default=16)
    made.add_argument("--attacks", nargs="+", choices=FACTORIES, default=list(FACTORIES))
    options = made.parse_args()
    common.settle(options)
    network = common.load_network("mnist_cnn")
    data = common.load_images("mnist_cnn", Classifier(network), options.images)
    rows = []
    for name in options.attacks:
        attack = attack_named(name)
        cells = [cell(attack, Classifier(Scaled(network, factor).eval()), data) for factor in SCALES]
        rows.append([f"`{attack.name}`", *cells])
    print(common.table(["attack", *(f"logits × {factor:g}" for factor in SCALES)], rows))


if __name__ == "__main__":
    main()
