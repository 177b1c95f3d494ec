"""Photographs as people have them: each is read as every viewer shows it, or skipped and named."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, features
from torch import Tensor
from torchvision.transforms import functional as torchvision

from limen.data import batches, csv_table, folder
from limen.data.dataset import Dataset
from limen.errors import LimenError, UsageError
from limen.images import ImageFileError, read_image

WIDTH, HEIGHT = 24, 16


def noise(*shape: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (HEIGHT // 4, WIDTH // 4, *shape), np.uint8)
    return np.kron(coarse, np.ones((4, 4, *(1 for _ in shape)), np.uint8))


def photograph(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(noise(3)).convert(mode)


def oriented(path, orientation: int, picture: Image.Image | None = None) -> None:
    picture = photograph() if picture is None else picture
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(path, exif=exif, quality=100)


def read(path, **how) -> tuple[Dataset, list[Tensor], list[str]]:
    skipped: list[str] = []
    dataset = folder(path, **how)
    found = batches(dataset, range(len(dataset)), 1, lambda name, reason: skipped.append(reason))
    return dataset, [each.images[0] for each in found], skipped


@pytest.fixture
def classes(tmp_path):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    return tmp_path / "photos"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_photograph_is_turned_as_every_viewer_shows_it(classes, suffix, orientation):
    oriented(classes / "cat" / f"a{suffix}", orientation)
    turned = photograph()
    turned.getexif()[0x0112] = orientation
    shown = torchvision.to_tensor(ImageOps.exif_transpose(turned))
    _, (image,), _ = read(classes)
    assert image.shape == shown.shape == ((3, 16, 24) if orientation < 5 else (3, 24, 16))
    assert (image - shown).abs().mean() < 0.05


def test_sizes_are_compared_as_they_are_shown(classes):
    oriented(classes / "cat" / "a.jpg", 6)
    photograph().rotate(90, expand=True).save(classes / "cat" / "b.png")
    assert len(read(classes)[1]) == 2
    oriented(classes / "cat" / "c.jpg", 1)
    with pytest.raises(LimenError, match="24×16"):
        folder(classes)


def animation(path) -> None:
    frames = [photograph(), photograph().rotate(180)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def sixteen(path) -> None:
    Image.fromarray(np.full((HEIGHT, WIDTH), 999, np.uint16)).save(path)


def bytes_of(content: bytes):
    return lambda path: path.write_bytes(content)


HEIC = b"\0\0\0\x18ftypheic" + b"\0" * 40
SKIPPED = {
    "RGBA": (".png", lambda path: photograph("RGBA").save(path), "transparent"),
    "LA": (".png", lambda path: photograph("LA").save(path), "transparent"),
    "CMYK": (".jpg", lambda path: photograph("CMYK").save(path), "CMYK"),
    "16-bit": (".png", sixteen, "16-bit"),
    "16-bit TIFF": (".tif", sixteen, "16-bit"),
    "floats": (".tif", lambda path: photograph("F").save(path), "32-bit floats"),
    "transparent palette": (".png", lambda path: photograph("P").save(path, transparency=0), "transparent"),
    "pages": (".tif", animation, "several frames"),
    "animated PNG": (".png", animation, "several frames"),
    "animated WebP": (".webp", animation, "several frames"),
    "GIF": (".gif", lambda path: photograph("P").save(path), "a GIF file, which is not read"),
    "HEIC": (".heic", bytes_of(HEIC), "a HEIC file, which is not read"),
    "HEIC, upper case": (".HEIC", bytes_of(HEIC), "a HEIC file, which is not read"),
    "HEIC called JPEG": (".jpg", bytes_of(HEIC), "a HEIC file, which is not read"),
    "JPEG XL": (".jxl", bytes_of(b"\xff\x0a"), "a JPEG XL file, which is not read"),
    "empty": (".jpg", bytes_of(b""), "not an image that can be read"),
    "text": (".png", bytes_of(b"<html>404</html>"), "not an image that can be read"),
    "PostScript": (".png", bytes_of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not an image"),
    "truncated": (".jpg", lambda path: path.write_bytes(b"\xff\xd8\xff\xe0\0\x10JFIF"), "cannot|can be read"),
}


@pytest.mark.parametrize("grey", [True, False])
@pytest.mark.parametrize("name", SKIPPED)
def test_what_has_no_single_meaning_is_skipped_named_and_changes_nothing_for_the_others(classes, name, grey):
    suffix, save, reason = SKIPPED[name]
    photograph("L" if grey else "RGB").save(classes / "cat" / "a.png")
    before = read(classes)[1]
    save(classes / "cat" / f"b{suffix}")
    dataset, images, (said,) = read(classes)
    assert len(dataset) == 2
    assert torch.equal(torch.stack(images), torch.stack(before))
    assert images[0].shape[0] == (1 if grey else 3)
    assert f"b{suffix}" in said
    with pytest.raises(ImageFileError, match=reason):
        read_image(classes / "cat" / f"b{suffix}")


READ = {
    "palette": (".png", "P"),
    "1-bit": (".png", "1"),
    "grey": (".jpg", "L"),
    "JFIF": (".jfif", "RGB"),
    "WebP": (".webp", "RGB"),
    "BMP": (".bmp", "RGB"),
    "upper case": (".JPEG", "RGB"),
}


@pytest.mark.parametrize("name", READ)
def test_what_has_one_meaning_is_read(classes, name):
    suffix, mode = READ[name]
    picture = photograph(mode)
    picture.save(classes / "cat" / f"a{suffix}", **({"format": "JPEG"} if suffix == ".jfif" else {}))
    _, (image,), skipped = read(classes)
    shown = torchvision.to_tensor(picture.convert("L" if mode in "1L" else "RGB"))
    assert not skipped
    assert image.shape == shown.shape
    assert (image - shown).abs().mean() < 0.1


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif_is_read(classes):
    photograph().save(classes / "cat" / "a.avif", quality=100)
    _, (image,), _ = read(classes)
    assert (image - torchvision.to_tensor(photograph())).abs().mean() < 0.1


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(("size", "resize"), [(8, 8), (8, 10), (5, 12), (16, 16)])
def test_the_centre_is_cut_out_of_what_the_shorter_side_is_resized_to(classes, size, resize, orientation):
    oriented(classes / "cat" / "a.png", orientation)
    upright = ImageOps.exif_transpose(Image.open(classes / "cat" / "a.png"))
    resized = torchvision.resize(upright, [resize], torchvision.InterpolationMode.BICUBIC)
    expected = torchvision.to_tensor(torchvision.center_crop(resized, [size, size]))
    dataset, (image,), _ = read(classes, size=size, resize=resize)
    torch.testing.assert_close(image, expected)
    assert f"size={size},resize={resize}" in dataset.spec


@pytest.mark.parametrize("how", [{"size": 8}, {"size": 8, "resize": 8}])
def test_masks_are_turned_and_cut_with_their_images(classes, how):
    oriented(classes / "cat" / "a.png", 6)
    upright = ImageOps.exif_transpose(Image.open(classes / "cat" / "a.png"))
    inside = np.zeros(upright.size[::-1], bool)
    inside[:12] = True
    for file in (classes / "cat" / "a.png", classes.parent / "masks" / "cat" / "a.png"):
        file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(inside).save(classes.parent / "masks" / "cat" / "a.png")
    sample = folder(classes, masks=classes.parent / "masks", **how).load(0)
    assert sample.mask.shape == (1, 8, 8)
    assert sample.mask[0, :4].all()
    assert not sample.mask[0, 4:].any()


def test_a_table_of_images_is_cut_likewise(classes):
    photograph().save(classes / "cat" / "a.png")
    with (classes / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "label"], ["cat/a.png", 0]])
    made = csv_table(classes / "t.csv", size=8, resize=10).load(0).image
    torch.testing.assert_close(made, folder(classes, size=8, resize=10).load(0).image)


@pytest.mark.parametrize("how", [{"resize": 10}, {"size": 12, "resize": 10}])
def test_a_square_that_does_not_fit_is_refused(classes, how):
    photograph().save(classes / "cat" / "a.png")
    with pytest.raises(UsageError, match="give the side of the square too"):
        folder(classes, **how)
