"""Where the pictures of a page lie: inside it, or as files in a folder beside it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import quote

from markupsafe import Markup

from limen.errors import LimenError, reason

Place = Literal["inside", "beside"]
"""Where to put pictures: into the one file of the page, or into a folder beside it."""

_NAME = re.compile(r"[0-9a-f]{32}\.png")


class Shelf(Protocol):
    """Takes the pictures of a page."""

    def place(self, content: bytes) -> Markup:
        """Keep a PNG.

        Returns:
            The attribute of its `img` by which the page finds it.
        """
        ...


class Plain:
    """Each picture as a URL of its own data, which needs no script."""

    def place(self, content: bytes) -> Markup:
        """The picture's source."""
        return Markup('src="{}"').format(data_url(content))


class Inside:
    """Pictures at the end of the page, each once, which a script hands out when they come into view.

    So a browser lays the page out, and shows it, before it has read them, and decodes what is looked at.

    Attributes:
        held: The pictures in base64, by the number that stands in their `img`.
    """

    def __init__(self) -> None:
        self.held: list[str] = []
        self._places: dict[bytes, int] = {}

    def place(self, content: bytes) -> Markup:
        """The picture's number."""
        digest = hashlib.sha256(content).digest()
        if digest not in self._places:
            self._places[digest] = len(self.held)
            self.held.append(base64.b64encode(content).decode("ascii"))
        return Markup('data-picture="{}"').format(self._places[digest])


class Beside:
    """Pictures as files in a folder beside the page, which a browser reads when they come into view.

    They are named by what they hold. Files of other names are neither read nor written, and no link is
    followed.

    Args:
        folder: The folder; made with the first picture.

    Attributes:
        placed: The names of its files that the page shows.

    Raises:
        LimenError: If something else lies in its place.
    """

    def __init__(self, folder: Path) -> None:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise LimenError(
                f"{folder}: lies where the page's pictures go, and is no folder; choose another --out"
            )
        self.folder = folder
        self.placed: set[str] = set()

    def place(self, content: bytes) -> Markup:
        """The picture's address.

        Raises:
            LimenError: If it cannot be written.
        """
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.png"
        if name not in self.placed:
            self._write(self.folder / name, content)
            self.placed.add(name)
        return Markup('src="{}/{}"').format(quote(os.fsencode(self.folder.name)), name)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
                return
            path.unlink(missing_ok=True)
            # Never through a link that somebody puts there meanwhile.
            with open(path, "xb") as file:
                file.write(content)
        except OSError as error:
            raise LimenError(
                f"{path}: this picture of the page cannot be written ({reason(error)}); choose another --out"
            ) from error


def remove_others(folder: Path, kept: Collection[str] = ()) -> None:
    """Remove the pictures of an older page that this one does not show, and the folder if it is empty.

    Args:
        folder: The folder of `Beside`; a link is not followed.
        kept: The names of the pictures that the page shows.

    Raises:
        LimenError: If they cannot be removed.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    try:
        for path in list(folder.iterdir()):
            if _NAME.fullmatch(path.name) and path.name not in kept and not path.is_dir():
                path.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise LimenError(
            f"{folder}: the pictures of an older page cannot be removed ({reason(error)})"
        ) from error


def data_url(content: bytes) -> str:
    """The bytes of a PNG as a URL, every pixel kept."""
    return "data:image/png;base64," + base64.b64encode(content).decode("ascii")
