"""Documents of several runs as one, so that what was measured of each stands side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from limen.document.blocks import Block, Charts, Document, Group, Notes, Pictures, Table
from limen.document.charts import AnyChart, BoxPlot, Chart

_X = TypeVar("_X")


def merge(documents: Mapping[str, Document]) -> Document:
    """Several documents as one: blocks of equal kind and title, and of tables equal columns, become one.

    Where a document has several such blocks, its first joins the first of the others, and so on.

    A table has a group per run, a chart the lines of all runs, and rows of pictures follow each other; each
    says which run it is of. Settings and notes that are equal stand once.

    Args:
        documents: The documents, under the names of their runs.

    Returns:
        One document with the title and source of the first; with a single run, its own.

    Example:
        >>> from limen.document.blocks import Cell
        >>> one = Document("Rain", blocks=[Table("Days", "", ["month"], [Group("", [[Cell("May")]])])])
        >>> (table,) = merge({"a": one, "b": one}).blocks
        >>> [group.title for group in table.groups]
        ['a', 'b']
    """
    if len(documents) == 1:
        return _first(documents)
    parts: dict[object, dict[str, Block]] = {}
    for run, document in documents.items():
        for key, block in _numbered(document.blocks, _like):
            parts.setdefault(key, {})[run] = block
    first = next(iter(documents.values()), Document(""))
    blocks = [_MERGERS[type(_first(part))](part) for part in parts.values()]
    return replace(first, settings=_settings(documents), blocks=blocks)


def of_run(name: str, run: str) -> str:
    """What a thing of one run is called beside those of other runs.

    Example:
        >>> of_run("fgsm:eps=0.1", "mobilenet")
        'fgsm:eps=0.1 (mobilenet)'
    """
    return f"{name} ({run})" if name else ""


def _numbered(things: Iterable[_X], like: Callable[[_X], Hashable]) -> Iterator[tuple[Hashable, _X]]:
    """Each with what it is like, and how many before it are like it."""
    before: Counter[Hashable] = Counter()
    for thing in things:
        key = like(thing)
        yield (key, before[key]), thing
        before[key] += 1


def _like(block: Block) -> Hashable:
    return type(block), block.title, tuple(block.columns) if isinstance(block, Table) else ()


def _settings(documents: Mapping[str, Document]) -> list[tuple[str, str]]:
    values: dict[str, dict[str, str]] = {}
    for run, document in documents.items():
        for name, value in document.settings:
            values.setdefault(name, {})[run] = value
    merged = []
    for name, of_runs in values.items():
        if len(of_runs) == len(documents) and len(set(of_runs.values())) == 1:
            merged.append((name, next(iter(of_runs.values()))))
        else:
            merged += [(of_run(name, run), value) for run, value in of_runs.items()]
    return merged


def _tables(blocks: Mapping[str, Table]) -> Table:
    groups = [
        Group(
            f"{run}: {group.title}" if group.title else run,
            [[replace(cell, series=of_run(cell.series, run)) for cell in row] for row in group.rows],
            group.folded,
        )
        for run, block in blocks.items()
        for group in block.groups
    ]
    return replace(_first(blocks), caption=_captions(blocks), groups=groups)


def _charts(blocks: Mapping[str, Charts]) -> Charts:
    charts: dict[object, dict[str, AnyChart]] = {}
    for run, block in blocks.items():
        for key, chart in _numbered(block.charts, lambda chart: (type(chart), chart.title)):
            charts.setdefault(key, {})[run] = chart
    made = [_CHART_MERGERS[type(_first(of_runs))](of_runs) for of_runs in charts.values()]
    return replace(_first(blocks), caption=_captions(blocks), charts=made)


def _lines(charts: Mapping[str, Chart]) -> Chart:
    lines = [
        replace(line, name=of_run(line.name, run), series=of_run(line.series, run))
        for run, chart in charts.items()
        for line in chart.lines
    ]
    return replace(
        _first(charts),
        lines=lines,
        x_range=_range([chart.x_range for chart in charts.values()]),
        y_range=_range([chart.y_range for chart in charts.values()]),
        marks=list(dict.fromkeys(mark for chart in charts.values() for mark in chart.marks)),
    )


def _boxes(charts: Mapping[str, BoxPlot]) -> BoxPlot:
    boxes = [
        replace(box, name=of_run(box.name, run), series=of_run(box.series, run))
        for run, chart in charts.items()
        for box in chart.boxes
    ]
    return replace(_first(charts), boxes=boxes, x_range=_range([chart.x_range for chart in charts.values()]))


_CHART_MERGERS: dict[type, Callable[..., AnyChart]] = {Chart: _lines, BoxPlot: _boxes}


def _range(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """What holds all ranges, running as the first one does."""
    known = [each for each in ranges if each is not None]
    if len(known) < len(ranges):
        return None
    low, high = (end(value for each in known for value in each) for end in (min, max))
    return (low, high) if known[0][0] < known[0][1] else (high, low)


def _pictures(blocks: Mapping[str, Pictures]) -> Pictures:
    rows = [
        replace(
            row,
            title=of_run(row.title, run),
            pictures=[replace(each, series=of_run(each.series, run)) for each in row.pictures],
        )
        for run, block in blocks.items()
        for row in block.rows
    ]
    return replace(_first(blocks), caption=_captions(blocks), rows=rows)


def _notes(blocks: Mapping[str, Notes]) -> Notes:
    return replace(
        _first(blocks), items=list(dict.fromkeys(item for block in blocks.values() for item in block.items))
    )


def _captions(blocks: Mapping[str, Table] | Mapping[str, Charts] | Mapping[str, Pictures]) -> str:
    return " ".join(dict.fromkeys(block.caption for block in blocks.values() if block.caption))


def _first(blocks: Mapping[str, _X]) -> _X:
    return next(iter(blocks.values()))


_MERGERS: dict[type, Callable[..., Block]] = {
    Table: _tables,
    Charts: _charts,
    Pictures: _pictures,
    Notes: _notes,
}
