"""The charts of accuracy over an attack's settings, for one run and for several side by side."""

from __future__ import annotations

import re

from limen.document import number
from limen.report.page import write_page
from limen.report.view import swept


def grid(record, fooled: tuple[int, int]) -> dict[str, list[dict[str, object]]]:
    """Four images under two budgets, so many of them fooled; and an attack that is alone."""
    labels = (f"pgd_l2:eps={eps},steps=9" for eps in (1, 2))
    rows = {
        label: [record(i, f"photo {i}", success=i < count) for i in range(4)]
        for label, count in zip(labels, fooled, strict=True)
    }
    return rows | {"ddn": [record(i, f"photo {i}") for i in range(4)]}


def test_an_attack_under_several_values_has_a_chart_and_one_alone_has_none(make_run, record):
    text = str(swept({"run": make_run(rows=grid(record, (1, 3)))}))
    assert re.findall("<figcaption>(.*?)</figcaption>", text) == ["pgd_l2:steps=9"]
    assert "run: 100\N{NO-BREAK SPACE}% before the attack, 4 images: 0.75 at 1 to 0.25 at 2." in text
    assert ">eps</text>" in text


def test_runs_are_lines_of_one_chart_in_colours_of_their_own(make_run, record):
    runs = {name: make_run(name, grid(record, fooled)) for name, fooled in (("a", (4, 4)), ("b", (0, 2)))}
    text = str(swept(runs))
    assert text.count("<figure") == 1
    assert re.findall(r"([ab]): [^:]*: ([\d.]+) at 1 to ([\d.]+) at 2", text) == [
        ("a", "0", "0"),
        ("b", "1", "0.5"),
    ]
    assert [re.search(rf"swatch (s\d).*?</svg>{name}: 100", text)[1] for name in "ab"] == ["s0", "s1"]


def counted(record, changed: dict[int, int | None]) -> dict[str, list[dict[str, object]]]:
    """Two images under each budget: of one so many values changed, or it withstood, as the other did."""
    return {
        f"jsma:eps={eps}": [
            record(0, "photo 0", success=count is not None, l0=count),
            record(1, "photo 1", success=False),
        ]
        for eps, count in changed.items()
    }


def test_a_budget_that_counts_values_is_drawn_as_a_share_of_them(make_run, record):
    def of(changed: dict[int, int | None]) -> dict[str, list[dict[str, object]]]:
        return counted(record, changed)

    run = make_run("counted", of({24: 24, 48: 40}))
    text, size = str(swept({"run": run})), run.original("photo 0").size
    assert ">eps, as a share of the values</text>" in text
    assert f"0.5 at {number(24 / size)} to 0.5 at {number(48 / size)}" in text
    # Where more values changed than the number says, it bounds something else.
    assert ">eps</text>" in str(swept({"run": make_run("other", of({24: 25, 48: 40}))}))
    # Without an original's file it is not known how many values there are.
    run.original_path("photo 0").unlink()
    assert ">eps</text>" in str(swept({"run": run}))


def test_a_run_in_which_nothing_fools_stands_in_the_chart_of_those_that_can_tell(make_run, record):
    def page(*changed: tuple[int | None, int | None]) -> str:
        made = [counted(record, dict(zip((24, 48), each, strict=True))) for each in changed]
        name = "".join(map(str, changed))
        return str(swept({f"run {i}": make_run(f"{name} {i}", rows) for i, rows in enumerate(made)}))

    text = page((None, None), (24, 40))
    assert text.count("<figure") == 1
    assert ">eps, as a share of the values</text>" in text
    assert "run 0: 100" in text
    # One that contradicts speaks for the attack, too, and where no run can tell nothing is counted.
    assert "share of the values" not in page((None, None), (25, 40), (24, 40))
    assert "share of the values" not in page((None, None))


def test_without_a_sweep_the_page_has_no_such_section(make_run, record, tmp_path):
    alone = write_page([make_run("alone").directory], tmp_path / "alone.html").read_text("utf-8")
    swept = write_page(
        [make_run("swept", grid(record, (1, 3))).directory], tmp_path / "swept.html"
    ).read_text("utf-8")
    for mark in ('href="#accuracy"', '<section id="accuracy"', "Accuracy against a setting"):
        assert mark not in alone
        assert swept.count(mark) == 1
