from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limen import catalog
from limen.data import DataError, batches, csv_table, numbered_as
from limen.errors import UsageError

MASK = np.eye(6, 8, dtype=np.uint8) * 255


@pytest.fixture
def pets(tmp_path) -> Path:
    """A folder with the photographs `a.png`, `more/b.png` and `c.png`, and the mask `m/b.png`."""
    (tmp_path / "more").mkdir()
    (tmp_path / "m").mkdir()
    for value, name in enumerate(("a.png", "more/b.png", "c.png")):
        Image.new("RGB", (8, 6), (value, 0, 0)).save(tmp_path / name)
    Image.fromarray(MASK).save(tmp_path / "m" / "b.png")
    return tmp_path


def table(folder: Path, text: str, name: str = "pets.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_rows_become_samples_in_their_order(pets):
    path = table(pets, "image,label\nmore/b.png,3\na.png,0\n")
    dataset = csv_table(path)
    assert dataset.ids == ("more/b.png", "a.png")
    assert dataset.class_names is None
    (batch,) = batches(dataset, range(2), 2, pytest.fail)
    assert batch.labels.tolist() == [3, 0]
    assert batch.images[:, 0, 0, 0].mul(255).tolist() == [1, 0]
    assert batch.targets is batch.masks is batch.groups is None


def test_columns_for_target_mask_and_group_are_carried_and_others_left_alone(pets):
    path = table(
        pets,
        "\ufeffnote, group,target,mask,label,image\n"
        '"x, y",night,0,m/b.png,1,more/b.png\n\n,day,2,m/b.png,1,a.png\n',
    )
    (batch,) = batches(csv_table(path), range(2), 2, pytest.fail)
    assert batch.targets.tolist() == [0, 2]
    assert batch.groups == ("night", "day")
    assert batch.masks[1, 0].numpy().tolist() == (MASK > 0).tolist()


def test_a_mask_is_resized_with_its_image(pets):
    path = table(pets, "image,label,mask\na.png,1,m/b.png\n")
    sample = csv_table(path, size=24).load(0)
    assert sample.image.shape == (3, 24, 24)
    assert sample.mask[0].numpy().tolist() == (MASK > 0).repeat(4, 0).repeat(3, 1).tolist()


def test_names_of_classes_are_numbered_in_alphabetical_order_and_looked_up_in_the_model(pets):
    path = table(pets, "image,label,target\na.png,dog,cat\nc.png,cow,dog\n")
    dataset = csv_table(path)
    assert dataset.class_names == ("cat", "cow", "dog")
    assert [(dataset.load(i).label, dataset.load(i).target) for i in range(2)] == [(2, 0), (1, 2)]
    numbered = numbered_as(dataset, ["dog", "cat", "cow"])
    assert [(numbered.load(i).label, numbered.load(i).target) for i in range(2)] == [(0, 1), (2, 0)]


def test_a_list_of_classes_decides_the_numbers_of_names(pets):
    names = table(pets, "dog\ncat\n7\n", "classes.txt")
    dataset = csv_table(table(pets, "image,label\na.png,cat\nc.png,0\nmore/b.png,7\n"), classes=names)
    assert [dataset.load(index).label for index in range(3)] == [1, 0, 2]
    assert dataset.numbered


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"pets\.csv: expected once each the columns image, label"),
        ("image,label,label\na.png,1,2\n", "expected once each the columns"),
        ("image,label\n", r"pets\.csv: lists no image"),
        ("image,label\na.png\n", r"pets\.csv, line 2: 1 cells where 2 belong"),
        ("image,label\na.png,1,2\n", "line 2: 3 cells where 2 belong"),
        ("image,label\na.png,1\n\nc.png,\n", "line 4: label is empty"),
        ("image,label\n,1\n", "line 2: image is empty"),
        ("image,label\na.png,1\nc.png,-1\n", "line 3: label '-1' is no whole number from 0"),
        ("image,label\na.png,1.0\nc.png,2.0\n", r"line 2: label '1\.0' is no whole number"),
        ("image,label\na.png,1234567890\n", "is no whole number"),
        ("image,label\na.png,dog\nc.png,1\n", "line 3: label '1' where 'dog' stands before"),
        ("image,label\na.png,1\nc.png,dog\n", "line 3: label 'dog' where '1' stands before"),
        ("image,label\na.png,1\na.png,2\n", "line 3: 'a.png' is listed a second time"),
        ("image,label\na.png,1\n./a.png,2\n", "line 3: 'a.png' is listed a second time"),
        ("image,label\n../a.png,1\n", r"line 2: image '\.\./a\.png' is no path below"),
        ("image,label\n/etc/passwd,1\n", "line 2: image '/etc/passwd' is no path below"),
        ("image,label\nmore\\b.png,1\n", "is no path below"),
        ("image,label\na\0.png,1\n", "line 2"),
        ("image,label,mask\na.png,1,../m.png\n", r"line 2: mask '\.\./m\.png' is no path below"),
        ("image,label,mask\na.png,1,m/b.png\nc.png,1,\n", "line 3: mask is empty; every row needs one"),
        ("image,label,group\na.png,1,\n", "line 2: group is empty"),
        ("image,label,target\na.png,1,\n", "line 2: target is empty"),
    ],
)
def test_a_broken_table_is_refused_with_the_line(pets, text, message):
    with pytest.raises(DataError, match=message):
        csv_table(table(pets, text))


