"""One self-contained HTML file from a view: markup, style, script and pictures."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from markupsafe import Markup

from limen import __version__, pictures
from limen.document import percent
from limen.errors import LimenError, UsageError, reason
from limen.report import blocks
from limen.report.templating import environment, template_file
from limen.report.view import View, build, names
from limen.runs import open_run
from limen.safety import check_replaceable, resolved

_SCRIPTS = ("page.js", "curves.js", "gallery.js")
_STYLES = ("style.css", *blocks.STYLES)


def write_page(
    directories: Sequence[Path | str], out: Path | str | None = None, *, gallery: int = 24
) -> Path:
    """Write the page of one or several runs as a single HTML file that opens from disk.

    Args:
        directories: The runs, each a directory with a `run.json`; several are shown side by side.
        out: The file to write; `report.html` in the first directory if not given.
        gallery: How many images the gallery shows at most, each under every attack; likewise the sections
            of stored evaluations. The gallery's are spread over the sorted distortions, so that the
            worst ones are among them; fewer are shown where their pictures would hold more than
            `limen.report.gallery.PIXELS` pixels.

    Returns:
        The file written.

    Raises:
        UsageError: If no directory is given, one is no run, or `gallery` is negative.
        RunError: If a run cannot be read.
        LimenError: If the file cannot be written; an older one is then still whole.
    """
    if not directories:
        raise UsageError("no run to report; give at least one run directory")
    if gallery < 0:
        raise UsageError(f"gallery is {gallery}; give the number of images to show, 0 for none")
    unique = list(dict.fromkeys(map(_located, directories)))
    runs = dict(zip(names(unique), map(open_run, unique), strict=True))
    out = unique[0] / "report.html" if out is None else Path(out)
    _write(out, render(build(runs, gallery)))
    return out


def render(view: View) -> str:
    """The page as HTML text."""
    script = "\n".join(map(template_file, _SCRIPTS))
    # Only this very script may run, and nothing may be fetched: text that slips through as markup stays dead.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    templates = environment()
    templates.filters.update(percent=percent)
    return templates.get_template("page.html.j2").render(
        view=view,
        several=len(view.runs) > 1,
        drawing=_drawing(view),
        scale=pictures.scale_colours(),
        style=Markup("\n".join(map(template_file, _STYLES))),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704 - our own files
        digest=digest,
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
        "bands": {images: asdict(band) for images, band in view.bands.items()},
    }


def _write(path: Path, text: str) -> None:
    # A name of its own: the run may be written to at this moment, by a process with its own temporary files.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        check_replaceable(path)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        raise LimenError(
            f"{path}: the page cannot be written ({reason(error)}); choose another --out"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
