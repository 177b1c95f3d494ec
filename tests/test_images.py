from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from limen.errors import LimenError, UsageError
from limen.images import (
    READ_SUFFIXES,
    ImageFileError,
    check_images,
    check_pair,
    dot,
    from_uint8,
    norm,
    per_sample,
    quantize,
    read_image,
    to_uint8,
    write_image,
)

GREY = np.random.default_rng(0).integers(0, 256, (13, 17), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (13, 17, 3), dtype=np.uint8)
ALL_VALUES = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


# Checks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (0, 3, 4, 5), (2, 4, 6, 6), (2, 3, 4, 3)])
def test_good_images_pass(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    check_images(torch.rand(shape, dtype=dtype))
    check_images(torch.rand(shape, dtype=dtype, requires_grad=True))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 3, 4, 4)), "must be a torch.Tensor, not ndarray"),
        (torch.zeros(3, 4, 4), r"shape \(3, 4, 4\); expected \(N, C, H, W\)"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "divide by 255"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.float16), "float16; use torch.float32 or torch.float64"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.int64), "int64; use"),
        (torch.zeros(1, 8, 8, 3), r"looks like \(N, H, W, C\); call images.permute\(0, 3, 1, 2\)"),
        (torch.zeros(1, 8, 8, 1), r"looks like \(N, H, W, C\)"),
        (torch.zeros(1, 3, 0, 4), "no pixels"),
        (torch.full((1, 3, 4, 4), 255.0), "from 255 to 255; scale them"),
        (torch.linspace(-1, 1, 48).view(1, 3, 4, 4), r"from -1 to 1; scale them to \[0, 1\]"),
    ],
    ids=["numpy", "3-D", "uint8", "half", "integers", "HWC", "HW1", "no pixels", "0 to 255", "-1 to 1"],
)
def test_bad_images_are_refused_with_the_cure(images, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check_images(images, "the photographs")
    assert str(caught.value).startswith("the photographs")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 23, 47])
def test_a_single_value_that_is_not_finite_is_found(value: float, place: int) -> None:
    images = torch.rand(1, 3, 4, 4)
    images.view(-1)[place] = value
    with pytest.raises(UsageError, match="NaN or infinite"):
        check_images(images)


@pytest.mark.parametrize("value", [-1e-6, 1 + 1e-6])
def test_a_single_value_just_outside_is_found(value: float) -> None:
    images = torch.rand(1, 3, 4, 4)
    images[0, 1, 2, 3] = value
    with pytest.raises(UsageError, match="scale them"):
        check_images(images)


def test_pairs_must_agree_in_shape_and_dtype() -> None:
    images = torch.rand(2, 3, 4, 4)
    check_pair(images, images)
    with pytest.raises(UsageError, match=r"differ in shape: \(2, 3, 4, 4\) and \(1, 3, 4, 4\)"):
        check_pair(images, images[:1])
    with pytest.raises(UsageError, match=r"float32 on cpu, and torch\.float64 on cpu"):
        check_pair(images, images.double())
    with pytest.raises(UsageError, match="the second images reach"):
        check_pair(images, images + 1)


# Per-sample numbers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", [0.5, torch.tensor(0.5), torch.full((2,), 0.5), torch.full((2,), 0.5).double()]
)
def test_a_number_or_one_a_sample_broadcasts_over_images(value) -> None:
    images = torch.ones(2, 3, 4, 4)
    assert per_sample(value, images).shape == (2, 1, 1, 1)
    assert (per_sample(value, images) * images == 0.5).all()
    assert per_sample(value, images.double()).dtype == torch.float64


def test_every_sample_keeps_its_own_number() -> None:
    images = torch.ones(3, 1, 2, 2)
    assert (per_sample(torch.tensor([1.0, 2.0, 3.0]), images) * images).flatten(1)[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("value", [torch.ones(3), torch.ones(2, 1), torch.ones(1)])
def test_numbers_of_another_count_are_refused(value: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=r"eps has shape .*; expected a number or shape \(2,\)"):
        per_sample(value, torch.ones(2, 3, 4, 4), "eps")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor([1.0, float("nan")])])