@pytest.mark.parametrize("label", ["2", "bird"])
def test_a_label_beyond_the_list_of_classes_is_refused(pets, label):
    names = table(pets, "dog\ncat\n", "classes.txt")
    with pytest.raises(DataError, match=f"line 3: label '{label}' is none of the 2 classes"):
        csv_table(table(pets, f"image,label\na.png,1\nc.png,{label}\n"), classes=names)


def test_a_missing_table_or_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no\.csv: cannot be read"):
        csv_table(tmp_path / "no.csv")
    with pytest.raises(UsageError, match="no such folder"):
        csv_table(tmp_path / "nowhere" / "no.csv")
    (tmp_path / "bytes.csv").write_bytes(b"image,label\n\xff\xfe,1\n")
    with pytest.raises(DataError, match=r"bytes\.csv: cannot be read"):
        csv_table(tmp_path / "bytes.csv")


def test_an_image_or_mask_that_cannot_be_used_costs_its_sample(pets, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "c.png"
    Image.new("RGB", (8, 6)).save(outside)
    (pets / "c.png").unlink()
    (pets / "c.png").symlink_to(outside)
    rows = (
        "image,label,mask\nc.png,0,m/b.png\nmissing.png,0,m/b.png\na.png,0,m/no.png\nmore/b.png,5,m/b.png\n"
    )
    reasons = {}
    (batch,) = batches(csv_table(table(pets, rows)), range(4), 4, reasons.__setitem__)
    assert batch.ids == ("more/b.png",)
    assert "place outside" in reasons["c.png"]
    assert re.search(r"missing\.png: no such file", reasons["missing.png"])
    assert re.search(r"m.no\.png: no such file", reasons["a.png"])


def test_the_fingerprint_covers_the_table(pets):
    rows = ["image,label\na.png,1\n", "image,label\na.png,2\n", "image,label,group\na.png,1,day\n"]
    assert len({csv_table(table(pets, text)).fingerprint() for text in rows}) == 3


def test_a_spec_names_the_table(pets, monkeypatch):
    monkeypatch.chdir(pets)
    table(pets, "image,label\na.png,1\n")
    dataset = catalog.data("csv:pets.csv,size=16")
    assert dataset.spec == "csv:pets.csv,size=16"
    assert dataset.load(0).image.shape == (3, 16, 16)


def test_what_a_list_excludes_is_left_out_and_is_part_of_the_spec(pets):
    path = table(pets, "image,label\nmore/b.png,3\na.png,0\nc.png,1\n")
    out = table(pets, "id,exclude\nmore/b.png,wrong\na.png,\n", "out.csv")
    dataset = csv_table(path, exclude=out)
    assert (dataset.ids, dataset.spec) == (("a.png", "c.png"), f"csv:{path},exclude={out}")
    assert dataset.fingerprint() != csv_table(path).fingerprint()
    assert [int(dataset.load(place).label) for place in range(2)] == [0, 1]
    table(pets, "id\nd.png\n", "out.csv")
    with pytest.raises(DataError, match=r"out\.csv, line 2: id 'd\.png' is no sample of this data"):
        csv_table(path, exclude=out)
