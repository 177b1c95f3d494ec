from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from limen import catalog
from limen.data import DataError, batches, segment6
from limen.images import ImageFileError

ROWS = "image,label,partition\n1.png,bird,train\n2.png,clock,test\n3.jpg,train,test\n"


@pytest.fixture
def cut_outs(tmp_path):
    for place, name in enumerate(("1.png", "2.png", "3.jpg")):
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "images" / name)
        mask = np.zeros((32, 32), np.uint8)
        mask[: place + 1] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name[0]}.png")
    (tmp_path / "partition.csv").write_text(ROWS)
    return tmp_path


def test_the_rows_of_a_partition_are_read_with_their_masks(cut_outs):
    (batch,) = batches(segment6(cut_outs), range(2), 2, pytest.fail)
    assert batch.ids == ("images/2.png", "images/3.jpg")
    assert batch.labels.tolist() == [5, 0]
    assert batch.masks.sum((1, 2, 3)).tolist() == [64, 96]
    assert segment6(cut_outs, split="train").ids == ("images/1.png",)
    assert not segment6(cut_outs).numbered
    assert segment6(cut_outs).class_names == ("train", "bird", "cat", "dog", "toilet", "clock")


def test_columns_of_other_names_and_the_ten_classes_can_be_named(cut_outs):
    (cut_outs / "partition.csv").write_text("file,class,set\n2.png,9,TEST\n")
    spec = f"segment6:{cut_outs},version=10,image=file,label=class,partition=set"
    dataset = catalog.data(spec)
    assert dataset.spec == spec
    assert dataset.class_names[dataset.load(0).label] == "clock"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\n1.png,bird\n", "columns image, label, partition; name those of the file with image="),
        ("image,label,partition\n1.png,bird,train\n", "no row has test in the column partition"),
        ("image,label,partition\n1.png,zebra,test\n", "line 2: label 'zebra' is none of the 6 classes"),
        ("image,label,partition\n../1.png,bird,test\n", "line 2: image 'images/../1.png' is no path"),
        ("image,label,partition\n,bird,test\n", "line 2: image is empty"),
    ],
)
def test_a_broken_table_is_refused(cut_outs, text, message):
    (cut_outs / "partition.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        segment6(cut_outs)


def test_a_cell_that_names_a_folder_is_an_image_that_cannot_be_used(cut_outs):
    (cut_outs / "partition.csv").write_text("image,label,partition\n/,bird,test\n")
    with pytest.raises(ImageFileError, match="a folder, where a file belongs"):
        segment6(cut_outs).load(0)


def test_a_missing_part_is_refused(cut_outs):
    (cut_outs / "second.csv").write_text(ROWS)
    with pytest.raises(DataError, match=r"2 files named \*\.csv; expected one"):
        segment6(cut_outs)
    (cut_outs / "masks").rename(cut_outs / "other")
    with pytest.raises(DataError, match=r"0 folders named mask\*; expected one"):
        segment6(cut_outs)
