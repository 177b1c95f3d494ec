"""The page of runs from a view: markup, style, script and pictures, and beside it its figures as JSON."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from limen import __version__
from limen.document import percent
from limen.errors import LimenError, UsageError, reason
from limen.pictures import scale_colours
from limen.report import blocks
from limen.report.gallery import PIXELS
from limen.report.shelf import Beside, Inside, Place, remove_others
from limen.report.summary import MARK, summary
from limen.report.templating import environment, styles, template_file
from limen.report.view import View, build, names
from limen.runs import Run, open_run
from limen.safety import check_replaceable, opened, resolved

GALLERY = 200
"""How many images a page shows if not told otherwise."""

GENERATOR = '<meta name="generator" content="Limen'
"""What the head of each page holds."""

_SCRIPTS = ("page.js", "pictures.js", "curves.js", "gallery.js")
_STYLES = ("style.css", "gallery.css", *blocks.STYLES)
_HEAD = 4000


def write_page(
    directories: Sequence[Path | str],
    out: Path | str | None = None,
    *,
    gallery: int = GALLERY,
    pictures: Place | None = None,
) -> Path:
    """Write the page of one or several runs, which opens from disk, and its figures beside it as JSON.

    Args:
        directories: The runs, each a directory with a `run.json`; several are shown side by side.
        out: The file to write; `report.html` in the first directory if not given. The figures go beside it,
            to `report.summary.json`.
        gallery: How many images the gallery shows at most, the worst first and each under every attack;
            likewise the sections of stored evaluations.
        pictures: "inside" for a single file, whose gallery shows fewer images where their pictures would
            hold more than `limen.report.gallery.PIXELS` pixels; or "beside" for a small file and a folder
            of pictures, `report.pictures`, that goes wherever the page goes. Inside if not given, unless
            the page that is made again has that folder.

    Returns:
        The file written.

    Raises:
        UsageError: If no directory is given, one is no run, or `gallery` is negative.
        RunError: If a run cannot be read.
        LimenError: If a file cannot be written, or something that is not of Limen lies in its place; an
            older page is then still whole.
    """
    if gallery < 0:
        raise UsageError(f"gallery is {gallery}; give the number of images to show, 0 for none")
    if pictures not in ("inside", "beside", None):
        raise UsageError(f"pictures is {pictures!r}; give inside or beside")
    runs = named_runs(directories)
    out = next(iter(runs.values())).directory / "report.html" if out is None else Path(out)
    if not out.name:
        raise UsageError(f"out is {str(out)!r}, which names no file")
    figures, folder = out.with_suffix(".summary.json"), out.with_suffix(".pictures")
    pictures = pictures or ("beside" if folder.is_dir() else "inside")
    _refuse_foreign(out, GENERATOR, "page")
    _refuse_foreign(figures, MARK, "summary")
    shelf = Inside() if pictures == "inside" else Beside(folder)
    view = build(runs, gallery, shelf, PIXELS if pictures == "inside" else None)
    _write(out, render(view, shelf, out.parent))
    _write(figures, summary(view))
    remove_others(folder, shelf.placed if isinstance(shelf, Beside) else ())
    return out


def named_runs(directories: Sequence[Path | str]) -> dict[str, Run]:
    """The runs in these directories, each once, under names that tell them apart.

    Raises:
        UsageError: If no directory is given, or one is no run.
    """
    if not directories:
        raise UsageError("no run to report; give at least one run directory")
    unique = list(dict.fromkeys(map(_located, directories)))
    return dict(zip(names(unique), map(open_run, unique), strict=True))


def render(view: View, shelf: Inside | Beside, folder: Path) -> str:
    """The page as HTML text, whose pictures lie on this shelf and which itself lies in this folder."""
    script = "\n".join(map(template_file, _SCRIPTS))
    # Only this very script may run, and nothing may be fetched: text that slips through as markup stays dead.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    templates = environment()
    templates.filters.update(percent=percent)
    return templates.get_template("page.html.j2").render(
        view=view,
        several=len(view.runs) > 1,
        drawing=_drawing(view),
        scale=scale_colours(),
        style=styles(*_STYLES),
        script=Markup(script),  # noqa: S704 - our own files
        digest=digest,
        held=shelf.held if isinstance(shelf, Inside) else (),
        beside=isinstance(shelf, Beside),
        address=lambda path: quote(os.fsencode(os.path.relpath(path, folder).replace(os.sep, "/"))),
        version=__version__,
    )


def _located(directory: Path | str) -> Path:
    try:
        return resolved(directory)
    except OSError as error:
        raise UsageError(f"{str(directory)!r}: no folder of a run ({reason(error)})") from None


def _drawing(view: View) -> dict[str, object]:
    """What the script draws the curves from."""
    return {
        "metrics": [
            {"key": m.key, "title": m.title, "axis": m.axis, "reverse": m.reverse} for m in view.metrics
        ],
        "curves": {
            key: {name: [asdict(curve) for curve in lines] for name, lines in of_metric.items()}
            for key, of_metric in view.curves.items()
        },
        "spans": {
            key: {name: asdict(ends) for name, ends in of_metric.items()}
            for key, of_metric in view.spans.items()
        },
        "bands": {images: asdict(band) for images, band in view.bands.items()},
    }


def _refuse_foreign(path: Path, mark: str, kind: str) -> None:
    """Refuse to replace a file that Limen did not write."""
    try:
        with opened(path) as file:
            head = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:  # nothing is there, or what `_write` refuses
        return
    if head and mark not in head:
        raise LimenError(f"{path}: is no {kind} of Limen's, and is kept; choose another --out")


def _write(path: Path, text: str) -> None:
    # A name of its own: the run may be written to at this moment, by a process with its own temporary files.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_replaceable(path)
        with open(temporary, "x", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
        temporary.replace(path)
    except OSError as error:
        raise LimenError(
            f"{path}: the page cannot be written ({reason(error)}); choose another --out"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