def test_numbers_that_are_not_finite_are_refused(value) -> None:
    with pytest.raises(UsageError, match="eps holds NaN or infinite"):
        per_sample(value, torch.ones(2, 3, 4, 4), "eps")


@settings(max_examples=30, deadline=None)
@given(
    shape=st.sampled_from([(3, 3, 5, 4), (1, 1, 1, 1), (2, 7), (0, 3, 4, 4)]),
    order=st.sampled_from([0, 1, 2, 3.5, np.inf]),
    seed=st.integers(0, 10**6),
)
def test_norm_and_dot_equal_numpy(shape: tuple[int, ...], order: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-3, 4, (2, *shape)) / 4
    norms = [np.linalg.norm(x.ravel(), order) for x in a]
    np.testing.assert_allclose(norm(torch.from_numpy(a), order).numpy(), norms, rtol=1e-13)
    dots = [np.vdot(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(
        dot(torch.from_numpy(a), torch.from_numpy(b)).numpy(), dots, rtol=1e-13, atol=1e-13
    )


@pytest.mark.parametrize("order", [1, 2])
def test_norm_keeps_six_digits_over_a_million_float32_values(order: int) -> None:
    batch = torch.rand(1, 3, 600, 600, generator=torch.Generator().manual_seed(0)) * 0.1
    expected = np.linalg.norm(batch.double().numpy().ravel(), order)
    assert norm(batch, order).item() == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("order", [1, 2, np.inf])
def test_norm_of_zero_has_a_zero_gradient(order: float) -> None:
    batch = torch.zeros(2, 3, 4, 4, requires_grad=True)
    norm(batch, order).sum().backward()
    assert torch.equal(batch.grad, torch.zeros(2, 3, 4, 4))


# The 8-bit lattice ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_8_bit_values_survive_the_round_trip(dtype: torch.dtype) -> None:
    images = from_uint8(ALL_VALUES)
    assert images.dtype == torch.float32
    assert images.shape == (1, 1, 16, 16)
    assert np.array_equal(to_uint8(images.to(dtype)), ALL_VALUES)
    exact = torch.arange(256, dtype=dtype).view(1, 1, 16, 16) / 255
    assert np.array_equal(to_uint8(exact), ALL_VALUES)
    assert torch.equal(quantize(exact), exact)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), dtype=st.sampled_from((torch.float32, torch.float64)))
def test_quantized_images_are_what_the_file_stores(seed: int, dtype: torch.dtype) -> None:
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    rounded = quantize(images)
    assert ((rounded - images).abs() <= 0.5 / 255 + 1e-7).all()
    assert torch.equal(quantize(rounded), rounded)
    assert np.array_equal(to_uint8(rounded), to_uint8(images))
    torch.testing.assert_close(from_uint8(to_uint8(images)).to(dtype), rounded, rtol=0, atol=6e-8)
    if dtype == torch.float32:
        assert torch.equal(from_uint8(to_uint8(images)), rounded)


def test_quantize_knows_other_lattices_and_none() -> None:
    images = torch.tensor([0.0, 0.2, 0.4, 0.8])
    assert quantize(images, 1).tolist() == [0, 0, 0, 1]
    torch.testing.assert_close(quantize(images, 3), torch.tensor([0, 1 / 3, 1 / 3, 2 / 3]))
    assert quantize(images, None) is images


def test_quantize_leaves_its_argument_alone() -> None:
    images = torch.rand(2, 3, 4, 4)
    before = images.clone()
    quantize(images)
    to_uint8(images)
    assert torch.equal(images, before)


