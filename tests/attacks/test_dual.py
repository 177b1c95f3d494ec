from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from limen import Classifier, catalog
from limen.attacks import dual_ddn, dual_perturbation, pgd_l2
from limen.attacks.composition import Composition
from limen.attacks.constraint import L2Ball, Regions
from limen.attacks.direction import UnitChange
from limen.attacks.factory import Attack
from limen.attacks.mask import Found
from limen.attacks.objective import CrossEntropy, ForegroundScore, Sum
from limen.attacks.perturbation import Additive, GraphSmooth, Template
from limen.attacks.search import InTurn
from limen.attacks.update import PerRegion, Scale
from limen.errors import LimenWarning, UsageError
from limen.images import norm
from limen.metrics import ssim
from limen.operators import Smoothing
from limen.structure import density_of, masks_of

from .networks import SIZE, conv_net, generator, photos, smooth_mlp, task
from .states import problem_of, state_of


def middle(images: Tensor) -> Tensor:
    mask = torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.bool)
    mask[..., 3:9, 3:9] = True
    return mask


def changes(images: Tensor, originals: Tensor, order: float = 2) -> tuple[Tensor, Tensor]:
    mask = middle(images)
    return norm((images - originals) * mask, order), norm((images - originals) * ~mask, order)


def sure(module: nn.Module) -> nn.Module:
    """The network, so sure of its first class that nothing changes its mind."""
    bias = torch.tensor([200.0, 0.0, 0.0])
    return nn.Sequential(module, _Add(bias))


class _Add(nn.Module):
    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.bias = nn.Buffer(bias)

    def forward(self, logits: Tensor) -> Tensor:
        return logits + self.bias


def paper(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    eps: tuple[float, float],
    steps: int,
    weight: float,
) -> Tensor:
    """The paper's loop, written out: K steps of L + λ·S, projected in each region, then clipped."""
    mask = middle(images)
    regions = ((mask, eps[0]), (~mask, eps[1]))
    delta = torch.zeros_like(images)
    for _ in range(steps):
        x = (images + delta).detach().requires_grad_()
        loss = nn.functional.cross_entropy(classifier(x), labels, reduction="none")
        score = (density_of("spectral_residual", x) * mask[:, 0]).flatten(1).sum(1)
        (gradient,) = torch.autograd.grad((loss + weight * score).sum(), x)
        moved = torch.zeros_like(delta)
        for region, budget in regions:
            part = gradient * region
            part = delta * region + 2.5 * budget / steps * part / norm(part).reshape(-1, 1, 1, 1)
            moved += part * (budget / norm(part).reshape(-1, 1, 1, 1)).clamp_max(1)
        delta = (images + moved).clamp(0, 1) - images
    return images + delta


def test_its_iterates_are_those_of_the_paper():
    problem = task(smooth_mlp(dtype=torch.float64), photos(4))

    def cross_entropy(images, logits, labels):
        return nn.functional.cross_entropy(logits, labels, reduction="none")

    attack = dual_perturbation(
        0.3, 1.0, steps=5, salience=2.0, mask=middle, random_start=False, loss=cross_entropy
    )
    ours = attack.perturb(problem.classifier, problem.images, problem.labels)
    theirs = paper(problem.classifier, problem.images, problem.labels, (0.3, 1.0), 5, 2.0)
    assert (theirs != problem.images).flatten(1).any(1).all()
    assert torch.allclose(ours, theirs, atol=1e-12)


def test_on_a_linear_model_it_gains_what_both_budgets_allow():
    weights = torch.randn(3 * SIZE**2, generator=generator(7), dtype=torch.float64)
    module = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2)).double()
    with torch.no_grad():
        module[1].weight.copy_(torch.stack([-weights / 2, weights / 2]))
        module[1].bias.zero_()
    images = photos(4, low=120, high=136).double()
    labels = torch.zeros(4, dtype=torch.int64)
    for name, order, front, back in (("l2", 2, 0.3, 0.6), ("linf", 1, 0.02, 0.1)):
        attack = dual_perturbation(front, back, norm=name, steps=30, salience=0.0, mask=middle)
        moved = attack.perturb(Classifier(module), images, labels) - images
        gained = moved.flatten(1) @ weights
        planes, mask = weights.reshape(1, 3, SIZE, SIZE), middle(images)[:1]
        most = front * (planes * mask).norm(p=order) + back * (planes * ~mask).norm(p=order)
        assert torch.allclose(gained, most.expand(4), rtol=0.02)


