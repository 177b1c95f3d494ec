from __future__ import annotations

import csv
import os

import pytest
import torch
from PIL import Image

from limen.data import DataError, batches, nips2017

HEADER = "ImageId,TrueLabel,TargetClass\n"


@pytest.fixture
def competition(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a", "c"):
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / f"{name}.png")
    (tmp_path / "images.csv").write_text(HEADER + "a,1,1000\nb,2,3\nc,306,779\n")
    return tmp_path


def test_classes_count_from_zero_and_only_images_that_are_there_are_listed(competition):
    dataset = nips2017(competition)
    assert dataset.ids == ("a", "c")
    assert [(dataset.load(i).label, dataset.load(i).target) for i in range(2)] == [(0, 999), (305, 778)]
    assert dataset.class_names[:2] == ("tench", "goldfish")
    assert len(dataset.class_names) == 1000


def test_a_table_with_a_byte_order_mark_is_read(competition):
    table = competition / "images.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert nips2017(competition).ids == ("a", "c")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("ImageId,TrueLabel\na,1\n", "columns ImageId, TrueLabel, TargetClass"),
        (HEADER + "a,one,2\n", r"line 2: classes one and 2; expected whole numbers"),
        (HEADER + "a,1\n", r"images\.csv, line 2: 2 cells where 3 belong"),
        (HEADER + "a,0,2\n", "TrueLabel: label 0 of sample 0 is out of range; labels must be from 1 to 1000"),
        (HEADER + "a,1,1001\n", "TargetClass: label 1001"),
        (HEADER + "../images/a,1,2\n", "no plain file name"),
        (HEADER + "..,1,2\n", "no plain file name"),
        (HEADER + "a,1,2\na,1,2\n", "'a' stands there more than once"),
        (HEADER + "x,1,2\n", "none of the images"),
        ("", "columns ImageId"),
    ],
)
def test_a_broken_table_is_refused(competition, table, message):
    (competition / "images.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        nips2017(competition)


def test_a_missing_table_is_refused(competition):
    (competition / "images.csv").unlink()
    with pytest.raises(DataError, match=r"images\.csv: cannot be read"):
        nips2017(competition)


def test_an_image_that_links_out_of_the_folder_is_skipped(competition, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "b.png"
    Image.new("RGB", (8, 8)).save(outside)
    os.symlink(outside, competition / "images" / "b.png")
    skipped = []
    found = list(batches(nips2017(competition), range(3), 8, lambda *report: skipped.append(report)))
    assert found[0].ids == ("a", "c")
    assert [name for name, _ in skipped] == ["b"]


@pytest.mark.data
def test_the_real_images_are_read_with_their_classes(real_data):
    dataset = nips2017(real_data / "nips2017")
    assert len(dataset) == 200
    table = (real_data / "nips2017/images.csv").read_text(encoding="utf-8")
    rows = {row["ImageId"]: row for row in csv.DictReader(table.splitlines())}
    batch = next(batches(dataset, [0, 99, 199], 3, pytest.fail))
    assert batch.images.shape == (3, 3, 299, 299)
    assert batch.labels.tolist() == [int(rows[name]["TrueLabel"]) - 1 for name in batch.ids]
    assert batch.targets.tolist() == [int(rows[name]["TargetClass"]) - 1 for name in batch.ids]
    assert torch.equal(batch.images, batch.images.mul(255).round() / 255)
    assert nips2017(real_data / "nips2017", size=224).load(0).image.shape == (3, 224, 224)
