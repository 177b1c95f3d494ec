from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limen import catalog
from limen.data import DataError, batches, folder, nips2017, npz
from limen.errors import UsageError

RNG = np.random.default_rng(0)
NAMES = ("cat/1.JPG", "cat/2.png", "dog/1.png")
MASKS = {name: RNG.integers(0, 2, (6, 8), dtype=np.uint8) for name in NAMES}


def save(path: Path, pixels: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def pets(tmp_path) -> Path:
    """A folder `pets` of 8×6 photographs, and their masks in the folder `masks` and in `masks.npz`."""
    for name in NAMES:
        save(tmp_path / "pets" / name, RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    for place, (name, mask) in enumerate(MASKS.items()):
        file = tmp_path / "masks" / Path(name).with_suffix(".png")
        save(file, mask * np.uint8(255 if place else 1), "1" if place == 1 else "L")
    np.savez(tmp_path / "masks.npz", **MASKS)
    return tmp_path


@pytest.mark.parametrize("masks", ["masks", "masks.npz"])
def test_masks_beside_the_images_come_with_the_samples(pets, masks):
    dataset = folder(pets / "pets", masks=pets / masks)
    (batch,) = batches(dataset, [2, 0, 1], 3, pytest.fail)
    assert batch.masks.shape == (3, 1, 6, 8)
    for name, mask in zip(batch.ids, batch.masks, strict=True):
        assert mask[0].int().numpy().tolist() == MASKS[name].tolist()


@pytest.mark.parametrize("masks", ["masks", "masks.npz"])
def test_a_mask_is_resized_with_its_image_to_the_nearest_pixels(pets, masks):
    dataset = folder(pets / "pets", size=24, masks=pets / masks)
    for index, name in enumerate(dataset.ids):
        sample = dataset.load(index)
        assert sample.image.shape[1:] == sample.mask.shape[1:] == (24, 24)
        assert sample.mask[0].int().numpy().tolist() == MASKS[name].repeat(4, 0).repeat(3, 1).tolist()


def test_a_spec_names_the_masks(pets, monkeypatch):
    monkeypatch.chdir(pets)
    dataset = catalog.data("folder:pets,masks=masks.npz")
    assert dataset.spec == "folder:pets,masks=masks.npz"
    assert dataset.load(1).mask.any()
    assert catalog.data("folder:pets").load(1).mask is None


def test_the_fingerprint_covers_masks_that_have_been_read(pets):
    before = folder(pets / "pets", masks=pets / "masks.npz").fingerprint()
    np.savez(pets / "masks.npz", **{**MASKS, "cat/2.png": 1 - MASKS["cat/2.png"]})
    after = folder(pets / "pets", masks=pets / "masks.npz").fingerprint()
    assert len({before, after, folder(pets / "pets").fingerprint()}) == 3


def skipped(dataset) -> dict[str, str]:
    """What is left out, and why."""
    reasons = {}
    for _ in batches(dataset, range(len(dataset)), 8, reasons.__setitem__):
        pass
    return reasons


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((8, 6), np.uint8), "the mask is 6×8 pixels, and its image .* is 8×6"),
        (np.ones((6, 8, 3), np.uint8), "a mask in mode RGB; save it with 8-bit or 1-bit grey pixels"),
        (np.ones((6, 8), np.uint16), "a mask in mode I;16"),
    ],
)
def test_a_mask_of_another_form_costs_its_sample_and_no_other(pets, mask, message):
    save(pets / "masks" / "dog" / "1.png", mask)
    reasons = skipped(folder(pets / "pets", masks=pets / "masks"))
    assert [*reasons] == ["dog/1.png"]
    assert re.search(message, reasons["dog/1.png"])