@pytest.mark.parametrize("norm_name", ["l2", "linf"])
def test_each_sample_has_budgets_of_its_own_that_hold_on_the_file(norm_name):
    problem = task(conv_net(), photos(6))
    share = torch.tensor([1.0, 0.5, 0.25, 1.0, 0.5, 0.25])
    front, back = (0.2 * share, 2.0 * share) if norm_name == "l2" else (0.02 * share, 0.2 * share)
    attack = dual_perturbation(front, back, norm=norm_name, steps=10, salience=1.0, mask=middle)
    stored = attack.perturb(problem.classifier, problem.images, problem.labels, lattice=255)
    assert torch.equal(stored, stored.mul(255).round().div(255))
    order = 2 if norm_name == "l2" else torch.inf
    small, large = changes(stored.double(), problem.images.mul(255).round().double().div(255), order)
    assert (small <= front + 1e-6).all()
    assert (large <= back + 1e-6).all()
    assert (large > 5 * small).all()


def test_a_greater_weight_of_salience_keeps_more_of_the_gaze_on_the_foreground():
    problem = task(smooth_mlp(), photos(6))
    mask = middle(problem.images)

    def score(images: Tensor) -> Tensor:
        return (density_of("spectral_residual", images) * mask[:, 0]).flatten(1).sum(1)

    found = []
    for weight in (0.0, 10.0, 1000.0):
        attack = dual_perturbation(0.2, 4.0, steps=20, salience=weight, mask=middle)
        found.append(score(attack.perturb(problem.classifier, problem.images, problem.labels)).mean())
    assert found[0] < found[1] < found[2]


