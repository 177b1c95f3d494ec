from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from limen.catalog import data
from limen.data import DataError, batches, dollar_street

HEADER = (
    "id,country.name,country.id,region.id,imageRelPath,topics,place,income,"
    "imagenet_synonyms,imagenet_sysnet_id\n"
)


def row(name: str, classes: str = "[898, 440]", country: str = "Peru") -> str:
    path = f"assets/{name}/{name}.jpg"
    return f'{name},{country},{country[:2].lower()},am,{path},drinks,home,350.5,"[\'bottle\']","{classes}"\n'


@pytest.fixture
def street(tmp_path) -> Path:
    """The layout of Dollar Street, with three photographs of unlike sizes; a fourth is listed alone."""
    for place, name in enumerate("abc"):
        (tmp_path / "assets" / name).mkdir(parents=True)
        Image.new("RGB", (20 + place, 16), (50 * place, 0, 0)).save(
            tmp_path / "assets" / name / f"{name}.jpg"
        )
    rows = row("a") + row("b", "[7]", "Chad") + row("c", "[1, 2, 1]") + row("d")
    (tmp_path / "images_v2_imagenet_test.csv").write_text(HEADER + rows)
    (tmp_path / "images_v2_imagenet_train.csv").write_text(HEADER + row("b"))
    return tmp_path


def test_photographs_have_their_country_and_all_their_classes(street):
    dataset = data(f"dollar_street:{street},size=8")
    (batch,) = batches(dataset, range(3), 4, pytest.fail)
    assert batch.ids == ("a", "b", "c")
    assert batch.groups == ("Peru", "Chad", "Peru")
    assert batch.labels.tolist() == [898, 7, 1]
    assert batch.also == ((440,), (), (2,))
    assert dataset.class_names[898] == "water bottle"
    assert dataset.numbered


def test_another_column_names_the_group_and_another_table_the_photographs(street):
    dataset = dollar_street(street, split="train", group="region.id")
    assert (dataset.ids, dataset.load(0).group) == (("b",), "am")
    assert dataset.spec == f"dollar_street:{street},split=train,group=region.id"


def test_photographs_with_wrong_labels_are_left_out_by_a_list(street, tmp_path):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("id,exclude\na,wrong\nb,\nd,x\n")
    dataset = dollar_street(street, exclude=wrong, size=8)
    assert dataset.ids == ("b", "c")
    assert dataset.fingerprint() != dollar_street(street, size=8).fingerprint()


@pytest.mark.parametrize("classes", ["", "bottle", "[]", "[1000]", "[-1]", "[1.5]", "[true]", "898"])
def test_a_cell_that_lists_no_classes_is_refused_with_its_line(street, classes):
    (street / "images_v2_imagenet_test.csv").write_text(HEADER + row("a") + row("b", classes))
    with pytest.raises(DataError, match="line 3: imagenet_sysnet_id"):
        dollar_street(street, size=8)


def test_a_table_without_its_columns_or_photographs_is_refused(street):
    with pytest.raises(DataError, match="columns id, imageRelPath, imagenet_sysnet_id, town"):
        dollar_street(street, group="town", size=8)
    table = street / "images_v2_imagenet_test.csv"
    for text, message in [
        (row("d"), "none of its images is there"),
        (row("a") * 2, "lists an id more than once"),
        (row("a").replace("assets/a/", "../"), "no path below"),
    ]:
        table.write_text(HEADER + text)
        with pytest.raises(DataError, match=message):
            dollar_street(street, size=8)
