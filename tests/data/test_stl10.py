from __future__ import annotations

import numpy as np
import pytest

from limen import catalog
from limen.data import DataError, stl10


@pytest.fixture
def stl(tmp_path):
    """A folder with three test images; the red of each grows to the right, the green downwards."""
    ramp = np.arange(96, dtype=np.uint8)
    columns = np.zeros((3, 3, 96, 96), np.uint8)  # image, channel, column, row
    columns[:, 0] = ramp[:, None]
    columns[:, 1] = ramp[None, :]
    columns[:, 2] = np.arange(3, dtype=np.uint8)[:, None, None]
    columns.tofile(tmp_path / "test_X.bin")
    np.array([1, 10, 3], np.uint8).tofile(tmp_path / "test_y.bin")
    return tmp_path


def test_images_are_stored_by_columns_and_labels_from_one(stl):
    dataset = stl10(stl)
    assert [dataset.load(index).label for index in range(3)] == [0, 9, 2]
    assert dataset.class_names[9] == "truck"
    image = dataset.load(2).image.mul(255).round().numpy()
    assert image.shape == (3, 96, 96)
    assert (image[0] == np.arange(96)[None, :]).all()
    assert (image[1] == np.arange(96)[:, None]).all()
    assert (image[2] == 2).all()


def test_the_training_part_and_other_names_are_read(stl):
    for kind in "Xy":
        (stl / f"test_{kind}.bin").rename(stl / f"train_{kind}.bin")
    (stl / "class_names.txt").write_text("\n".join("abcdefghij"))
    dataset = catalog.data(f"stl10:{stl},split=train")
    assert dataset.class_names == tuple("abcdefghij")
    assert dataset.spec.endswith(",split=train")
    with pytest.raises(DataError, match=r"test_X\.bin: cannot be read"):
        stl10(stl)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test_X.bin", bytes(100), r"test_X\.bin: 100 bytes where 3 labels, of test_y\.bin, need 27648 each"),
        ("test_X.bin", b"", "0 bytes"),
        ("test_y.bin", bytes([1, 2, 11]), r"test_y\.bin: label 11 of sample 2 .* from 1 to 10"),
        ("test_y.bin", bytes([1, 0, 2]), "label 0 of sample 1"),
        ("test_y.bin", bytes([1, 2]), "where 2 labels"),
        ("class_names.txt", b"cat\ndog\n", r"class_names\.txt: 2 names; STL-10 has 10 classes"),
    ],
    ids=["other labels", "empty", "label 11", "label 0", "few labels", "few names"],
)
def test_broken_files_are_refused(stl, name, content, message):
    (stl / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        stl10(stl)
