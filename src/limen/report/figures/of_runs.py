"""The figures of runs: what their page shows, for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from limen import analysis
from limen.document import Block, Document, Table, of_run
from limen.report.accuracy import accuracy
from limen.report.curves import charts, outcomes_of
from limen.report.figures.paper import Format
from limen.report.figures.writing import FORMATS, Part, write_figures
from limen.report.page import GALLERY, named_runs
from limen.report.sections import evaluations
from limen.report.tables import success_table
from limen.runs import Run


def write_run_figures(
    directories: Sequence[Path | str],
    folder: Path | str,
    formats: Sequence[Format] = FORMATS,
    gallery: int = GALLERY,
) -> list[Path]:
    """Write the figures and tables of runs, as `write_figures` does those of a document.

    These are the table of attacks, success against each distortion, accuracy against each setting that has
    several values, and all that evaluations found.

    Args:
        directories: The runs; several stand side by side.
        folder: Where, as for `write_figures`.
        formats: Likewise.
        gallery: How many rows of pictures to write at most, of each evaluation and run.

    Returns:
        The files.

    Raises:
        UsageError: If no directory is given, one is no run, or a format is not known.
        LimenError: If a run cannot be read, or a file not be written.
    """
    return write_figures(_parts(named_runs(directories), gallery), folder, formats)


def _parts(runs: Mapping[str, Run], gallery: int) -> Iterator[Part]:
    families = {key: place for place, key in enumerate(outcomes_of(runs))}
    attacks = [(name, label) for name, run in runs.items() for label in run.manifest.labels]
    shown = {of_run(family, name) if len(runs) > 1 else family: at for (name, family), at in families.items()}
    yield (
        Document(
            "", blocks=[*(_table(name, run, len(runs) > 1) for name, run in runs.items()), charts(runs)]
        ),
        shown,
    )
    swept = accuracy(runs)
    if swept is not None:
        yield Document("", blocks=[swept]), {name: place for place, name in enumerate(runs)}
    for _, document, colours in evaluations(
        runs, {key: at for at, key in enumerate(attacks)}, families, gallery
    ):
        yield Document("", blocks=[_under(document.title, block) for block in document.blocks]), colours


def _table(name: str, run: Run, several: bool) -> Table:
    figures = analysis.table({name: run}, [metric.key for metric in run.manifest.metrics])
    return success_table(
        figures, run.manifest.metrics, title=of_run("Attacks", name) if several else "Attacks"
    )


def _under(title: str, block: Block) -> Block:
    """A block under the title of its document, so that its files say what they are of."""
    return replace(block, title=f"{title}: {block.title}")
