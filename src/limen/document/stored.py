"""Documents as strict JSON, whose pictures are files beside it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from limen.decoding import read_json
from limen.document.blocks import Document, Picture, Pictures
from limen.errors import LimenError, RunError, UsageError

FORMAT = 1
"""Version of the JSON; raised when an older Limen could no longer read it."""

_NAME = re.compile(r"[A-Za-z0-9_%~][A-Za-z0-9_.=%~-]{0,250}\.png")


def to_json(document: Document) -> str:
    """The document as JSON; a picture is named by its file's name, without the folder.

    Raises:
        UsageError: If a picture is not in a file, or the file's name is not plain.

    Example:
        >>> from limen.document.blocks import Notes
        >>> document = Document("Growth", blocks=[Notes("Weather", ["dry"])])
        >>> from_json(to_json(document), Path(".")) == document
        True
    """
    return json.dumps({"format": FORMAT, **_plain(document)}, ensure_ascii=False, allow_nan=False, indent=1)


def from_json(text: str | bytes, folder: Path) -> Document:
    """Read what `to_json` wrote, and trust none of it.

    Args:
        text: The JSON.
        folder: Where the pictures are; the JSON cannot name a file anywhere else.

    Raises:
        RunError: If it is no document, says what cannot be, or a newer Limen wrote it.
    """
    try:
        document = read_json(Document, text, FORMAT, "a document")
    except RunError:
        raise
    except LimenError as error:
        raise RunError(str(error)) from None
    return _located(document, folder)


def pictures_of(document: Document) -> Iterator[Path]:
    """The files of all pictures.

    Raises:
        UsageError: If a picture is not in a file, or the file's name is not plain.
    """
    rows = (row for block in document.blocks if isinstance(block, Pictures) for row in block.rows)
    for image in (picture.image for row in rows for picture in row.pictures):
        if image is not None:
            yield _named(image)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        content = {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
        return {"kind": type(value).__name__, **content}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, Path | bytes):
        return _named(value).name
    return None if isinstance(value, float) and math.isnan(value) else value


def _named(image: Path | bytes) -> Path:
    if isinstance(image, bytes) or not _NAME.fullmatch(image.name):
        raise UsageError("a picture of a stored document needs a file with a plain name that ends in .png")
    return image


def _located(document: Document, folder: Path) -> Document:
    def place(picture: Picture) -> Picture:
        if picture.image is None:
            return picture
        if not _NAME.fullmatch(str(picture.image)):
            raise RunError(f"names a picture {str(picture.image)!r:.60}, which is no plain file name")
        return replace(picture, image=folder / str(picture.image))

    blocks = [
        replace(block, rows=[replace(row, pictures=[*map(place, row.pictures)]) for row in block.rows])
        if isinstance(block, Pictures)
        else block
        for block in document.blocks
    ]
    return replace(document, blocks=blocks)
