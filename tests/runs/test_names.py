from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limen.errors import UsageError
from limen.runs.names import attack_folder, image_name, is_safe_folder

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(TEXT)
@example("../../etc/passwd")
@example("/")
@example("..")
@example("C:\\x")
@example("a\0b")
def test_an_image_name_is_one_component_that_any_file_system_takes(image_id):
    name = image_name(image_id)
    assert PurePosixPath(name).parts == PureWindowsPath(name).parts == (name,)
    assert len(name.encode()) <= 255
    assert name.isascii()
    assert name.isprintable()


@given(st.lists(TEXT, unique=True, min_size=2, max_size=5))
def test_different_ids_have_different_names(ids):
    assert len({image_name(each) for each in ids}) == len(ids)


def test_long_ids_that_share_their_beginning_have_different_names():
    assert image_name("a" * 300 + "b") != image_name("a" * 300 + "c")


def test_an_id_that_is_no_unicode_is_refused():
    with pytest.raises(UsageError, match="not valid Unicode"):
        image_name("photo\udcff")


@given(st.lists(st.text(max_size=200), unique=True, max_size=6))
@example(["original", "Original", "a:b", "a,b", "A,B", "..", "../..", "", "-"])
def test_attack_folders_are_safe_and_differ_even_where_case_does_not_count(labels):
    taken: list[str] = []
    for label in labels:
        taken.append(attack_folder(label, taken))
    assert all(is_safe_folder(name) for name in taken)
    assert len({name.lower() for name in taken}) == len(labels)


def test_a_folder_is_recognised_by_its_attack():
    assert attack_folder("pgd_l2:eps=.5,steps=40", []) == "pgd_l2-eps=.5-steps=40"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", "original", "ORIGINAL", "x" * 121, "a\n"]
)
def test_a_folder_that_leads_elsewhere_is_not_safe(name):
    assert not is_safe_folder(name)
