"""The figures and tables of documents as files in a folder, under names that say what they are."""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
from matplotlib.figure import Figure

from limen import __version__
from limen.analysis import to_csv
from limen.document import Charts, Document, Pictures, Table
from limen.errors import LimenError, RunError, UsageError, reason
from limen.report.figures.latex import HEAD, floating, is_wide, tabular
from limen.report.figures.paper import COLUMN, Format, encoded, figure, texts_of
from limen.report.figures.strips import strip, texts
from limen.runs.files import write_whole
from limen.safety import read_bytes, resolved

FORMATS: tuple[Format, ...] = get_args(Format)
"""All formats of figures."""

INDEX = "figures.json"
"""The file that says which files of the folder are Limen's."""

_KIND, _FORMAT = "figures of Limen", 1
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.(pdf|svg|png|csv|tex)")
_LONGEST = 64  # of a title; what is left is broken off before a word
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|figures)")  # of Windows, and our own

Colours = Mapping[str, int]
Part = tuple[Document, Colours | None]
"""A document, and the number of the colour of each attack in it."""


@dataclass
class _Files:
    """What is to be written, by name, and what a paper includes it with."""

    formats: Sequence[Format]
    content: dict[str, bytes] = field(default_factory=dict)
    included: list[str] = field(default_factory=list)
    stems: set[str] = field(default_factory=set)


def write_figures(
    documents: Document | Iterable[Part], folder: Path | str, formats: Sequence[Format] = FORMATS
) -> list[Path]:
    """Write each chart and each row of pictures of documents as a figure for a paper, and each table.

    A figure is a file in each format; fonts are embedded and bytes are the same every time. A table is a CSV
    file and a `tabular` of LaTeX. `figures.tex` includes all of them with their captions.

    Args:
        documents: One, or several with the numbers of the colours of their attacks.
        folder: Where; made if it is missing. Files there that Limen did not write, or that were changed
            since, are kept and never replaced.
        formats: Of `pdf`, `svg` and `png`.

    Returns:
        The files, in the order of what they show.

    Raises:
        UsageError: If there is no format, or one that is not known.
        LimenError: If the folder cannot be written, or a file that is not of Limen lies in a figure's place.
    """
    unknown = [each for each in formats if each not in FORMATS]
    if unknown or not formats:
        raise UsageError(f"formats is {list(formats)}; give some of {', '.join(FORMATS)}")
    files, folder = _Files(tuple(dict.fromkeys(formats))), Path(folder)
    known = _index(folder)
    for document, colours in [(documents, None)] if isinstance(documents, Document) else documents:
        for block in document.blocks:
            if isinstance(block, Charts):
                _add_charts(files, block, colours)
            elif isinstance(block, Pictures):
                _add_pictures(files, block)
            elif isinstance(block, Table):
                _add_table(files, block)
    files.content["figures.tex"] = "\n\n".join([HEAD, *files.included, ""]).encode(errors="replace")
    _write(folder, files.content, known)
    return [folder / name for name in files.content]


def _add_charts(files: _Files, block: Charts, colours: Colours | None) -> None:
    for chart in block.charts:
        stem = _stem(files.stems, block.title, chart.title)
        _add_figure(files, stem, figure(chart, colours), texts_of(chart))
        _include(files, "figure", stem, f"{block.title}: {chart.title}", block.caption)


def _add_pictures(files: _Files, block: Pictures) -> None:
    for row in block.rows:
        stem = _stem(files.stems, block.title, row.title)
        made = strip(row)
        _add_figure(files, stem, made, texts(row))
        title, wide = f"{block.title}: {row.title}", made.get_figwidth() > COLUMN
        _include(files, "figure", stem, title, block.caption, wide)


def _add_table(files: _Files, block: Table) -> None:
    stem = _stem(files.stems, block.title or "table")
    files.content[f"{stem}.csv"] = _csv(block)
    files.content[f"{stem}.tex"] = f"{tabular(block)}\n".encode(errors="replace")
    _include(files, "table", stem, block.title, block.caption, is_wide(block))


def _add_figure(files: _Files, stem: str, made: Figure, words: str) -> None:
    for form in files.formats:
        files.content[f"{stem}.{form}"] = encoded(made, form, words)


