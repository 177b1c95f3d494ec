"""A document as a page of its own: one file without a script, which loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from limen import __version__
from limen.document import Document
from limen.report.blocks import STYLES, render_blocks
from limen.report.templating import environment, styles
from limen.runs.files import write_whole


def render(document: Document, kind: str = "reproduction", verdict: Sequence[str] = ()) -> str:
    """The page as HTML text.

    Args:
        document: What it says.
        kind: What it is a page of, in a word above the title.
        verdict: Sentences that the page opens with; none for a page that begins with its settings.

    Example:
        >>> "<h1>A &lt; B</h1>" in render(Document("A < B", "a paper", [("seed", "0")]))
        True
    """
    return (
        environment()
        .get_template("sheet.html.j2")
        .render(
            sheet=document,
            kind=kind,
            verdict=verdict,
            blocks=render_blocks(document),
            style=styles("style.css", *STYLES),
            version=__version__,
        )
    )


def write_sheet(
    document: Document, path: Path, kind: str = "reproduction", verdict: Sequence[str] = ()
) -> None:
    """Write the page, whole or not at all; arguments are those of `render`.

    Raises:
        LimenError: If the file cannot be written; an older one is then still whole.
    """
    write_whole(path, render(document, kind, verdict).encode(errors="backslashreplace"))
