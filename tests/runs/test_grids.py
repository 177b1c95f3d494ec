from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.catalog import attack_or_grid
from limen.catalog.spec import split
from limen.runs.grids import budget, families, family


@pytest.mark.parametrize(
    ("label", "name", "value"),
    [
        ("ddn", "ddn", None),
        ("pgd_l2:eps=3", "pgd_l2", "3"),
        ("pgd_l2:steps=40,eps=3", "pgd_l2:steps=40", "3"),
        ("pgd_l2:eps = 8/255, steps=40", "pgd_l2: steps=40", "8/255"),
        ("sa_fgm:mask=a,,eps=9,,b", "sa_fgm:mask=a,,eps=9,,b", None),
        ("sa_fgm:mask=a,,,eps=9", "sa_fgm:mask=a,,", "9"),
        ("dual:eps_background=2", "dual:eps_background=2", None),
        ("my own eps=3", "my own eps=3", None),
        ("<b>:eps", "<b>:eps", None),
        ("", "", None),
    ],
)
def test_only_the_key_eps_of_a_spec_is_its_budget(label, name, value):
    assert (family(label), budget(label)) == (name, value)


def test_the_labels_of_a_grid_are_one_family_and_others_keep_their_names():
    grid = attack_or_grid("pgd_l2:eps=0.5,1,8/255,steps=40").labels
    labels = ["fgsm:eps=0.1", *grid, "ddn", "pgd_l2:steps=20,eps=1", "mine"]
    assert families(labels) == {
        "fgsm:eps=0.1": ("fgsm:eps=0.1",),
        "pgd_l2:steps=40": grid,
        "ddn": ("ddn",),
        "pgd_l2:steps=20,eps=1": ("pgd_l2:steps=20,eps=1",),
        "mine": ("mine",),
    }


def test_a_label_of_the_default_budget_belongs_to_the_others():
    assert families(["fgsm", "fgsm:eps=0.2"]) == {"fgsm": ("fgsm", "fgsm:eps=0.2")}


PARTS = st.lists(st.sampled_from(["eps=1", "eps=2", "steps=4", "mask=a,,b", "x=,,", "eps"]), max_size=4)


@given(PARTS)
def test_a_family_holds_the_parts_of_the_spec_but_its_budget(parts):
    label = "fgsm:" + ",".join(parts)
    kept = [part for part in split(label[5:]) if part.partition("=")[:2] != ("eps", "=")]
    rest = family(label).partition(":")[2]
    assert (split(rest) if rest else []) == (kept if label != "fgsm:" else [])


@given(st.lists(PARTS.map(lambda parts: "fgsm:" + ",".join(parts)), unique=True))
def test_every_label_is_in_one_family_whose_name_no_other_has(labels):
    groups = families(labels)
    assert sorted(label for group in groups.values() for label in group) == sorted(labels)
    for name, group in groups.items():
        assert {family(label) for label in group} == {family(name)}