def _include(
    files: _Files, kind: Literal["figure", "table"], stem: str, title: str, caption: str, wide: bool = False
) -> None:
    command = "includegraphics" if kind == "figure" else "input"
    inner = rf"\{command}{{\limenfolder {stem}}}"
    files.included.append(floating(kind, inner, title, caption, f"{kind[:3]}:{stem}", wide))


def _stem(taken: set[str], *titles: str) -> str:
    """A name of plain letters that no other file has, on any system."""
    words: list[str] = []
    for title in titles:
        plain = unicodedata.normalize("NFKD", title.replace("∞", "inf")).encode("ascii", "ignore").decode()
        told = textwrap.shorten(" ".join(re.findall("[a-z0-9]+", plain.lower())), _LONGEST, placeholder="")
        words += [word for word in told.split() if words[-1:] != [word]]
    stem = "-".join(words) or "figure"
    stem = f"figure-{stem}" if _RESERVED.fullmatch(stem) else stem
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return name


def _csv(table: Table) -> bytes:
    """A column for each of the table, and beside those with intervals their ends; notes are left out."""
    rows = [(group.title, row) for group in table.groups for row in group.rows]
    columns: dict[str, list] = {}

    def add(name: str, values: list) -> None:
        while name in columns:
            name += "'"
        columns[name] = values

    if any(title for title, _ in rows):
        add("group", [title for title, _ in rows])
    for at, name in enumerate(table.columns):
        cells = [row[at] for _, row in rows]
        if all(cell.value is not None or not cell.text for cell in cells) and at:
            add(name, [cell.value for cell in cells])
        else:
            add(name, [cell.shown for cell in cells])
        if any(cell.low is not None for cell in cells):
            add(f"{name}, low", [cell.low for cell in cells])
            add(f"{name}, high", [cell.high for cell in cells])
    made = {
        name: pa.array(values, pa.float64() if _numbers(values) else pa.string())
        for name, values in columns.items()
    }
    return to_csv(pa.table(made))


def _numbers(values: list) -> bool:
    return not any(isinstance(value, str) for value in values)


def _index(folder: Path) -> dict[str, str]:
    """The hashes of the files that Limen wrote into the folder, by name."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise LimenError(f"{folder}: lies where the figures go, and is no folder; choose another one")
    try:
        content = json.loads(read_bytes(folder / INDEX, resolved(folder)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise LimenError(
            f"{folder / INDEX}: cannot be read ({reason(error)}); remove it, or choose another folder"
        ) from None
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise LimenError(
            f"{folder / INDEX}: is no list of Limen's figures, and is kept; choose another folder"
        )
    files = content.get("files")
    found = files.items() if isinstance(files, dict) else ()
    return {name: digest for name, digest in found if _NAME.fullmatch(name) and isinstance(digest, str)}


def _write(folder: Path, content: Mapping[str, bytes], known: Mapping[str, str]) -> None:
    """Write all files or, where one would replace what is not ours, none."""
    fresh = {
        name: data for name, data in content.items() if not _is_there(folder / name, data, known.get(name))
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: no figures can be written there ({reason(error)})") from error
    for name, data in fresh.items():
        write_whole(folder / name, data)
    index = {
        "kind": _KIND,
        "format": _FORMAT,
        "limen": __version__,
        "files": {n: _digest(d) for n, d in content.items()},
    }
    write_whole(folder / INDEX, (json.dumps(index, indent=1) + "\n").encode())
    for name in sorted(known.keys() - content.keys()):
        # Of what the folder held before, nothing stays that this document does not have.
        if _found(folder / name) == known[name]:
            (folder / name).unlink()


def _is_there(path: Path, data: bytes, known: str | None) -> bool:
    found = _found(path)
    if found not in (None, known, _digest(data)):
        raise LimenError(
            f"{path}: is no figure of Limen's, or was changed since, and is kept; choose another folder"
        )
    return found == _digest(data)


def _found(path: Path) -> str | None:
    """The hash of a file; None where nothing is, and nothing that a hash can be of anything else."""
    if not path.is_symlink() and not path.exists():
        return None
    try:
        return "" if path.is_symlink() else _digest(read_bytes(path))
    except OSError:
        return ""


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