def test_pixels_are_laid_out_as_files_have_them() -> None:
    pixels = np.stack([RGB, RGB[::-1]])
    images = from_uint8(pixels)
    assert images.shape == (2, 3, 13, 17)
    assert images.is_contiguous()
    assert images[1, 2, 0, 4].item() == pytest.approx(RGB[-1, 4, 2] / 255)
    assert np.array_equal(to_uint8(images), pixels)
    assert to_uint8(images[:0]).shape == (0, 13, 17, 3)


def test_from_uint8_neither_needs_nor_shares_writable_memory() -> None:
    pixels = ALL_VALUES.copy()
    pixels.flags.writeable = False
    images = from_uint8(pixels)
    images.zero_()
    assert pixels.max() == 255


# Files ----------------------------------------------------------------------------------------


def png(path: Path, bits: int, colour_type: int, rows: np.ndarray) -> Path:
    """Write a PNG by hand, as Pillow writes no 16-bit colour."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", rows.shape[1], rows.shape[0], bits, colour_type, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("suffix", sorted(READ_SUFFIXES - {".jpg", ".jpeg", ".jfif", ".avif"}))
def test_lossless_rgb_files_give_their_pixels(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == ".webp" else {}
    Image.fromarray(RGB).save(tmp_path / f"x{suffix}", **options)
    image = read_image(tmp_path / f"x{suffix}")
    assert image.dtype == torch.float32
    assert np.array_equal(to_uint8(image[None])[0], RGB)
    assert torch.equal(quantize(image), image)


def test_jpeg_files_are_read(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), (200, 100, 50)).save(tmp_path / "x.jpg", quality=95)
    image = read_image(tmp_path / "x.jpg")
    assert image.shape == (3, 10, 20)
    torch.testing.assert_close(image.mean((1, 2)) * 255, torch.tensor([200.0, 100.0, 50.0]), rtol=0, atol=3)


def test_grey_and_two_tone_files_give_one_channel(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    assert np.array_equal(to_uint8(read_image(tmp_path / "grey.png")[None])[0, ..., 0], GREY)
    Image.fromarray(GREY > 127).save(tmp_path / "tones.png")
    assert np.array_equal(read_image(tmp_path / "tones.png")[0].numpy(), (GREY > 127).astype(np.float32))


def test_palette_files_give_their_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "x.png")
    assert np.array_equal(
        to_uint8(read_image(tmp_path / "x.png")[None])[0], np.asarray(palette.convert("RGB"))
    )


def test_size_resizes_to_a_square_on_the_lattice(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "x.png")
    image = read_image(tmp_path / "x.png", size=8)
    expected = np.asarray(Image.fromarray(RGB).resize((8, 8), Image.Resampling.BICUBIC))
    assert np.array_equal(to_uint8(image[None])[0], expected)
    assert torch.equal(quantize(image), image)


def unusable_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Every kind of file that must be refused, with what the message must say."""
    deep = RGB.astype(">u2") * 257
    Image.fromarray(GREY.astype(np.uint16) * 257).save(folder / "grey16.png")
    Image.fromarray(GREY.astype(np.uint16) * 257).save(folder / "grey16.tif")
    (folder / "rgb16.ppm").write_bytes(b"P6 17 13 65535\n" + deep.tobytes())
    Image.fromarray(RGB).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(RGB).convert("RGBA").save(folder / "rgba.png")
    Image.fromarray(GREY).convert("LA").save(folder / "la.png")
    Image.fromarray(RGB).quantize(16).save(folder / "palette.png", transparency=3)
    Image.fromarray(RGB).save(folder / "key.png", transparency=(1, 2, 3))
    Image.fromarray(GREY.astype(np.float32)).save(folder / "float.tif")
    for suffix in ("png", "jpg", "bmp", "webp", "ppm"):
        whole = folder / f"whole.{suffix}"
        Image.fromarray(RGB).save(whole)
        (folder / f"half.{suffix}").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    Image.fromarray(RGB).save(folder / "postscript.png", format="EPS")
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").write_bytes(b"")
    (folder / "folder.png").mkdir()
    png(folder / "rgb16.png", 16, 2, deep.reshape(13, 17, 3))
    said = {
        **dict.fromkeys(
            ("grey16.png", "grey16.tif", "rgb16.png", "rgb16.ppm"), "16-bit; convert it to 8-bit RGB"
        ),
        "cmyk.jpg": "CMYK; convert it",
        **dict.fromkeys(("rgba.png", "la.png", "palette.png", "key.png"), "transparent"),
        "float.tif": "32-bit floats; convert it",
        **{f"half.{suffix}": "cannot be read" for suffix in ("png", "jpg", "bmp", "webp", "ppm")},
        **dict.fromkeys(("text.png", "empty.png", "postscript.png"), "not an image"),
        "folder.png": "a folder, where a file belongs",
        "absent.png": "no such file",
    }
    return {name: (folder / name, message) for name, message in said.items()}


