from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import nn

from limen import Classifier
from limen.attacks import Outcome
from limen.data import from_arrays
from limen.document import Cell
from limen.errors import UsageError
from limen.identity import Identity, Named
from limen.training import DUALS, Lagrangian, Settings, describe, train
from limen.training.curves import dual_cells

from .networks import digits, linear

SLOPE = np.linspace(-1, 1, 16)


def two_classes() -> Classifier:
    """Logits (m, 0), whose margin m is linear in the image."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor(np.stack([SLOPE, 0 * SLOPE])))
        net[1].bias.zero_()
    return Classifier(net.double())


def grey(count: int = 12):
    draws = np.random.default_rng(0)
    # Far from 0 and 1, so that no maximum leaves the images.
    pixels = draws.integers(115, 141, (count, 4, 4, 1)).astype(np.uint8)
    return from_arrays("grey", pixels, np.zeros(count, int))


def logistic(margin):
    return np.log1p(np.exp(-margin))


def moved(margin: float, weight: float) -> float:
    """How far along the slope the loss less λ times the L2 distance squared is greatest."""
    norm = float(SLOPE @ SLOPE)
    found = minimize_scalar(
        lambda t: weight * t**2 * norm - logistic(margin - t * norm),
        bounds=(0, 1),
        method="bounded",
        options={"xatol": 1e-12},
    )
    return found.x


def squared(a, b):
    return (a - b).square().sum((1, 2, 3))


def exact(classifier, images, labels, *, ids=None, seed=0, lattice=None, targeted=False) -> Outcome:
    """The maximum in closed form, as an attack."""
    margins = images.flatten(1).numpy() @ SLOPE
    lengths = torch.tensor([moved(margin, 4.0) for margin in margins])
    ends = images - lengths[:, None, None, None] * torch.tensor(SLOPE).reshape(1, 1, 4, 4)
    ones = torch.ones_like(labels)
    return Outcome(ends, ones.bool(), labels, *[ones] * 5)


def test_the_dual_of_a_linear_model_is_its_closed_form():
    from limen.metrics import Metric
    from limen.runs import MetricColumn

    metric = Metric(MetricColumn("squared", "squared"), squared)
    data, attack = grey(), Named(Identity("exact", {}), exact)
    made = Lagrangian(attack, metric, weight=4.0, radius=0.05)(two_classes(), data, batch_size=5)
    images = np.stack([data.load(place).image.double().numpy().ravel() for place in range(len(data))])
    margins, norm = images @ SLOPE, float(SLOPE @ SLOPE)
    lengths = np.array([moved(margin, 4.0) for margin in margins])
    surrogate = logistic(margins - lengths * norm) - 4.0 * lengths**2 * norm
    assert made.value == pytest.approx(4.0 * 0.05 + surrogate.mean(), abs=1e-7)
    assert made.clean == pytest.approx(logistic(margins).mean(), abs=1e-7)
    assert made.cost == pytest.approx((lengths**2 * norm).mean(), abs=1e-7)
    assert made.count == 12


def test_a_worse_attack_gives_a_lower_dual_and_none_the_clean_loss():
    data, net = digits(8)[1], linear()
    found = {
        spec: DUALS.make(f"lagrangian:attack={spec},metric=l2,weight=0.5,count=40,radius=0")(net, data)
        for spec in ("pgd_l2:eps=0,,steps=1", "pgd_l2:eps=1,,steps=1", "pgd_l2:eps=1,,steps=10")
    }
    none, weak, strong = found.values()
    assert none.value == pytest.approx(none.clean, abs=1e-6)
    assert none.value < weak.value <= strong.value


def test_every_epoch_keeps_its_dual_and_the_page_shows_it(tmp_path):
    train_set, test_set = digits(32)
    dual = DUALS.make("lagrangian:attack=pgd_l2:eps=1,,steps=2,metric=l2,weight=0.5,count=16")
    file = tmp_path / "kept"
    history = train(linear(), train_set, test_set, Settings(2), dual=dual, checkpoint=file)
    assert all(epoch.dual is not None and epoch.dual.count == 16 for epoch in history)
    assert train(linear(), train_set, test_set, Settings(2), dual=dual, checkpoint=file) == history
    page = describe(history)
    assert [block.title for block in page.blocks] == ["Epochs", "Robust surrogate", "Curves"]
    assert page.blocks[1].groups[0].rows[0][1].value == history[-1].dual.value
    assert page.blocks[2].charts[-1].title == "Dual"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lagrangian", "attack is missing"),
        ("lagrangian:attack=fgsm,weight=-1", "weight is -1"),
        ("lagrangian:attack=fgsm,count=0", "count is 0"),
        ("lagrangian:attack=fgsm,metric=ssimm", "did you mean 'ssim'"),
    ],
)
def test_a_spec_that_cannot_be_followed_is_one_clear_error(spec, message):
    with pytest.raises(UsageError, match=message):
        DUALS.make(spec)


def test_a_step_without_a_dual_leaves_its_cells_empty():
    assert dual_cells(None) == [Cell()] * 3
