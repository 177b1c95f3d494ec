"""Evaluations inside a run directory: what was measured of its images, and the document that says so.

    DIR/evaluation/FOLDER/evaluation.json   what was measured, with all options, and of which attacks
    DIR/evaluation/FOLDER/records.parquet   rows for each attack and image, which any data tool opens
    DIR/evaluation/FOLDER/document.json     what a page or a terminal shows
    DIR/evaluation/FOLDER/pictures/*.png    the pictures that the document names

A folder appears whole, by one rename. While it is measured, finished parts lie in a hidden folder beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from limen import __version__
from limen.decoding import read_json
from limen.document import Document, from_json
from limen.errors import RunError, UsageError, reason
from limen.identity import Identity
from limen.runs.manifest import FILE as MANIFEST
from limen.runs.names import ORIGINAL, image_name
from limen.runs.reader import Run
from limen.safety import MOST_TEXT, is_inside, opened, read_bytes, resolved

FOLDER = "evaluation"
"""The folder of the evaluations in a run's directory."""

FORMAT = 1
"""Version of the files; raised when an older Limen could no longer read them."""

HEADER, RECORDS, DOCUMENT, PICTURES = "evaluation.json", "records.parquet", "document.json", "pictures"

T = TypeVar("T")

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}")
_CURE = "remove the folder, then evaluate again"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What was measured.

    Attributes:
        format: Version of the files.
        limen: Version of Limen that measured.
        identity: The evaluation with all its options.
        attacks: Labels of the run's attacks at that time.
        limit: Only so many first images of the data set were looked at; None for all.
        notes: What, besides the options, the values depend on, such as the layer that was found.
    """

    format: int = FORMAT
    limen: str = __version__
    identity: Identity
    attacks: tuple[str, ...] = ()
    limit: int | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of `evaluation.json`."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Stored:
    """An evaluation of a run, as its folder holds it."""

    run: Run
    folder: Path
    header: Header

    @property
    def identity(self) -> Identity:
        """The evaluation with all its options."""
        return self.header.identity

    @property
    def attacks(self) -> tuple[str, ...]:
        """The labels of the attacks that it is of, in the order of the run."""
        return self.header.attacks

    def records(self) -> pa.Table:
        """The rows, sorted as the run's attacks and images are.

        Raises:
            RunError: If the file cannot be read, or has rows of other attacks; the message names it.
        """
        path = self.folder / RECORDS
        table = read_rows(self.run, path)
        unknown = set(table["attack"].unique().to_pylist()).difference(self.attacks)
        if unknown:
            raise RunError(
                f"{path}: has rows of attack {sorted(unknown)[0]!r}, which {HEADER} does not list; {_CURE}"
            )
        return table

    def document(self) -> Document:
        """What pages and terminals show.

        Raises:
            RunError: If the file cannot be read, or says what cannot be; the message names it.
        """
        return _read(self.run, self.folder / DOCUMENT, lambda text: from_json(text, self.folder / PICTURES))

    def picture(self, label: str | None, image_id: str) -> Path | None:
        """The file of a picture of what an attack made of an image, or of the original; None if none.

        Raises:
            UsageError: If the run has no such attack.
        """
        path = self.folder / PICTURES / picture_name(self.run, label, image_id)
        return path if path.is_file() and is_inside(resolved(self.run.directory), path) else None


def read_evaluations(run: Run) -> list[Stored]:
    """The evaluations stored in a run, in the order of their folders' names.

    Raises:
        RunError: If one is broken, of a newer Limen, or says what cannot be; the message names the file.
    """
    root = run.directory / FOLDER
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [
        Stored(run, folder, read_header(run, folder))
        for folder in folders
        if not folder.name.startswith(".") and (folder / HEADER).is_file()
    ]


def read_header(run: Run, folder: Path) -> Header:
    """What was measured in a folder of a run, checked against the run's attacks.

    Raises:
        RunError: If the file is broken, of a newer Limen, or says what cannot be; the message names it.
    """

    def checked(text: bytes) -> Header:
        header = read_json(Header, text, FORMAT, "an evaluation of a run")
        if len(set(header.attacks)) < len(header.attacks):
            raise RunError("names an attack twice")
        unknown = set(header.attacks).difference(run.manifest.labels)
        if unknown:
            raise RunError(f"is of attack {sorted(unknown)[0]!r:.80}, which {MANIFEST} does not list")
        return header

    return _read(run, folder / HEADER, checked)


def read_rows(run: Run, path: Path) -> pa.Table:
    """A table of rows for attacks and images, in a file of a run.

    Raises:
        RunError: If the file is no such table; the message names it.
    """
    try:
        with opened(path, resolved(run.directory)) as file:
            table = pq.read_table(file)
        for name in ("attack", "id"):
            once = table.column_names.count(name) == 1
            if not once or table[name].type != pa.string() or table[name].null_count:
                raise RunError(f"{path}: needs a column {name} of text without gaps; {_CURE}")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read as the records of an evaluation ({reason(error):.200}); {_CURE}"
        ) from error
    return table


def folder_of(run: Run, identity: Identity) -> Path:
    """The folder of an evaluation; where its label is no plain word, a digest tells it from others."""
    label = identity.label
    if _PLAIN.fullmatch(label):
        return run.directory / FOLDER / label
    try:
        digest = hashlib.sha256(label.encode()).hexdigest()[:8]
    except UnicodeEncodeError:
        raise UsageError(f"{label!r} is no Unicode; rename the file that it names") from None
    slug = re.sub(r"[^A-Za-z0-9._=-]+", "-", label)[:60].strip("-.=") or "evaluation"
    return run.directory / FOLDER / f"{slug}-{digest}"


def picture_name(run: Run, label: str | None, image_id: str) -> str:
    """The file's name of a picture of what an attack made of an image, or of the original.

    Raises:
        UsageError: If the run has no such attack.
    """
    return image_name(f"{ORIGINAL if label is None else run.manifest.folder(label)}/{image_id}")


def _read(run: Run, path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(read_bytes(path, resolved(run.directory), MOST_TEXT))
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({reason(error)}); {_CURE}") from error
    except RunError as error:
        raise RunError(f"{path}: {error}; {_CURE}") from None
