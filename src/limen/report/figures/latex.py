"""Tables as LaTeX, with the rules of booktabs, and figures as it includes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest

from rich.cells import cell_len

from limen.document import Cell, Group, Table, harmless, side_by_side, wrapped
from limen.document.numbers import written

HEAD = r"""% Written by Limen. Needs \usepackage{booktabs,graphicx}.
% From another folder: \newcommand{\limenfolder}{FOLDER/}\input{FOLDER/figures}
\providecommand{\limenfolder}{}
% What is wider than a line is scaled to it.
\providecommand{\limenfit}[1]{%
  \sbox0{#1}\ifdim\wd0>\linewidth\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi}
"""
"""What stands above all figures and tables."""

_GREEK = "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho"
_GREEK += " varsigma sigma tau upsilon varphi chi psi omega"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "[": "{[}",  # at the beginning of a line it would be an argument of the line above
    # What pdfLaTeX has no letters for.
    "−": "$-$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "√": r"$\surd$",
    "…": r"\dots{}",
    "–": "--",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    **{chr(0x2080 + digit): f"$_{digit}$" for digit in range(10)},
    "²": "$^2$",
    "∥": r"$\|$",
    "Δ": r"$\Delta$",
    **{chr(ord("α") + place): rf"$\{name}$" for place, name in enumerate(_GREEK.split())},
    "ο": "o",
}
_LIGATURES = "-,'`"  # two of them in a row become another character

_PAGE, _COLUMN = 96, 46  # characters that fit side by side on a page of two columns, and in one of these
_NAME = 30  # characters after which a text is broken
_HEADING = 8
_SMALL, _GAP = 0.75, 2  # how wide small type is, and the space between columns, in characters


def escaped(text: str) -> str:
    r"""A text that LaTeX prints as it is, in one line.

    Example:
        >>> print(escaped("50 % of L₂_a − $x$"))
        50 \% of L$_2$\_a $-$ \$x\$
    """
    shown = harmless(" ".join(text.splitlines()).replace("\t", " "))
    written_out = "".join(
        _SPECIAL.get(character, character) + ("{}" if character == following in _LIGATURES else "")
        for character, following in pairwise([*shown, ""])
    )
    return written_out.replace(r"L$\infty$", r"L$_\infty$")


def tabular(table: Table) -> str:
    r"""A table as a `tabular`, which needs `\usepackage{booktabs}`: numbers with their intervals, no notes.

    Intervals stand below their numbers. Columns that do not fit on a page stand below the others.

    Example:
        >>> from limen.document import Group
        >>> rows = [[Cell("fgsm"), Cell(value=0.5, low=0.4, high=0.6, form="share")]]
        >>> print(tabular(Table("Success", "", ["attack", "fooled"], [Group("", rows)])))
        \begin{tabular}{lr}
        \toprule
        attack & fooled \\
        \midrule
        fgsm & 50.0~\% \\
         & {\scriptsize [40.0~\%, 60.0~\%]} \\
        \bottomrule
        \end{tabular}
    """
    columns = _columns(table)
    parts = [[columns[place] for place in part] for part in _parts(columns)]
    made = [_part(part, table.groups) for part in parts]
    if len(made) == 1:
        return made[0]
    below = " \\\\\n\\addlinespace[2ex]\n".join(made)
    return f"\\begin{{tabular}}{{@{{}}l@{{}}}}\n{below}\n\\end{{tabular}}"


def is_wide(table: Table) -> bool:
    """Whether a table needs more room than a column of a paper has."""
    columns = _columns(table)
    return max(sum(columns[place].width for place in part) for part in _parts(columns)) > _COLUMN


def floating(kind: str, inner: str, title: str, caption: str, label: str, wide: bool = False) -> str:
    """A `figure` or a `table` with its caption and label, over both columns of a page if it is wide."""
    sentences = [line.strip() for line in (title, *caption.splitlines()) if line.strip()]
    told = " ".join(escaped(line if line[-1] in ".:?!" else f"{line}.") for line in sentences)
    kind = f"{kind}*" if wide else kind
    lines = [r"\centering", rf"\limenfit{{{inner}}}", rf"\caption{{{told}}}", rf"\label{{{label}}}"]
    return "\n".join([rf"\begin{{{kind}}}", *lines, rf"\end{{{kind}}}"])


@dataclass(frozen=True)
class _Column:
    """A column in LaTeX.

    Attributes:
        heading: Its lines.
        cells: The lines of each cell, by group and row.
        width: In characters, with the space beside it.
        right: Whether it is set to the right, as numbers are.
    """

    heading: Sequence[str]
    cells: Sequence[Sequence[Sequence[str]]]
    width: int
    right: bool


def _columns(table: Table) -> list[_Column]:
    columns = []
    for place, heading in enumerate(table.columns):
        cells = [[row[place] for row in group.rows] for group in table.groups]
        flat = [cell for of_group in cells for cell in of_group]
        widest = max(map(_width, flat), default=0)
        lines = wrapped(heading, max(_HEADING, widest, *map(cell_len, heading.split(" "))))
        columns.append(
            _Column(
                [*map(escaped, lines)],
                [[*map(_lines, of_group)] for of_group in cells],
                max(widest, *map(cell_len, lines)) + _GAP,
                place > 0 and any(cell.value is not None for cell in flat),
            )
        )
    return columns


def _parts(columns: Sequence[_Column]) -> list[list[int]]:
    return side_by_side([column.width for column in columns], _PAGE)


def _part(columns: Sequence[_Column], groups: Sequence[Group]) -> str:
    layout = "".join("r" if column.right else "l" for column in columns)
    lines = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", _row(map(_heading, columns))]
    for number, group in enumerate(groups):
        lines.append(r"\midrule")
        tall = any(len(cell) > 1 for column in columns for cell in column.cells[number])
        if group.title:
            lines.append(_row([rf"\multicolumn{{{len(columns)}}}{{l}}{{\emph{{{escaped(group.title)}}}}}"]))
        for place in range(len(group.rows)):
            cells = [column.cells[number][place] for column in columns]
            lines += [r"\addlinespace"] if tall and place else []
            lines += map(_row, zip_longest(*cells, fillvalue=""))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _heading(column: _Column) -> str:
    if len(column.heading) == 1:
        return column.heading[0]
    stacked = r" \\ ".join(column.heading)
    return rf"\shortstack[{'r' if column.right else 'l'}]{{{stacked}}}"


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _lines(cell: Cell) -> list[str]:
    """A text in lines, or a number and below it its interval."""
    lines = [*map(escaped, _texts(cell))]
    interval = ", ".join(map(escaped, _ends(cell)))
    return [*lines, rf"{{\scriptsize [{interval}]}}"] if interval else lines


def _texts(cell: Cell) -> list[str]:
    return wrapped(" ".join(cell.shown.splitlines()), _NAME)


def _ends(cell: Cell) -> list[str]:
    """Those of the interval; none where there is no interval."""
    ends = (cell.low, cell.high)
    return [] if None in ends else [written(end, cell.form) for end in ends]


def _width(cell: Cell) -> int:
    return max(*map(cell_len, _texts(cell)), round(_SMALL * cell_len(f"[{', '.join(_ends(cell))}]")))