def test_a_mask_that_cannot_be_read_or_leads_out_costs_its_sample(pets, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "1.png"
    save(outside, MASKS["dog/1.png"])
    (pets / "masks/dog/1.png").unlink()
    os.symlink(outside, pets / "masks/dog/1.png")
    (pets / "masks/cat/2.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\nshowpage\n")
    reasons = skipped(folder(pets / "pets", masks=pets / "masks"))
    assert "place outside" in reasons["dog/1.png"]
    assert "not an image" in reasons["cat/2.png"]
    assert "cat/1.JPG" not in reasons


def test_a_missing_mask_or_folder_is_refused_at_once(pets):
    (pets / "masks/cat/2.png").unlink()
    with pytest.raises(DataError, match=r"masks.cat.2\.png: no such mask; .*pets.cat.2\.png needs one"):
        folder(pets / "pets", masks=pets / "masks")
    with pytest.raises(UsageError, match="nowhere: no such folder"):
        folder(pets / "pets", masks=pets / "nowhere")


def test_two_images_do_not_share_a_mask(pets):
    shutil.copy(pets / "pets/cat/2.png", pets / "pets/cat/2.bmp")
    with pytest.raises(DataError, match=r"2\.png: the mask of both .*2\.bmp and .*2\.png; rename"):
        folder(pets / "pets", masks=pets / "masks")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cat/2.png": np.ones((6, 8, 1), bool)}, r"2\.png is bool of shape \(6, 8, 1\); expected an array"),
        ({"cat/2.png": np.ones((6, 8))}, "is float64"),
        ({"cat/2.png": np.array([object()])}, "not a NumPy archive of plain arrays"),
    ],
)
def test_an_archive_of_other_arrays_is_refused(pets, changed, message):
    np.savez(pets / "masks.npz", **{**MASKS, **changed})
    with pytest.raises(DataError, match=message):
        folder(pets / "pets", masks=pets / "masks.npz")


def test_an_archive_that_lacks_a_mask_or_has_a_wrong_size_is_refused(pets):
    np.savez(pets / "masks.npz", **{name: MASKS[name] for name in NAMES[:2]})
    with pytest.raises(DataError, match=r"under the name of each sample; dog/1\.png is missing"):
        folder(pets / "pets", masks=pets / "masks.npz")
    np.savez(pets / "masks.npz", **{**MASKS, "dog/1.png": np.ones((3, 3), bool)})
    reasons = skipped(folder(pets / "pets", masks=pets / "masks.npz"))
    assert "masks.npz, dog/1.png: the mask is 3×3 pixels" in reasons["dog/1.png"]


@pytest.mark.parametrize("archived", [False, True])
def test_the_competitions_images_have_masks_under_their_ids(tmp_path, archived):
    table = "ImageId,TrueLabel,TargetClass\n"
    for name, mask in zip(("a.b", "c"), MASKS.values(), strict=False):
        save(tmp_path / "images" / f"{name}.png", np.zeros((6, 8, 3), np.uint8))
        save(tmp_path / "masks" / f"{name}.png", mask)
        table += f"{name},1,2\n"
    (tmp_path / "images.csv").write_text(table)
    np.savez(tmp_path / "masks.npz", **{"a.b": MASKS["cat/1.JPG"], "c": MASKS["cat/2.png"]})
    dataset = nips2017(tmp_path, masks=tmp_path / ("masks.npz" if archived else "masks"))
    for index, mask in enumerate([*MASKS.values()][:2]):
        assert dataset.load(index).mask[0].int().numpy().tolist() == mask.tolist()
    assert dataset.fingerprint() != nips2017(tmp_path).fingerprint() or not archived


def test_an_archive_of_images_may_hold_masks_and_groups(tmp_path):
    arrays = {"x": np.zeros((2, 6, 8, 3), np.uint8), "y": np.array([0, 1])}
    masks = np.stack([*MASKS.values()][:2])
    np.savez(tmp_path / "a.npz", **arrays, mask=masks, group=np.array(["day", "night"]))
    (batch,) = batches(npz(tmp_path / "a.npz"), range(2), 2, pytest.fail)
    assert batch.masks[:, 0].int().numpy().tolist() == masks.tolist()
    assert batch.groups == ("day", "night")
    np.savez(tmp_path / "b.npz", **arrays, group=np.array([3, 4]))
    assert npz(tmp_path / "b.npz").load(1).group == "4"
    np.savez(tmp_path / "c.npz", **arrays, group=np.array([0.5, 1]))
    with pytest.raises(DataError, match=r"group is float64 of shape \(2,\); expected texts or integers"):
        npz(tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", **arrays, mask=masks[:, :3])
    with pytest.raises(DataError, match=r"the masks are uint8 of shape \(2, 3, 8\)"):
        npz(tmp_path / "d.npz")
