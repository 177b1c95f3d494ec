from __future__ import annotations

from limen.document import (
    Box,
    BoxPlot,
    Cell,
    Chart,
    Charts,
    Document,
    Group,
    Line,
    Mark,
    Notes,
    Picture,
    Pictures,
    Row,
    Table,
    merge,
    of_run,
)


def document(title: str = "Overlap", layer: str = "features", top: float = 0.5) -> Document:
    rows = [[Cell("ddn", series="ddn"), Cell(value=top)]]
    chart = Chart("Mean", "x", "y", [Line("ddn", [0, 1], [0, top], series="ddn")], y_range=(0, top))
    return Document(
        title,
        settings=[("method", "cam"), ("layer", layer)],
        blocks=[
            Table("Table", f"top {top}", ["attack", "mean"], [Group("", rows)]),
            Charts("Sweep", "bands", [chart]),
            Pictures("Maps", "maps", [Row("cat", [Picture(None, "ddn", series="ddn")])]),
            Notes("Notes", ["shared", f"only {top}"]),
        ],
    )


def test_one_document_stays_as_it_is():
    one = document()
    assert merge({"run": one}) is one


def test_blocks_of_equal_titles_stand_side_by_side():
    merged = merge({"a": document(), "b": document(layer="conv", top=0.8)})
    table, charts, pictures, notes = merged.blocks
    assert [group.title for group in table.groups] == ["a", "b"]
    assert [group.rows[0][0].series for group in table.groups] == ["ddn (a)", "ddn (b)"]
    assert [group.rows[0][1].value for group in table.groups] == [0.5, 0.8]
    assert table.caption == "top 0.5 top 0.8"
    (chart,) = charts.charts
    assert [(line.name, line.series, line.y[1]) for line in chart.lines] == [
        ("ddn (a)", "ddn (a)", 0.5),
        ("ddn (b)", "ddn (b)", 0.8),
    ]
    assert chart.y_range == (0, 0.8)
    assert charts.caption == "bands"
    assert [row.title for row in pictures.rows] == ["cat (a)", "cat (b)"]
    assert notes.items == ("shared", "only 0.5", "only 0.8")
    assert merged.settings == (("method", "cam"), ("layer (a)", "features"), ("layer (b)", "conv"))


def test_blocks_that_only_one_run_has_are_kept_and_unlike_tables_stay_apart():
    wide = Table("Table", "", ["attack", "mean", "median"], [])
    merged = merge({"a": document(), "b": Document("Overlap", blocks=[wide, Notes("Other", ["x"])])})
    assert [(type(block), block.title) for block in merged.blocks] == [
        (Table, "Table"),
        (Charts, "Sweep"),
        (Pictures, "Maps"),
        (Notes, "Notes"),
        (Table, "Table"),
        (Notes, "Other"),
    ]
    assert [group.title for group in merged.blocks[0].groups] == ["a"]
    assert ("layer (a)", "features") in merged.settings


def test_ranges_hold_all_runs_and_run_as_the_first_does():
    def chart(*ends: float) -> Document:
        drawn = Chart("c", "x", "y", [], x_range=ends or None, marks=[Mark(3, "m")])
        return Document("d", blocks=[Charts("C", "", [drawn])])

    (falling,) = merge({"a": chart(5, 2), "b": chart(1, 3)}).blocks[0].charts
    assert falling.x_range == (5, 1)
    assert falling.marks == (Mark(3, "m"),)
    (free,) = merge({"a": chart(5, 2), "b": chart()}).blocks[0].charts
    assert free.x_range is None


def test_nothing_merges_to_nothing():
    assert merge({}).blocks == ()
    assert of_run("", "a") == ""


def test_boxes_of_all_runs_stand_in_one_plot_and_lines_of_its_title_in_another():
    def boxes(*ends: float) -> Document:
        box = Box("ddn", (1, 2, 3), (0, 4), series="ddn")
        drawn = [BoxPlot("c", "x", [box], x_range=ends), Chart("c", "x", "y", [Line("ddn", [0], [0])])]
        return Document("d", blocks=[Charts("C", "", drawn)])

    plot, chart = merge({"a": boxes(0, 4), "b": boxes(1, 9)}).blocks[0].charts
    assert [(box.name, box.series) for box in plot.boxes] == [("ddn (a)", "ddn (a)"), ("ddn (b)", "ddn (b)")]
    assert plot.x_range == (0, 9)
    assert [line.name for line in chart.lines] == ["ddn (a)", "ddn (b)"]


def test_several_blocks_and_charts_of_one_title_are_all_kept_each_beside_its_like():
    def twice(low: float) -> Document:
        tables = [Table("T", "", ["a"], [Group("", [[Cell(value=value)]])]) for value in (low, low + 1)]
        lines = [Line(name, [0, 1], [0, low], series=name) for name in ("first", "second")]
        return Document(
            "D", blocks=[*tables, Charts("C", "", [Chart("same", "x", "y", [each]) for each in lines])]
        )

    first, second, charts = merge({"a": twice(1.0), "b": twice(3.0)}).blocks
    values = [[group.rows[0][0].value for group in table.groups] for table in (first, second)]
    assert values == [[1.0, 3.0], [2.0, 4.0]]
    names = [[line.name for line in chart.lines] for chart in charts.charts]
    assert names == [["first (a)", "first (b)"], ["second (a)", "second (b)"]]
