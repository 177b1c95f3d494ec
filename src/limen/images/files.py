"""Image files: what is read of them, and written."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError, features
from torch import Tensor

from limen.errors import LimenError, UsageError, changed_filters, reason
from limen.images.crop import Crop, Interpolation
from limen.images.tensors import LATTICE, check_images, from_uint8, oddity, to_uint8
from limen.safety import UnsafeError, check_fits, check_replaceable, opened

READ_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".ppm"}
)
"""Endings of the files that are read."""

_UNREAD = {
    ".heic": "HEIC",
    ".heif": "HEIF",
    ".gif": "GIF",
    ".jxl": "JPEG XL",
    ".jp2": "JPEG 2000",
    ".dng": "raw",
}

IMAGE_SUFFIXES = READ_SUFFIXES | _UNREAD.keys()
"""Endings of the files that are images: those that are not read are named, and not passed over."""

_LOSSLESS = {".png": "PNG", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF", ".ppm": "PPM"}
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", *(["AVIF"] if features.check("avif") else []))
_SIGNED = re.compile(rb"....ftyp(heic|heix|hevc|mif1|msf1|avif)", re.DOTALL)
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by its EXIF orientation."""

_LYING = (5, 6, 7, 8)  # the orientations that exchange width and height
_FLOAT = 8  # bytes that a value takes: as a float, and as a byte before and after


class ImageFileError(LimenError):
    """An image file cannot be used as it is; the message names the file and the cure."""


def read_image(
    path: Path | str,
    size: int | None = None,
    resize: int | None = None,
    interpolation: Interpolation = "bicubic",
    root: Path | None = None,
) -> Tensor:
    """Read an 8-bit grey or RGB image file as float32 (C, H, W) in [0, 1], on the 8-bit lattice.

    A photograph that was taken with the camera on its side is turned as its EXIF orientation says, as every
    viewer shows it.

    Args:
        path: A PNG, JPEG, WebP, AVIF, BMP, TIFF or PPM file.
        size: If given, resize to this height and width (antialiased, in 8 bits).
        resize: If given, resize the shorter side to this instead, and cut the square of `size` out of the
            centre, as most networks have been measured.
        interpolation: How to resize.
        root: The resolved folder that the file must lie in when all links are followed; None for anywhere.

    Raises:
        UsageError: If `size` or `resize` is out of range.
        ImageFileError: If the file is missing, truncated, no image, or has 16-bit, CMYK or transparent pixels
            or several frames, whose meaning as 8-bit RGB only the owner of the file can settle; if it is a
            pipe or device, lies outside of `root`, or would not fit into memory.
    """
    crop = Crop(size, resize, interpolation)
    with reading(path, root) as file:
        flaw = unusable(file)
        if flaw:
            raise ImageFileError(f"{path}: pixels are {flaw}; convert it to 8-bit RGB")
        turn = _TURNS.get(_orientation(file))
        if size is None:
            check_fits(file.width * file.height * len(file.getbands()) * _FLOAT)
        file.load()
        plain = file.convert(_PLAIN_MODES[file.mode]) if file.mode in _PLAIN_MODES else file
        upright = plain if turn is None else plain.transpose(turn)
        pixels = np.asarray(crop(upright))
    return from_uint8(pixels.reshape(1, *pixels.shape[:2], -1))[0]


def shown_size(file: Image.Image) -> tuple[int, int]:
    """Width and height of an opened image, turned as its EXIF orientation says; no pixel is decoded."""
    width, height = file.size
    return (height, width) if _orientation(file) in _LYING else (width, height)


def _orientation(file: Image.Image) -> int:
    """How an opened image is stored, by EXIF's number; Pillow itself turns a TIFF."""
    # Asked of the base class, as a PNG would decode all its pixels to look for what may come after them.
    return 1 if file.format == "TIFF" else Image.Image.getexif(file).get(ExifTags.Base.Orientation, 1)


