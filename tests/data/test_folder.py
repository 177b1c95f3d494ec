from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limen import catalog
from limen.data import DataError, batches, folder, numbered_as
from limen.data.dataset import read_class_names
from limen.errors import LimenError, UsageError


def save(path: Path, size=(8, 8), value=0, mode="RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode == "L" else (value,) * len(mode)).save(path)
    return path


@pytest.fixture
def animals(tmp_path) -> Path:
    for value, name in enumerate(["dog/b.png", "dog/a.png", "cat/1.PNG"]):
        save(tmp_path / "animals" / name, value=value)
    (tmp_path / "animals" / "cat" / "notes.txt").write_text("not an image")
    save(tmp_path / "animals" / ".hidden" / "x.png")
    return tmp_path / "animals"


def test_classes_are_the_sorted_folders_and_names_the_paths_below(animals):
    dataset = folder(animals)
    assert dataset.class_names == ("cat", "dog")
    assert dataset.ids == ("cat/1.PNG", "dog/a.png", "dog/b.png")
    assert [dataset.load(index).label for index in range(3)] == [0, 1, 1]
    assert dataset.load(2).image.unique().tolist() == [0]
    assert dataset.load(1).image.mul(255).unique().tolist() == [1]


def test_a_list_of_classes_decides_the_labels(animals, tmp_path):
    names = tmp_path / "classes.txt"
    names.write_text("bird\ndog\nfish\ncat\n")
    dataset = folder(animals, classes=names)
    assert [dataset.load(index).label for index in range(3)] == [3, 1, 1]
    assert dataset.class_names == ("bird", "dog", "fish", "cat")


@pytest.mark.parametrize(("listed", "found"), [("cat\n", "not in"), ("cat\ndog\ndog\n", "2 times in")])
def test_a_folder_that_is_no_listed_class_is_refused(animals, tmp_path, listed, found):
    names = tmp_path / "classes.txt"
    names.write_text(listed)
    with pytest.raises(DataError, match=f"class 'dog' is {found}"):
        folder(animals, classes=names)


@pytest.mark.parametrize("filling", ["nothing", "images without a class", "empty classes"])
def test_a_folder_without_images_in_classes_is_refused(tmp_path, filling):
    root = tmp_path / "empty"
    root.mkdir()
    if filling == "images without a class":
        save(root / "1.png")
    if filling == "empty classes":
        (root / "cat").mkdir()
    with pytest.raises(DataError, match="no images; expected one folder a class"):
        folder(root)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="nowhere: no such folder"):
        folder(tmp_path / "nowhere")


def test_two_sizes_are_refused_with_two_files_and_the_cure(animals):
    save(animals / "dog" / "c.png", size=(9, 8))
    with pytest.raises(DataError, match=r"1\.PNG is 8×8 pixels and .*c\.png is 9×8; add size=224"):
        folder(animals)
    assert folder(animals, size=6).load(3).image.shape == (3, 6, 6)


def test_sizes_are_compared_without_decoding_pixels(animals, monkeypatch):
    save(animals / "dog" / "c.png", size=(9, 8))

    def refuse(self, *_):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    with pytest.raises(DataError, match="9×8"):
        folder(animals)


def test_a_size_of_no_pixels_is_refused(animals):
    with pytest.raises(UsageError, match="size is 0; expected a number of pixels from 1 to 8192"):
        folder(animals, size=0)


def test_grey_files_among_colour_become_colour_and_stay_grey_among_grey(animals, tmp_path):
    save(animals / "dog" / "grey.png", mode="L", value=51)
    image = folder(animals).load(3).image
    assert image.shape == (3, 8, 8)
    assert image.mul(255).unique().tolist() == [51]
    save(tmp_path / "grey" / "cat" / "1.png", mode="L")
    assert folder(tmp_path / "grey").load(0).image.shape == (1, 8, 8)


def test_one_bad_file_among_many_is_skipped_and_reported(tmp_path):
    content = save(tmp_path / "many" / "cat" / "000.png").read_bytes()
    for index in range(1, 1000):
        (tmp_path / "many" / "cat" / f"{index:03d}.png").write_bytes(
            content if index != 500 else content[:40]
        )
    dataset, skipped = folder(tmp_path / "many"), []
    found = batches(dataset, range(1000), 100, lambda *report: skipped.append(report))
    assert sum(len(batch.ids) for batch in found) == 999
    assert [name for name, _ in skipped] == ["cat/500.png"]
    assert "500.png" in skipped[0][1]


