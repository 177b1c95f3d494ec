"""What reaches the terminal: tables as wide as it is, nothing cut, and nothing that steers it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from limen.cli.console import complain, output, show
from limen.cli.progress import showing
from limen.document import Cell, Group, Table, wrapped

LABELS = (
    "carlini_wagner_l2:steps=30,search_steps=3,learning_rate=0.05,initial_constant=1",
    "pgd_linf:eps=8/255,steps=20",
)
FIGURES = (
    "images",
    "clean",
    "fooled",
    "median L₂",
    "median L∞, /255",
    "median PSNR, dB",
    "passes",
    "s/image",
)


def table(labels: tuple[str, ...] = LABELS, columns: tuple[str, ...] = FIGURES) -> Table:
    value = Cell(value=0.975, low=0.9, high=0.99, form="share", note="of 40")
    rows = [[Cell(label, note="best of 1, 2"), *([value] * len(columns))] for label in labels]
    return Table("a title", "what the figures mean", ("attack", *columns), [Group("", rows)])


def shown(capsys, monkeypatch, what: Table, width: int) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    show(what)
    return capsys.readouterr().out.splitlines()


def letters(text: str) -> str:
    return re.sub(r"[\s│┃━─]", "", text)


@pytest.mark.parametrize("width", [140, 100, 80, 60, 40, 24])
def test_a_table_is_no_wider_than_told_and_nothing_of_it_is_cut(capsys, monkeypatch, width: int):
    lines = shown(capsys, monkeypatch, table(), width)
    assert max(map(cell_len, lines)) <= width
    assert "…" not in "".join(lines)
    text = " ".join(line.strip("│ ") for line in lines)
    for words in ("97.5\N{NO-BREAK SPACE}%", "s/image", "a title", "/255", "99.0\N{NO-BREAK SPACE}%"):
        assert words in text
    # Names are whole, whatever lines they take.
    first = letters("".join(re.split("[│]", line)[1] if line.startswith("│") else line for line in lines))
    assert all(letters(label) in first for label in LABELS)


def test_figures_that_do_not_fit_stand_below_each_other_under_the_names_again(capsys, monkeypatch):
    lines = shown(capsys, monkeypatch, table(), 80)
    assert sum(line.startswith("┏") for line in lines) == 2
    assert sum("┃ attack" in line for line in lines) == 2


def test_a_narrow_terminal_gets_a_line_for_each_value(capsys, monkeypatch):
    lines = shown(capsys, monkeypatch, table(labels=LABELS[1:]), 50)
    assert lines[1:5] == [
        LABELS[1],
        "  best of 1, 2",
        "  images: 97.5 % (90.0 % to 99.0 %, of 40)".replace(" %", "\N{NO-BREAK SPACE}%"),
        "  clean: 97.5 % (90.0 % to 99.0 %, of 40)".replace(" %", "\N{NO-BREAK SPACE}%"),
    ]


def test_a_narrow_terminal_has_the_title_of_a_group_above_its_rows(capsys, monkeypatch):
    grouped = replace(table(LABELS[1:]), groups=[Group("at ε = 3", table(LABELS[1:]).groups[0].rows)])
    assert shown(capsys, monkeypatch, grouped, 50)[1:3] == ["at ε = 3", LABELS[1]]


def test_a_pipe_gets_whole_rows_unless_columns_says_how_wide(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    show(table())
    assert [line for line in capsys.readouterr().out.splitlines() if LABELS[0] in line]
    assert not [line for line in shown(capsys, monkeypatch, table(), 80) if LABELS[0] in line]


def test_sentences_are_broken_between_words_and_paths_nowhere(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    path = "/a/folder/with/a/long/name/" * 3 + "report.html"
    output().print(f"page {path}")
    output().print("of these nine words none is broken over two lines")
    first, *others = capsys.readouterr().out.splitlines()
    assert first == f"page {path}"
    assert " ".join(line.rstrip() for line in others) == "of these nine words none is broken over two lines"
    assert max(map(len, others)) <= 30


EVIL = "\x1b]0;title\x07\x1b[2K\r\u202eb\x85\x9b1A\u2028.png"
TAMED = r"\x1b]0;title\x07\x1b[2K\r\u202eb\x85\x9b1A\u2028.png"


@pytest.mark.parametrize("width", [200, 40])
def test_names_cannot_steer_the_terminal(capsys, monkeypatch, width: int):
    lines = shown(capsys, monkeypatch, table((f"{EVIL}\nend",)), width)
    output().print(f"page {EVIL}\n")
    complain(f"skipped {EVIL}\n: broken")
    captured = capsys.readouterr()
    assert captured.out.replace("\n", "") == f"page {TAMED}\\n"
    assert captured.err == f"skipped {TAMED}\\n: broken\n"
    assert TAMED + r"\nend" in letters(
        "".join(re.split("│", line)[1] if "│" in line else line for line in lines)
    )


@pytest.mark.parametrize("width", [100, 60, 40])
def test_bars_are_whole_under_names_of_any_length(capsys, monkeypatch, width: int):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    with showing([*LABELS, "\x1b[2Kname"]) as tell:
        tell(LABELS[0], 1000, 1000)
        tell("\x1b[2Kname", 1, 2)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    last = text[text.rindex("carlini") :]
    assert "1000/1000 0:00:00" in last
    assert "…" not in last
    assert r"\x1b[2Kname" in last


def test_bars_that_do_not_fit_on_the_screen_appear_as_they_begin_and_go_when_done(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("LINES", "4")
    with showing([f"attack {number}" for number in range(9)]) as tell:
        tell("attack 0", 2, 2)
        tell("attack 8", 1, 2)
    text = capsys.readouterr().err
    assert "attack 8" in text
    assert "attack 7" not in text


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1), st.integers(1, 30))
def test_broken_text_is_whole_and_no_line_too_wide(text: str, width: int):
    lines = wrapped(text, width)
    assert "".join(lines) == text
    assert max(map(cell_len, lines)) <= width