def write_image(path: str | Path, image: Tensor) -> None:
    """Write one image as an 8-bit file from which `read_image` gets back every pixel.

    Args:
        path: Where; the name ends in .png, .bmp, .tif, .tiff or .ppm. JPEG and WebP would change the pixels
            that an attack has chosen.
        image: (C, H, W) in [0, 1], of 1 or 3 channels; values between two levels of 8 bits are rounded.

    Raises:
        UsageError: If it is no such image, or the name has another ending.
        ImageFileError: If the file cannot be written.

    Example:
        >>> import tempfile, torch
        >>> image = torch.rand(3, 4, 5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_image(f"{folder}/a.png", image)
        ...     bool((read_image(Path(folder, "a.png")) - image).abs().max() <= 0.5 / LATTICE + 1e-6)
        True
    """
    plain = isinstance(image, Tensor) and not oddity(image)
    path, shape = Path(path), tuple(image.shape) if plain else type(image).__name__
    if path.suffix.lower() not in _LOSSLESS:
        endings = ", ".join(sorted(_LOSSLESS))
        raise UsageError(f"{path}: choose a name that ends in {endings}, whose files keep every pixel")
    if not plain or len(shape) != 3 or shape[0] not in (1, 3):
        what = f"has shape {shape}" if plain else f"is {shape}"
        raise UsageError(f"the image {what}; expected a tensor (C, H, W) with 1 or 3 channels")
    check_images(image[None], "the image")
    pixels, content = to_uint8(image[None])[0], io.BytesIO()
    Image.fromarray(pixels[..., 0] if shape[0] == 1 else pixels).save(content, _LOSSLESS[path.suffix.lower()])
    try:
        check_replaceable(path)
        path.write_bytes(content.getvalue())
    except OSError as error:
        raise ImageFileError(f"{path}: cannot be written ({reason(error)}); choose another name") from error


@contextmanager
def reading(path: Path | str, root: Path | None = None) -> Iterator[ImageFile.ImageFile]:
    """Open an image file that nobody vouches for, without its pixels.

    Args:
        path: The file.
        root: The resolved folder that it must lie in when all links are followed; None for anywhere.

    Raises:
        ImageFileError: If it is missing or no image, or whatever is done with it meanwhile shows that it is
            broken.
    """
    kind = None
    try:
        with opened(path, root) as stream:
            kind = _kind(Path(path), stream.read(12))
            stream.seek(0)
            with _open(stream) as file:
                yield file
    except LimenError:
        raise
    except FileNotFoundError:
        raise ImageFileError(f"{path}: no such file") from None
    except UnsafeError as error:
        raise ImageFileError(f"{path}: {error}; put a copy of an image there, or remove it") from error
    except UnidentifiedImageError:
        what = kind or "not an image that can be read"
        raise ImageFileError(f"{path}: {what}; remove it or save it as PNG") from None
    except Exception as error:  # of a dozen kinds, as decoders meet arbitrary bytes
        why = reason(error)
        raise ImageFileError(f"{path}: cannot be read ({why}); save it again or remove it") from error


def _open(stream: IO[bytes]) -> ImageFile.ImageFile:
    """Open a file of the formats that `READ_SUFFIXES` are of, whatever its name, without its pixels.

    Pillow knows more: a PostScript file, which it would give to Ghostscript to run, may be called `cat.png`.
    """
    with changed_filters():
        # The photographs of some telephones have more pixels than Pillow trusts, and fewer than it refuses.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(stream, formats=_FORMATS)


def _kind(path: Path, start: bytes) -> str | None:
    """What a file that is not read is, by its first bytes, and else by its name."""
    signature = _SIGNED.match(start)
    kind = ("AVIF" if signature[1] == b"avif" else "HEIC") if signature else _UNREAD.get(path.suffix.lower())
    return None if kind is None else f"a {kind} file, which is not read"


_PLAIN_MODES = {"P": "RGB", "1": "L"}

_MODES = {
    "CMYK": "CMYK",
    "I;16": "16-bit",
    "I;16B": "16-bit",
    "I": "32-bit integers",
    "F": "32-bit floats",
    "RGBA": "transparent (RGBA)",
    "LA": "transparent (grey and alpha)",
}


def unusable(file: ImageFile.ImageFile) -> str | None:
    """What keeps an opened, not yet loaded file from having one meaning as 8-bit grey or RGB, if anything."""
    if file.mode not in ("L", "RGB", *_PLAIN_MODES):
        return _MODES.get(file.mode, file.mode)
    if "transparency" in file.info:
        return "transparent"
    # A photograph of several pictures, as telephones store them, begins with the one that is shown.
    if file.format != "MPO" and getattr(file, "n_frames", 1) > 1:
        return "those of several frames"
    return "16-bit" if any(_has_16_bits(tile.codec_name, tile.args) for tile in file.tile) else None


def _has_16_bits(codec: str, arguments: object) -> bool:
    # Pillow opens 16-bit colour as mode RGB and drops the low bytes unsaid; only the decoder's settings tell.
    raw_mode, *rest = arguments if isinstance(arguments, tuple) else (arguments,)
    highest_value = rest[0] if codec.startswith("ppm") and rest else LATTICE
    return bool(re.match(r"(RGBX?|[RGB]);16", str(raw_mode))) or highest_value > LATTICE