@pytest.mark.parametrize("mode", ["CMYK", "I;16", "RGBA"])
def test_files_that_are_not_8_bit_rgb_are_skipped_with_the_cure(animals, mode):
    file = animals / "dog" / f"odd.{'jpg' if mode == 'CMYK' else 'png'}"
    if mode == "I;16":
        Image.fromarray(np.zeros((8, 8), np.uint16)).save(file)
    else:
        save(file, mode=mode)
    skipped = []
    found = list(batches(folder(animals), range(4), 8, lambda *report: skipped.append(report)))
    assert len(found[0].ids) == 3
    assert skipped[0][0] == f"dog/{file.name}"
    assert "convert it to 8-bit RGB" in skipped[0][1]


def test_a_link_out_of_the_folder_is_never_opened(animals, tmp_path):
    # Of another size, so that even a look at its header would be noticed.
    outside = save(tmp_path / "private.png", size=(5, 5))
    os.symlink(outside, animals / "dog" / "link.png")
    os.symlink(animals / "dog" / "a.png", animals / "dog" / "within.png")
    dataset, skipped = folder(animals), []
    found = list(batches(dataset, range(len(dataset)), 8, lambda *report: skipped.append(report)))
    assert found[0].ids == ("cat/1.PNG", "dog/a.png", "dog/b.png", "dog/within.png")
    assert [name for name, _ in skipped] == ["dog/link.png"]
    assert "outside" in skipped[0][1]


def test_a_class_that_links_out_of_the_folder_is_refused(animals, tmp_path):
    save(tmp_path / "elsewhere" / "1.png")
    os.symlink(tmp_path / "elsewhere", animals / "zebra")
    with pytest.raises(DataError, match="zebra: links to a place outside"):
        folder(animals)


def test_a_folder_may_itself_be_reached_by_a_link(animals, tmp_path):
    os.symlink(animals, tmp_path / "link")
    assert folder(tmp_path / "link").load(0).image.shape == (3, 8, 8)


def test_the_spec_says_what_was_given(animals):
    assert folder(animals, size=6).spec == f"folder:{animals},size=6"


def test_the_spec_names_the_same_data_set_also_where_a_path_has_a_comma(animals):
    moved = animals.rename(animals.with_name("animals, old"))
    dataset = folder(moved, size=6)
    assert catalog.data(dataset.spec) == dataset


def test_a_pipe_and_a_link_to_itself_among_the_images_are_skipped_and_reported(animals):
    os.mkfifo(animals / "cat" / "pipe.png")
    (animals / "cat" / "loop.png").symlink_to(animals / "cat" / "loop.png")
    dataset = folder(animals)
    skipped = {}
    list(batches(dataset, range(len(dataset)), 8, skipped.__setitem__))
    assert set(skipped) == {"cat/pipe.png", "cat/loop.png"}
    assert "a pipe or device, where a file belongs" in skipped["cat/pipe.png"]


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_path_that_no_folder_can_have_is_refused(name):
    with pytest.raises(LimenError, match=r"(no such folder|cannot be opened)"):
        folder(Path(name))


def test_folders_named_by_numbers_are_the_classes_of_these_numbers(tmp_path):
    for number in range(12):
        save(tmp_path / f"{number}" / "x.png", value=number)
    dataset = folder(tmp_path)
    assert [dataset.load(place).label for place in range(12)] == [int(name[:-6]) for name in dataset.ids]
    assert dataset.class_names is None
    save(tmp_path / "03" / "x.png")
    with pytest.raises(DataError, match="two folders have the number of '03'"):
        folder(tmp_path)


def test_an_unusable_file_has_no_say_in_what_the_others_are_read_as(tmp_path):
    for place in range(2):
        save(tmp_path / "a" / f"{place}.png", mode="L", value=place)
    save(tmp_path / "a" / "2.png", size=(20, 30), mode="RGBA")
    (batch,) = batches(folder(tmp_path), range(3), 3, lambda *_: None)
    assert batch.images.shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    "text", [b"\xef\xbb\xbfcat\ndog\n", b"cat\r\ndog\r\n", "cat\x85\u2028\ndog".encode()]
)
def test_a_list_of_classes_is_read_as_spreadsheets_write_it(tmp_path, text):
    (tmp_path / "classes.txt").write_bytes(text)
    assert read_class_names(tmp_path / "classes.txt") == ("cat", "dog")
    (tmp_path / "classes.txt").write_text("a\x85b\ncat\n", encoding="utf-8")
    assert read_class_names(tmp_path / "classes.txt") == ("a\x85b", "cat")


def test_a_list_of_classes_states_the_numbers_whatever_the_model_calls_them(animals, tmp_path):
    (tmp_path / "classes.txt").write_text("dog\nbird\ncat\n")
    dataset = folder(animals, classes=tmp_path / "classes.txt")
    assert numbered_as(dataset, ("hound", "sparrow", "kitten")) is dataset