def test_unusable_files_are_refused_by_name_and_with_the_cure(tmp_path: Path) -> None:
    for path, message in unusable_files(tmp_path).values():
        with pytest.raises(ImageFileError) as caught:
            read_image(path)
        assert str(path) in str(caught.value)
        assert message in str(caught.value), str(caught.value)


def test_an_8_bit_file_written_the_same_way_is_read(tmp_path: Path) -> None:
    assert np.array_equal(to_uint8(read_image(png(tmp_path / "x.png", 8, 2, RGB))[None])[0], RGB)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "ppm"])
def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(RGB).save(path)
    content, whole = path.read_bytes(), read_image(path)
    refused = 0
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        try:
            assert torch.equal(read_image(path), whole)
        except ImageFileError:
            refused += 1
    assert refused >= 0.9 * len(range(0, len(content), 7))


def test_a_bad_file_is_no_misuse() -> None:
    assert issubclass(ImageFileError, LimenError)
    assert ImageFileError.exit_code == 1
    assert not issubclass(ImageFileError, UsageError)


@pytest.mark.parametrize(
    ("images", "kind"),
    [
        (torch.zeros(1, 3, 4, 4).to_sparse(), "torch.sparse_coo"),
        (torch.empty(1, 3, 4, 4, device="meta"), "meta"),
    ],
    ids=["sparse", "meta"],
)
def test_a_tensor_that_holds_no_dense_values_is_refused(images, kind):
    with pytest.raises(UsageError, match=f"are a {kind} tensor; pass a dense one"):
        check_images(images)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".tiff", ".ppm"])
@pytest.mark.parametrize("pixels", [GREY[..., None], RGB], ids=["grey", "colour"])
def test_a_written_image_is_read_back_pixel_by_pixel(tmp_path: Path, suffix: str, pixels) -> None:
    image = from_uint8(pixels[None])[0]
    write_image(tmp_path / f"a{suffix}", image)
    assert torch.equal(read_image(tmp_path / f"a{suffix}"), image)


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.jpg", torch.zeros(3, 4, 4), "keep every pixel"),
        ("a.webp", torch.zeros(3, 4, 4), "keep every pixel"),
        ("a", torch.zeros(3, 4, 4), "keep every pixel"),
        ("a.png", torch.zeros(1, 3, 4, 4), r"shape \(1, 3, 4, 4\)"),
        ("a.png", torch.zeros(4, 4), r"shape \(4, 4\)"),
        ("a.png", torch.zeros(2, 4, 4), "1 or 3 channels"),
        ("a.png", RGB, "1 or 3 channels"),
        ("a.png", torch.full((3, 4, 4), 1.5), "scale them"),
        ("a.png", torch.full((3, 4, 4), torch.nan), "NaN"),
        ("missing/a.png", torch.zeros(3, 4, 4), "No such file"),
        ("nul\0.png", torch.zeros(3, 4, 4), "cannot be written"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is(tmp_path, name, image, message) -> None:
    with pytest.raises(LimenError, match=message):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())
