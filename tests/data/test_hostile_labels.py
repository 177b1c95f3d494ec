"""Labels that are easily the wrong ones without a word: each is right, or refused with the cure."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from limen import catalog
from limen.data import DataError, Dataset, numbered_as

CAFE = "café"
APART = unicodedata.normalize("NFD", CAFE)
TENCH, GOLDFISH = "n01440764", "n01443537"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def made(*names: str) -> Path:
        for name in names:
            (tmp_path / "photos" / name).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / "photos" / name / "a.png")
        return tmp_path / "photos"

    return made


def labels(dataset: Dataset, known: tuple[str, ...] | None = None) -> dict[str, int]:
    dataset = numbered_as(dataset, known)
    return {name.partition("/")[0]: dataset.load(place).label for place, name in enumerate(dataset.ids)}


@pytest.mark.parametrize(
    ("folders", "known", "expected"),
    [
        (["cat", "fox"], ("ant", "bee", "cat", "dog", "eel", "fox"), [2, 5]),
        (["Cat", "FOX"], ("ant", "cat", "fox"), [1, 2]),
        (["Cat", "cat"], ("cat", "Cat"), [1, 0]),
        (["polish", "Polish"], ("Polish", "polish"), [1, 0]),
        (["house_cat", "red-fox"], ("red fox", "house cat"), [1, 0]),
        (["tench"], ("shark", "tench, Tinca tinca"), [1]),
        (["Tinca_tinca"], ("shark", "tench, Tinca tinca"), [1]),
        ([APART], ("tea", CAFE), [1]),
        ([CAFE], ("tea", APART), [1]),
        ([APART.upper()], ("tea", CAFE), [1]),
        ([TENCH], ("goldfish", "tench"), [1]),
        ([TENCH, "goldfish"], ("goldfish", "tench, Tinca tinca"), [1, 0]),
        ([TENCH, GOLDFISH], (GOLDFISH, TENCH), [1, 0]),
        (["tench"], (GOLDFISH, TENCH), [1]),
        (["n01440764-tench"], ("goldfish", "tench"), [1]),
        ([str(number) for number in range(12)], None, [*range(12)]),
        (["0", "2", "10"], ("a", "b", "c"), [0, 2, 10]),
        (["007", "03"], None, [7, 3]),
        (["fox", "cat"], None, [1, 0]),
        (["fox", "cat"], ("LABEL_0", "LABEL_1"), [1, 0]),
    ],
)
def test_each_folder_has_the_models_number(photos, folders, known, expected):
    photos(*folders)
    assert labels(catalog.data("folder:photos"), known) == dict(zip(folders, expected, strict=True))


@pytest.mark.parametrize(
    ("folders", "known", "message"),
    [
        (["cat", "unicorn"], ("cat", "dog"), "'unicorn' is none of the model's 2 classes"),
        (["crane"], ("crane", "cat", "crane"), "could be the model's"),
        (["CAT"], ("cat", "Cat"), "could be the model's"),
        (["1", "01"], None, "two folders have the number"),
        (["0", "1", "10", "2", "background"], None, "is a number and folder 'background' a name"),
        (["n99999999"], ("cat", "dog"), "none of the model's"),
    ],
)
def test_what_cannot_be_matched_is_refused_with_the_cure(photos, folders, known, message):
    photos(*folders)
    with pytest.raises(DataError, match=message) as told:
        labels(catalog.data("folder:photos"), known)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("target", ["nowhere", "bee", "."], ids=["dangling", "loop", "itself"])
def test_a_link_that_cannot_be_a_class_does_not_shift_the_others(photos, target):
    root = photos("ant", "cat")
    (root / "bee").symlink_to(target)
    if target == ".":
        assert labels(catalog.data("folder:photos"), ("ant", "bee", "cat")) == {"ant": 0, "cat": 2}
    else:
        with pytest.raises(DataError, match="bee: links to nothing"):
            catalog.data("folder:photos")


@pytest.mark.parametrize(
    "extra", ["readme.txt", ".DS_Store", "Thumbs.db", ".hidden/a.png", "bee/a.txt", "bee/.a.png"]
)
def test_what_is_no_image_of_a_class_does_not_shift_the_others(photos, extra):
    root = photos("ant", "cat")
    (root / extra).parent.mkdir(exist_ok=True)
    (root / extra).write_bytes(b"no image")
    assert labels(catalog.data("folder:photos"), ("ant", "bee", "cat")) == {"ant": 0, "cat": 2}


def test_a_file_that_cannot_be_read_does_not_shift_the_others(photos):
    root = photos("ant", "bee", "cat")
    (root / "bee" / "a.png").write_bytes(b"no image")
    dataset = catalog.data("folder:photos")
    assert [dataset.load(place).label for place in (0, 2)] == [0, 2]


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        (b"cat\ndog\n", "dog", 1),
        (b"\xef\xbb\xbfcat\ndog\n", "cat", 0),
        (b"cat\r\ndog\r\n", "dog", 1),
        (b"cat\rdog\r", "dog", 1),
        (b"cat\ndog\n\n\n", "dog", 1),
        (b"  cat  \n\tdog\n", "dog", 1),
        ("a\x85b\ndog".encode(), "dog", 1),
        ("a\u2028b\ndog".encode(), "dog", 1),
        (b"a\x0bb\x1cc\ndog", "dog", 1),
        (f"tea\n{CAFE}".encode(), APART, 1),
        (f"tea\n{APART}".encode(), CAFE, 1),
        (b"one\ntwo\n10", "10", 2),
    ],
)
def test_a_file_of_classes_numbers_its_lines(photos, text, folder, expected):
    photos(folder)
    Path("c.txt").write_bytes(text)
    assert labels(catalog.data("folder:photos,classes=c.txt"), ("x", "y", "z")) == {folder: expected}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "name of one class on each line"),
        (b"\n\n", "name of one class on each line"),
        (b"cat\n\ndog", "name of one class on each line"),
        (b"\ncat", "name of one class on each line"),
        ("cat\ndog".encode("utf-16"), "cannot be read"),
        (b"c\xe4t", "cannot be read"),
        (b"cat\ncat", "is 2 times in"),
        (b"Cat\ndog", "is not in"),
        (f"{CAFE}\n{APART}\nca".encode(), "is not in"),
    ],
)
def test_a_file_of_classes_that_numbers_nothing_is_refused(photos, text, message):
    photos("cat")
    Path("c.txt").write_bytes(text)
    with pytest.raises(DataError, match=message):
        catalog.data("folder:photos,classes=c.txt")