def test_the_score_is_the_density_on_the_foreground_and_its_gradient_autograds():
    problem = problem_of(photos(3).double(), None)
    mask = middle(problem.originals)
    objective = ForegroundScore(uniform_fall, torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    values = objective.bind(replace(problem, foreground=mask))(state_of(problem))
    falling = torch.linspace(1, 0, SIZE, dtype=torch.float64)
    expected = falling[3:9].sum() * 6 / (falling.sum() * SIZE)
    assert torch.allclose(values, expected * torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    both = Sum((CrossEntropy(), objective)).bind(replace(problem, foreground=mask))
    state = state_of(problem, logits=torch.tensor([[1.0, 3.0]] * 3, dtype=torch.float64))
    assert torch.allclose(both(state), 2.0 + values)


def uniform_fall(images: Tensor) -> Tensor:
    """A density that falls from left to right."""
    fall = torch.linspace(1, 0, images.shape[3], dtype=images.dtype).expand(len(images), *images.shape[2:])
    return fall / fall.flatten(1).sum(1)[:, None, None]


def test_where_the_model_is_sure_the_loss_still_moves_the_image():
    # The cross-entropy's own gradient is 0 there, so that salience alone would be climbed.
    problem = task(sure(smooth_mlp()), photos(3))
    plain, scored = (
        dual_perturbation(0.2, 1.0, steps=3, salience=weight, mask=middle, random_start=False).perturb(
            problem.classifier, problem.images, problem.labels
        )
        for weight in (0.0, 0.01)
    )
    assert (plain != problem.images).any()
    cosine = nn.functional.cosine_similarity(
        (plain - problem.images).flatten(1), (scored - problem.images).flatten(1)
    )
    assert (cosine > 0.9).all()


def test_masks_of_the_data_reach_the_attack():
    problem = task(smooth_mlp(), photos(4))
    masks = middle(problem.images)
    attack = dual_perturbation(0.0, 1.0, steps=4, salience=0.0, mask="data")
    moved = attack.perturb(problem.classifier, problem.images, problem.labels, masks=masks)
    assert torch.equal(moved[masks.expand_as(moved)], problem.images[masks.expand_as(moved)])
    assert (moved != problem.images).any()
    with pytest.raises(UsageError, match="mask"):
        attack(problem.classifier, problem.images, problem.labels)
    with pytest.raises(UsageError, match=r"masks must be bool \(4, 1, 12, 12\)"):
        attack(problem.classifier, problem.images, problem.labels, masks=masks[:2])


def test_other_attacks_do_not_heed_the_masks_of_the_data():
    problem = task(smooth_mlp(), photos(4))
    masks = middle(problem.images)
    for attack in (pgd_l2(eps=0.5, steps=3), dual_perturbation(0.1, 0.5, steps=3, salience=0.0, mask=middle)):
        without = attack(problem.classifier, problem.images, problem.labels)
        given = attack(problem.classifier, problem.images, problem.labels, masks=~masks)
        assert torch.equal(without.images, given.images)


def nothing(images: Tensor) -> Tensor:
    return torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.bool)


def everything(images: Tensor) -> Tensor:
    return ~nothing(images)


@pytest.mark.parametrize(("mask", "eps"), [(nothing, 0.7), (everything, 0.3)])
def test_an_image_of_one_region_is_said_to_be_and_is_attacked_within_that_budget(mask, eps):
    problem = task(smooth_mlp(), photos(3))
    attack = dual_perturbation(0.3, 0.7, steps=6, salience=0.0, mask=mask, random_start=False)
    moved = attack.perturb(problem.classifier, problem.images, problem.labels)
    plain = pgd_l2(eps=eps, steps=6).perturb(problem.classifier, problem.images, problem.labels)
    assert torch.allclose(moved, plain, atol=1e-6)
    with pytest.warns(LimenWarning, match="On 3 of 3 images the mask says nothing"):
        outcome = attack(problem.classifier, problem.images, problem.labels)
    assert outcome.unmasked.all()


def test_dual_ddn_finds_the_least_background_of_a_linear_model():
    weights = torch.randn(3 * SIZE**2, generator=generator(8), dtype=torch.float64)
    module = nn.Sequential(nn.Flatten(), nn.Linear(len(weights), 2)).double()
    images = photos(4, low=120, high=136).double()
    planes, mask = weights.reshape(1, 3, SIZE, SIZE), middle(images)[:1]
    gap = 0.3 * (planes * mask).norm() + 0.5 * (planes * ~mask).norm()
    shift = (images.flatten(1) @ weights).amax() + gap
    with torch.no_grad():
        module[1].weight.copy_(torch.stack([-weights / 2, weights / 2]))
        module[1].bias.copy_(torch.stack([shift / 2, -shift / 2]).flatten())
    labels = torch.zeros(4, dtype=torch.int64)
    least = (shift - images.flatten(1) @ weights - 0.3 * (planes * mask).norm()) / (planes * ~mask).norm()
    outcome = dual_ddn(eps_foreground=0.3, steps=100, mask=middle)(Classifier(module), images, labels)
    assert outcome.success.all()
    front, back = changes(outcome.images, images)
    assert (front <= 0.3 + 1e-9).all()
    assert (back <= 1.05 * least).all()
    assert (back >= least * (1 - 0.02)).all()


def test_superpixels_end_at_the_border_of_the_foreground():
    images = photos(2)
    problem = problem_of(images)
    plain = Template(size=4.0).bind(problem)
    cut = Template(size=4.0).bind(replace(problem, foreground=middle(images)))
    mask = middle(images)
    for row in range(2):
        inside = set(cut.labels[row, 0][mask[row, 0]].tolist())
        outside = set(cut.labels[row, 0][~mask[row, 0]].tolist())
        assert not inside & outside
        assert inside | outside == set(range(len(inside | outside)))
        assert len(inside | outside) > len(set(plain.labels[row].flatten().tolist()))
        of_region = cut.of_region(mask)[row, 0, :, 0]
        assert {index for index, flag in enumerate(of_region.tolist()) if flag} == inside


@pytest.mark.parametrize("name", ["superpixels", "ssim"])
def test_it_composes_with_other_geometries(name):
    problem = task(smooth_mlp(), photos(4, low=100, high=156))
    if name == "ssim":
        attack = dual_perturbation(0.02, 0.8, norm="ssim", steps=20, salience=0.0, mask=middle)
    else:
        attack = dual_perturbation(
            0.2, 1.5, steps=20, salience=0.0, mask=middle, superpixels="slic", size=3.0
        )
    outcome = attack(problem.classifier, problem.images, problem.labels)
    assert outcome.success.all()
    assert problem.fooled(outcome.images).all()
    mask = middle(problem.images)
    for region, most in ((mask, (0.02, 0.2)), (~mask, (0.8, 1.5))):
        changed = torch.where(region, outcome.images, problem.images)
        if name == "ssim":
            assert (1 - ssim(changed.double(), problem.images.double()) <= most[0] + 1e-6).all()
        else:
            assert (norm(changed - problem.images) <= most[1] + 1e-6).all()
            template = Template(size=3.0).bind(replace(problem_of(problem.images), foreground=mask))
            delta = changed - problem.images
            assert torch.allclose(template.filled(template.pooled(delta, "mean")), delta, atol=1.01 / 255)


def test_a_smooth_dual_perturbation_is_a_composition():
    problem = task(smooth_mlp(), photos(4))
    ease = (UnitChange(), Scale(0.2))
    parts = Composition(
        objective=CrossEntropy(),
        perturbation=Additive((GraphSmooth(Smoothing(alpha=0.5)),)),
        constraint=Regions(L2Ball(eps=0.2), L2Ball(eps=2.0)),
        rule=(PerRegion(ease, ease),),
        steps=20,
        foreground=Found(middle),
    )
    outcome = Attack("smooth dual", InTurn((parts,)))(problem.classifier, problem.images, problem.labels)
    assert outcome.success.all()
    front, back = changes(outcome.images, problem.images)
    assert (front <= 0.2 + 1e-6).all()
    assert (back <= 2.0 + 1e-6).all()


def test_the_default_mask_is_that_of_saliency():
    problem = task(smooth_mlp(), photos(3))
    by_name = dual_perturbation(0.1, 0.5, steps=3, salience=0.0)
    given = dual_perturbation(0.1, 0.5, steps=3, salience=0.0, mask="data")
    masks = masks_of("saliency", problem.images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        ours = by_name(problem.classifier, problem.images, problem.labels)
        same = given(problem.classifier, problem.images, problem.labels, masks=masks)
    assert torch.equal(ours.images, same.images)


@pytest.mark.parametrize(
    ("norm_name", "label"),
    [
        ("l2", "dual_perturbation:eps_background=20"),
        ("linf", "dual_perturbation:eps_foreground=4/255,eps_background=20/255,norm=linf"),
        ("ssim", "dual_perturbation:eps_foreground=0.01,eps_background=0.1,norm=ssim"),
    ],
)
def test_budgets_that_are_not_given_suit_the_norm_and_are_part_of_what_an_attack_is(norm_name, label):
    made = dual_perturbation(norm=norm_name)
    assert made.identity.label == label
    assert catalog.attack(f"dual_perturbation:norm={norm_name}").identity == made.identity
    assert catalog.ATTACKS.restore(made.identity).identity == made.identity
    searched = catalog.attack_or_grid(f"dual_perturbation:norm={norm_name},eps_background=least")
    assert (searched.first, searched.identity.parameters["eps_foreground"]) == (
        made.identity.parameters["eps_background"],
        made.identity.parameters["eps_foreground"],
    )
    own = dual_perturbation(0.02, 0.04, norm=norm_name).identity.parameters
    assert (own["eps_foreground"], own["eps_background"]) == (0.02, 0.04)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"eps_foreground": -1.0}, "eps_foreground is -1.0"),
        (
            {"norm": "linf", "eps_foreground": 2.0},
            "^eps_foreground is 2.0; expected 1 at most with norm=linf, such as 4/255$",
        ),
        (
            {"norm": "ssim", "eps_background": 20.0},
            "^eps_background is 20.0; expected 1 at most with norm=ssim, such as 0.1$",
        ),
        ({"norm": "l3"}, "norm"),
        ({"salience": -1.0}, "salience"),
        ({"mask": "salience"}, "did you mean 'saliency'"),
        ({"saliency": "spectral"}, "spectral_residual"),
        (
            {"norm": "ssim", "eps_foreground": 0.1, "eps_background": 0.5, "random_start": True},
            "cannot be sampled",
        ),
        ({"step_size": 0.0}, "step_size"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments, reason):
    with pytest.raises(UsageError, match=reason):
        dual_perturbation(**arguments)
