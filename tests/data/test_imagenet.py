from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from limen import catalog
from limen.data import DataError, imagenet
from limen.errors import UsageError

LISTED = "n02123045 tabby\nn01440764\n"


@pytest.fixture
def ten(tmp_path):
    """A folder with images of three classes, and `classes.txt`, which lists two of them."""
    for split in ("val", "train"):
        for number in ("n01440764", "n02123045", "n02085620"):
            folder = tmp_path / split / number
            folder.mkdir(parents=True)
            Image.new("RGB", (8, 6)).save(folder / f"{split}.JPEG")
    (tmp_path / "classes.txt").write_text(LISTED)
    return tmp_path


def labels(dataset) -> dict[str, int]:
    return {dataset.ids[index]: dataset.load(index).label for index in range(len(dataset))}


def test_labels_are_the_places_in_the_list(ten):
    dataset = imagenet(ten, classes=ten / "classes.txt")
    assert labels(dataset) == {"n02123045/val.JPEG": 0, "n01440764/val.JPEG": 1}
    assert dataset.class_names[0] == "tabby"
    assert dataset.class_names[1].startswith("tench")
    assert dataset.numbered


def test_labels_can_be_imagenets_own(ten):
    dataset = imagenet(ten, classes=ten / "classes.txt", numbering="imagenet", split="train")
    assert labels(dataset) == {"n02123045/train.JPEG": 281, "n01440764/train.JPEG": 0}
    assert len(dataset.class_names) == 1000


def test_a_spec_names_all_of_it_and_masks_come_along(ten, monkeypatch):
    monkeypatch.chdir(ten)
    for number in ("n01440764", "n02123045"):
        (ten / "masks" / number).mkdir(parents=True)
        Image.fromarray(np.eye(6, 8, dtype=np.uint8)).save(ten / "masks" / number / "val.png")
    spec = "imagenet:.,classes=classes.txt,numbering=imagenet,size=24,masks=masks"
    dataset = catalog.data(spec)
    assert dataset.spec == spec
    assert dataset.load(0).mask.shape == (1, 24, 24)
    assert dataset.load(0).mask.sum() == 6 * 4 * 3


def test_the_folder_of_a_split_may_be_a_link_to_another_below(ten):
    (ten / "val").rename(ten / "validation")
    (ten / "val").symlink_to("validation")
    dataset = imagenet(ten, classes=ten / "classes.txt")
    assert labels(dataset) == {"n02123045/val.JPEG": 0, "n01440764/val.JPEG": 1}


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ("n01440764\ntabby\n", "line 2: 'tabby' has no number such as n01440764"),
        ("n01440764\nn01440764 again\n", "line 2: n01440764 is listed a second time"),
        ("n99999999\n", "n99999999 is none of ImageNet's 1000 classes"),
        ("n01443537\n", "n01443537: no such folder; .* lists the class"),
    ],
)
def test_a_broken_list_is_refused(ten, listed, message):
    (ten / "classes.txt").write_text(listed)
    with pytest.raises(DataError, match=message):
        imagenet(ten, classes=ten / "classes.txt")


def test_the_list_is_needed_and_a_link_out_is_not_followed(ten, tmp_path_factory):
    with pytest.raises(UsageError, match="classes is missing"):
        catalog.data(f"imagenet:{ten}")
    outside = tmp_path_factory.mktemp("outside") / "n01443537"
    outside.mkdir()
    (ten / "val" / "n01443537").symlink_to(outside)
    (ten / "classes.txt").write_text("n01443537\n")
    with pytest.raises(DataError, match="no such folder"):
        imagenet(ten, classes=ten / "classes.txt")
