"""Spec strings, on small factories of this file; the real tables are covered at the end."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import math
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import limen
from limen import catalog, data, defenses
from limen.catalog.parameters import Parameter
from limen.catalog.table import Catalog
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.identity import Identity
from limen.safety import is_tame
from limen.spec import value_text, write_spec


def climb(
    eps: float = 8 / 255,
    steps: int = 10,
    start: Literal["zero", "random"] = "zero",
    step_size: float | None = None,
    early: bool = True,
    weights: Path | None = None,
    matrix: list[float] | None = None,
) -> dict:
    """Climb a hill.

    And more.
    """
    return locals()


def folder(path: str, *, size: int | None = None, device: str | None = None) -> tuple:
    """Images in class folders."""
    return path, size, device


def listed(path: str, *, classes: str | None = None) -> tuple:
    return path, classes


def refuses(eps: float = 1.0) -> None:
    raise UsageError(f"eps must be positive, not {eps}")


def shortage(path: str = "photos", *, count: int) -> tuple:
    return path, count


def bare() -> str:
    return "bare"


ATTACKS = Catalog("attack", {"climb": climb, "bare": bare, "refuses": refuses}, argument=False)
DATA = Catalog(
    "data", {"folder": folder, "listed": listed, "shortage": shortage}, hidden=frozenset({"device"})
)


def test_a_bare_name_gives_the_defaults():
    assert ATTACKS.make("climb") == climb()
    assert ATTACKS.make("climb:") == climb()


def test_values_arrive_with_the_annotated_types():
    made = ATTACKS.make("climb:eps=4/255,steps=40,start=random,step_size=0.5,early=false,weights=a.pt")
    assert made == climb(4 / 255, 40, "random", 0.5, False, Path("a.pt"))
    assert type(made["steps"]) is int


def test_an_int_is_a_float_where_a_float_is_asked():
    assert type(ATTACKS.make("climb:eps=3")["eps"]) is float


def test_none_is_none_only_where_the_annotation_says_so():
    assert ATTACKS.make("climb:step_size=none")["step_size"] is None
    with pytest.raises(UsageError, match="eps must be number, not 'none'"):
        ATTACKS.make("climb:eps=none")


def test_an_argument_may_hold_colons_and_equals_signs():
    assert DATA.make("folder:a.py:make=1,size=224") == ("a.py:make=1", 224, None)


def test_an_argument_that_nothing_takes_is_refused():
    with pytest.raises(UsageError, match="bare takes no argument"):
        Catalog("data", {"bare": bare}).make("bare:a.py")


def test_a_doubled_comma_is_a_comma():
    assert DATA.make("folder:photos,,old,,,size=3") == ("photos,old,", 3, None)


@given(st.text(st.characters(codec="utf-8"), min_size=1), st.integers(-(2**63) + 1, 2**63 - 1))
def test_any_path_can_be_written(path, size):
    assert DATA.make(f"folder:{path.replace(',', ',,')},size={size}") == (path, size, None)


@given(st.text(",=:~. a", min_size=1), st.text(",=:. a", min_size=1))
def test_the_spec_that_a_data_set_stores_reads_back(path, classes):
    classes = f"{classes}.txt".lstrip()
    assert DATA.make(write_spec("listed", [("classes", classes)], path)) == (path, classes)


def test_a_stored_spec_with_commas_in_its_paths_reads_back(tmp_path):
    folder = tmp_path / "photos, 2020, old"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / name / "1.png")
    classes = tmp_path / "classes, all.txt"
    classes.write_text("dog\ncat\n", encoding="utf-8")
    first = data.folder(folder, size=8, classes=classes)
    again = catalog.data(first.spec)
    assert again == first
    assert [again.load(i).label for i in range(2)] == [1, 0]


def test_what_the_caller_gives_is_passed_on_and_hidden_from_specs():
    assert DATA.make("folder:x", device="cpu") == ("x", None, "cpu")
    with pytest.raises(UsageError, match="unknown parameter 'device'"):
        DATA.make("folder:x,device=cpu")


def test_an_argument_with_a_default_may_be_left_out():
    assert DATA.make("shortage,count=2") == DATA.make("shortage:,count=2") == ("photos", 2)


@pytest.mark.parametrize(
    ("catalog", "spec", "message"),
    [
        (ATTACKS, "climb:stpes=3", r"unknown parameter 'stpes'; did you mean 'steps'\? Known: early, eps"),
        (
            ATTACKS,
            "clim",
            r"unknown attack 'clim'; did you mean 'climb'\? Known: bare, climb, python, refuses",
        ),
        (ATTACKS, "", r"unknown attack ''. Known: bare"),
        (
            ATTACKS,
            "climb:steps=4.5",
            r"steps must be int, not '4.5'. climb accepts eps: number = 8/255, steps: int = 10",
        ),
        (ATTACKS, "climb:steps=", "steps must be int, not ''"),
        (Catalog("list", {"listed": listed}), "listed:a,classes=", "classes must be text"),
        (ATTACKS, "climb:eps=nan", "eps must be number, not 'nan'"),
        (ATTACKS, "climb:eps=1/0", "eps must be number, not '1/0'"),
        (ATTACKS, "climb:eps=a/b", "eps must be number, not 'a/b'"),
        (ATTACKS, "climb:early=1", r"early must be true \| false, not '1'"),
        (ATTACKS, "climb:start=zerro", r"start must be zero \| random, not 'zerro'"),
        (ATTACKS, "climb:steps=1,steps=1", "steps is given twice"),
        (ATTACKS, "climb:40", "'40' is not key=value. climb accepts"),
        (ATTACKS, "climb:steps=1,", "'' is not key=value"),
        (ATTACKS, "climb:matrix=1", "unknown parameter 'matrix'"),
        (ATTACKS, "bare:eps=1", "bare accepts no parameters"),
        (ATTACKS, "refuses:eps=-1", "eps must be positive, not -1.0"),
        (DATA, "folder", "folder needs PATH: write folder:PATH"),
        (DATA, "folder:,size=3", "folder needs PATH: write folder:PATH"),
        (DATA, "folder:a,b", "'b' is not key=value; a comma inside a path is written twice"),
        (DATA, "shortage:x", "count is missing. shortage accepts PATH, count: int"),
    ],
)
def test_a_wrong_spec_is_one_error_that_names_it_and_the_cure(catalog, spec, message):
    with pytest.raises(UsageError, match=message) as caught:
        catalog.make(spec)
    assert str(caught.value).startswith(f"{catalog.kind} spec {spec!r}: ")
    assert caught.value.exit_code == 2


def test_an_entry_lists_what_a_spec_may_say():
    entry = ATTACKS.entry("climb")
    assert entry.summary == "Climb a hill."
    assert [str(parameter) for parameter in entry.parameters] == [
        "eps: number = 8/255",
        "steps: int = 10",
        "start: zero | random = zero",
        "step_size: number | none = none",
        "early: true | false = true",
        "weights: path | none = none",
    ]
    assert [entry.name for entry in map(ATTACKS.entry, ATTACKS.names())] == ["climb", "bare", "refuses"]
    with pytest.raises(UnknownNameError):
        ATTACKS.entry("hill")


@given(st.floats(allow_nan=False).filter(is_tame))
def test_a_float_written_as_text_reads_back_exactly(value):
    assert Parameter("eps", (float,), 0.0).parse(value_text(value)) == value


@pytest.mark.parametrize("levels", [1, 2, 4, 8, 16])
def test_budgets_in_steps_of_an_8_bit_image_are_written_as_such(levels):
    assert value_text(levels / 255) == f"{levels}/255"
    assert math.isclose(Parameter("eps", (float,), 0.0).parse(f"{levels}/255"), levels / 255)


def test_a_defence_of_a_spec_is_the_function_with_its_values():
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(
        catalog.defense("bilateral:range=0.1,radius=3")(images),
        defenses.bilateral(images, range=0.1, radius=3),
    )
    assert torch.equal(catalog.defense("bilateral")(images), defenses.bilateral(images))


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("bilateral:range=-1", "defense spec 'bilateral:range=-1': range must be at least 1e-06"),
        ("bilateral:sigma=1", "unknown parameter 'sigma'"),
        ("bilateral:images=1", "unknown parameter 'images'"),
        ("bilatreal", "did you mean 'bilateral'"),
    ],
)
def test_a_defence_that_cannot_be_made_is_refused_with_its_spec(spec, complaint):
    with pytest.raises(UsageError, match=f"^defense spec '{spec}': ") as raised:
        catalog.defense(spec)
    assert complaint in str(raised.value)


def test_a_chain_is_its_defences_in_the_order_in_which_images_pass_them():
    chained = catalog.chain("jpeg:quality=50+resize:factor=1.5", "bit_depth")
    assert [each.identity.label for each in chained] == ["jpeg:quality=50", "resize:factor=1.5", "bit_depth"]
    assert catalog.chain() == []
    images = torch.rand(2, 3, 96, 96)
    classifier = catalog.model("demo:photos")
    expected = classifier(defenses.resize(defenses.jpeg(images, 50), 1.5))
    once = catalog.model("demo:photos", defenses=["jpeg:quality=50+resize:factor=1.5"])
    twice = catalog.model("demo:photos", defenses=["jpeg:quality=50", "resize:factor=1.5"])
    assert torch.equal(once(images), expected)
    assert once.fingerprint() == twice.fingerprint()
    assert not torch.equal(catalog.behind(classifier, chained[1::-1])(images), expected)
    assert catalog.behind(classifier, []) is classifier


def test_a_chain_is_refused_with_the_spec_that_is_wrong_and_where_one_defence_is_asked_for():
    with pytest.raises(UsageError, match=r"^defense spec 'jpeg:quality=0': quality must be"):
        catalog.chain("resize+jpeg:quality=0")
    with pytest.raises(UsageError, match=r"'resize\+jpeg' is a chain of defences"):
        catalog.defense("resize+jpeg")


def test_a_plus_inside_a_spec_of_a_chain_is_written_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a+b.py").write_text("def dim(images, by: float = 0.5):\n    return images * by\n")
    first, second = catalog.chain("python:a++b.py:dim,by=2e++0+resize")
    assert (first.identity.parameters, second.identity.name) == ({"by": 2.0}, "resize")


def test_specs_that_mean_the_same_name_one_thing():
    same = (
        "climb:steps=20,eps=8/255",
        "climb:eps=8/255,steps=20",
        "climb:steps=20",
        "climb: steps=20 ,start=zero",
    )
    assert len({ATTACKS.read(spec).identity for spec in same}) == 1
    identity = ATTACKS.read("climb:steps=20").identity
    assert identity.label == "climb:steps=20"
    assert identity.parameters["early"] is True
    assert ATTACKS.read("climb").identity != identity


def test_the_argument_is_part_of_what_a_thing_is_and_what_the_caller_gives_is_not():
    first, second = (DATA.read(f"folder:{path},size=3").identity for path in ("a", "b"))
    assert (first.label, first.parameters) == ("folder:a,size=3", {"size": 3})
    assert first != second


def test_what_a_run_kept_is_made_again():
    identity = catalog.defense("bilateral:radius=3,range=1/3").identity
    again = catalog.DEFENSES.restore(Identity(**dataclasses.asdict(identity)))
    images = torch.rand(1, 3, 16, 16)
    assert again.identity == identity
    assert torch.equal(again(images), defenses.bilateral(images, radius=3, range=1 / 3))


def test_what_is_not_what_it_was_is_not_made_again():
    identity = catalog.defense("bilateral").identity
    with pytest.raises(UsageError, match="its defaults have changed"):
        catalog.DEFENSES.restore(
            dataclasses.replace(identity, parameters={**identity.parameters, "radius": 4})
        )
    with pytest.raises(UsageError, match="unknown defense 'blur'"):
        catalog.DEFENSES.restore(dataclasses.replace(identity, name="blur"))


@pytest.fixture
def installed(monkeypatch):
    """Declare entry points as an installed package would."""

    def declare(group: str, **values: str) -> None:
        points = [importlib.metadata.EntryPoint(name, value, group) for name, value in values.items()]

        def entry_points(*, group: str):
            return [point for point in points if point.group == group]

        monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)

    return declare


def test_an_installed_package_adds_a_name(installed):
    installed("limen.defenses", turned="limen.defenses.bilateral:bilateral", bilateral="no.such:thing")
    images = torch.rand(1, 3, 16, 16)
    assert torch.equal(catalog.defense("turned:radius=2")(images), defenses.bilateral(images, radius=2))
    assert catalog.defense("turned:radius=2").identity.label == "turned:radius=2"
    assert catalog.DEFENSES.names() == [*defenses.DEFENSES, "turned"]
    assert catalog.DEFENSES.entry("turned").origin == "limen.defenses.bilateral"


def test_a_network_of_an_installed_package_becomes_a_classifier(installed):
    installed("limen.models", bare="torch.nn:Identity")
    classifier = catalog.model("bare")
    assert isinstance(classifier, limen.Classifier)
    assert isinstance(classifier.module, torch.nn.Identity)
    assert classifier.identity.label == "bare"


def test_a_broken_package_is_named_where_it_is_used_and_only_there(installed):
    installed("limen.defenses", torn="limen_no_such_package:blur")
    catalog.defense("bilateral")
    with pytest.raises(LimenError, match="torn: limen_no_such_package, an installed package, cannot be used"):
        catalog.defense("torn")


def test_what_an_identity_names_is_made_with_other_values():
    first = catalog.ATTACKS.make("pgd_l2:eps=3,steps=7").identity
    assert catalog.ATTACKS.varied(first, eps=6.0).identity.label == "pgd_l2:eps=6,steps=7"
    assert catalog.ATTACKS.varied(first, steps=40).identity.label == "pgd_l2:eps=3"
    with pytest.raises(UsageError, match="size"):
        catalog.ATTACKS.varied(first, size=1)


def test_a_function_with_some_values_set_already_has_the_types_of_the_others():
    table = Catalog("attack", {"short": functools.partial(climb, steps=3)}, argument=False)
    made = table.make("short:eps=1/2,early=false")
    assert (made["eps"], made["early"], made["steps"]) == (0.5, False, 3)
