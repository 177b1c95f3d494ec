"""The sections of a page that show evaluations: whatever the runs have stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from limen.document import Document, Pictures, merge, of_run
from limen.report.blocks import png_size, render_blocks, series_names
from limen.report.gallery import PIXELS
from limen.report.shelf import Shelf
from limen.runs import Run, read_evaluations


@dataclass(frozen=True)
class Section:
    """One evaluation, of one or several runs.

    Attributes:
        anchor: What links of the page point at.
        title: The heading.
        runs: The runs that it is of.
        settings: What was measured with what.
        blocks: The blocks as markup.
    """

    anchor: str
    title: str
    runs: tuple[str, ...]
    settings: Sequence[tuple[str, str]]
    blocks: Markup


def sections(
    runs: Mapping[str, Run], attacks: Colours, families: Colours, count: int, shelf: Shelf
) -> tuple[Section, ...]:
    """A section for each evaluation with the same options, in which its runs stand side by side.

    Args:
        runs: Each run under its name on the page.
        attacks: The number of the colour of each attack, by run and label.
        families: Likewise of attacks that differ in their budget alone, by run and name.
        count: How many rows of pictures to show at most, of each run.
        shelf: Takes the pictures.

    Raises:
        RunError: If a stored evaluation cannot be read.
    """
    return tuple(
        Section(
            f"evaluation-{place}",
            merged.title,
            names,
            merged.settings,
            render_blocks(merged, colours, level=3, shelf=shelf),
        )
        for place, (names, merged, colours) in enumerate(evaluations(runs, attacks, families, count), start=1)
    )


def evaluations(
    runs: Mapping[str, Run], attacks: Colours, families: Colours, count: int
) -> Iterator[tuple[tuple[str, ...], Document, dict[str, int]]]:
    """The document of each evaluation, with the runs that it is of and the colours of what it names.

    Arguments and errors are those of `sections`.
    """
    documents: dict[str, dict[str, Document]] = {}
    for name, run in runs.items():
        for stored in read_evaluations(run):
            shown = _shortened(stored.document(), count)
            documents.setdefault(stored.identity.label, {})[name] = shown
    for of_runs in documents.values():
        merged = merge(of_runs)
        by_family, by_attack = (_of(of_runs, colours) for colours in (families, attacks))
        # Where attacks stand under each budget, the colour of the family would be that of several lines.
        colours = by_family if set(series_names(merged)) <= by_family.keys() else by_attack
        yield tuple(of_runs), merged, colours


Colours = Mapping[tuple[str, str], int]
"""The number of a colour by the name of the run and the name of the attack."""


def _of(documents: Mapping[str, Document], colours: Colours) -> dict[str, int]:
    """The colours by the names that merged documents give to attacks."""
    several = len(documents) > 1
    return {
        of_run(name, run) if several else name: colour
        for (run, name), colour in colours.items()
        if run in documents
    }


def _shortened(document: Document, count: int) -> Document:
    """The document with so many rows of pictures as were asked for, and as a page can hold."""
    blocks = []
    for block in document.blocks:
        if isinstance(block, Pictures) and block.rows:
            pixels = max(
                sum(width * height for width, height in map(png_size, row.pictures)) for row in block.rows
            )
            block = replace(block, rows=block.rows[: min(count, max(1, PIXELS // max(pixels, 1)))])
        if not isinstance(block, Pictures) or block.rows:
            blocks.append(block)
    return replace(document, blocks=blocks)
