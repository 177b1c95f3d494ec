"""The least budget, searched: against linear models, whose least budget is known, and by what specs say."""

from __future__ import annotations

import dataclasses
import warnings

import pytest
import torch

import limen
from limen import catalog
from limen.attacks import Outcome
from limen.attacks.factory import attack as factory
from limen.catalog.budget_search import BudgetSearch, read_search, restored
from limen.catalog.table import Catalog
from limen.errors import UsageError
from limen.identity import Identity

SHAPE = (3, 6, 6)


class Plane(torch.nn.Module):
    """Two classes on both sides of a plane, whose normal has entries ±1."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        signs = torch.where(torch.arange(108) % 3 == 0, -1.0, 1.0).reshape(SHAPE)
        self.register_buffer("normal", signs)
        self.offset = offset

    def forward(self, images):
        side = (images * self.normal).sum((1, 2, 3)) - self.offset
        return torch.stack([side, -side], 1)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return 0.4 + 0.2 * torch.rand((5, *SHAPE), generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def plane(images) -> limen.Classifier:
    first, second = (images * Plane(0).normal).sum((1, 2, 3)).sort().values[:2].tolist()
    return limen.Classifier(Plane((first + second) / 2))  # with one image on the wrong side


def test_it_finds_the_least_budget_of_a_linear_model_in_each_norm(plane, images):
    labels = torch.zeros(5, dtype=torch.int64)
    margin = plane(images)[:, 0]
    for spec, expected in (
        ("fgsm:eps=least,tries=12", margin / 108),
        ("fgm:eps=least,tries=12", margin / 108**0.5),
        ("pgd_linf:eps=least,tries=12,steps=3,random_start=false", margin / 108),
    ):
        search = catalog.attack_or_grid(spec)
        assert isinstance(search, BudgetSearch)
        outcome = search(plane, images, labels, lattice=None)
        right = margin > 0
        norm = torch.inf if "linf" in spec or "fgsm" in spec else 2
        found = (outcome.images - images).flatten(1).norm(norm, dim=1)
        assert outcome.success.all()
        assert (found[right] >= expected[right] * 0.999).all()
        assert (found[right] <= expected[right] * 1.03).all()
        assert (found[~right] == 0).all()


def test_each_image_has_the_result_that_it_has_alone(plane, images):
    search = catalog.attack_or_grid("pgd_l2:eps=least,tries=6,steps=3,random_start=true")
    labels, ids = torch.zeros(5, dtype=torch.int64), [*"abcde"]
    together = search(plane, images, labels, ids=ids)
    for row in range(5):
        alone = search(plane, images[[row]], labels[[row]], ids=[ids[row]])
        assert torch.equal(alone.images[0], together.images[row])
        assert alone.forwards == together.forwards[row]


def test_the_passes_of_all_tries_count(plane, images):
    labels = torch.zeros(5, dtype=torch.int64)
    once = catalog.attack("fgsm")(plane, images, labels)
    for tries in (1, 2, 5):
        found = catalog.attack_or_grid(f"fgsm:eps=least,tries={tries}")(plane, images, labels)
        right = plane(images)[:, 0] > 0
        assert (found.forwards[right] == tries * once.forwards[right]).all()
        assert (found.backwards[right] == tries).all()
        assert (found.backwards[~right] == 0).all()


def test_a_trace_holds_the_looks_of_all_tries(plane, images):
    labels = torch.zeros(5, dtype=torch.int64)
    once = catalog.attack("fgsm")(plane, images, labels, trace=True).trace
    twice = catalog.attack_or_grid("fgsm:eps=least,tries=2")(plane, images, labels, trace=True).trace
    assert len(twice) > len(once)


def test_one_try_is_the_attack_at_its_default_budget(plane, images):
    labels = torch.zeros(5, dtype=torch.int64)
    found = catalog.attack_or_grid("pgd_linf:eps=least,tries=1,steps=2")(plane, images, labels, seed=3)
    assert torch.equal(found.images, catalog.attack("pgd_linf:steps=2")(plane, images, labels, seed=3).images)


def test_what_no_budget_fools_keeps_its_original(images):
    plane = limen.Classifier(Plane(-1e4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = catalog.attack_or_grid("fgsm:eps=least,tries=9")(plane, images, plane(images).argmax(1))
    assert not found.success.any()
    assert torch.equal(found.images, images)


def test_budgets_that_are_numbers_alone_are_tried_group_by_group(plane, images):
    calls: list[tuple[float, int]] = []

    @factory(budget="eps")
    def shift(eps: float = 0.1):
        raise NotImplementedError

    def moved(eps: float = 0.1):
        def call(classifier, images, labels, targeted=False, ids=None, seed=0, lattice=255) -> Outcome:
            calls.append((eps, len(images)))
            attacked = limen.attacks.fgsm(eps=eps)
            return attacked(classifier, images, labels, targeted, ids, seed, lattice)

        return call

    moved.budget = "eps"
    table = Catalog("attack", {"moved": moved, "shift": shift}, argument=False)
    search = read_search(table, "moved:eps=least,tries=10")
    assert search is not None
    assert not search.per_sample
    labels = torch.zeros(5, dtype=torch.int64)
    found = search(plane, images, labels, lattice=None)
    expected = catalog.attack_or_grid("fgsm:eps=least,tries=10")(plane, images, labels, lattice=None)
    # The default budget differs, so the budgets tried do, but both close in on the same.
    assert (found.images - expected.images).abs().max() < 0.02 * (expected.images - images).abs().max()
    assert found.success.all()
    assert [count for _, count in calls[:3]] == [5, 4, 4]
    assert min(count for _, count in calls) < 4
    assert len(search(plane, images[:0], labels[:0]).success) == 0


def test_labels_say_what_was_searched():
    found = catalog.attack_or_grid("pgd_l2:steps=20,eps=least")
    assert isinstance(found, BudgetSearch)
    assert found.identity.label == "pgd_l2:eps=least,steps=20,tries=8"
    assert found.identity.budget == "eps"
    again = catalog.attack_or_grid(found.identity.label)
    assert isinstance(again, BudgetSearch)
    assert again.identity == found.identity
    assert found.identity.family() != catalog.attack("pgd_l2:steps=20").identity.family()


def test_it_is_made_again_of_what_a_run_keeps_unless_it_is_another():
    made = catalog.attack_or_grid("pgd_l2:steps=20,eps=least,tries=3")
    plain = catalog.attack("pgd_l2:steps=20")
    for each in (made, plain):
        assert restored(catalog.ATTACKS, each.identity).identity == each.identity
    changed = dataclasses.replace(made.identity, parameters={**made.identity.parameters, "exact": True})
    with pytest.raises(UsageError, match="is not what it was"):
        restored(catalog.ATTACKS, changed)


def test_budgets_stay_where_the_attack_takes_them():
    linf = catalog.attack_or_grid("fgsm:eps=least")
    assert isinstance(linf, BudgetSearch)
    assert linf.first == 8 / 255
    assert linf.ends[0] == pytest.approx(8 / 255 / 4**6)
    assert linf.ends[1] == pytest.approx(8 / 255 * 16)  # the next would be above 1


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("ddn:eps=least", "eps is no budget of ddn"),
        ("pgd_l2:steps=least", "steps is no budget of pgd_l2"),
        ("pgd_l2:eps=least,tries=0", "tries is 0; expected an integer from 1"),
        ("pgd_l2:eps=least,tries=some", "tries must be int, not 'some'"),
        ("pgd_l2:eps=least,tries=2,3", "tries must be int, not '2,3'"),
        ("pgd_l2:eps=1,tries=3", "unknown parameter 'tries'"),
        ("jsma:eps=least", "eps is a whole number, which a climb reaches step by step"),
        ("pgd_l2:eps=least,stops=3", "unknown parameter 'stops'"),
    ],
)
def test_what_cannot_be_searched_is_refused(spec, says):
    with pytest.raises(UsageError, match=says) as caught:
        catalog.attack_or_grid(spec)
    assert str(caught.value).startswith("attack spec 'pgd" if spec.startswith("pgd") else "attack spec '")


def test_a_search_is_an_identity_of_its_own():
    made = BudgetSearch(Identity("mine", {}), lambda eps: limen.attacks.fgsm(eps=eps), 0.1, (0.01, 1.0), 2)
    assert made.identity.label == "mine"
