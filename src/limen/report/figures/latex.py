"""Tables as LaTeX, with the rules of booktabs, and figures as it includes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from limen.document import Cell, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    # What pdfLaTeX has no letters for.
    "−": "$-$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "→": r"$\rightarrow$",
    "…": r"\dots{}",
    "–": "--",
    "\N{NO-BREAK SPACE}": "~",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    **{chr(0x2080 + digit): f"$_{digit}$" for digit in range(10)},
    "²": "$^2$",
    "∥": r"$\|$",
    "Δ": r"$\Delta$",
    **{
        letter: f"$\\{name}$"
        for letter, name in zip(
            "αβγδεκλμρστ",
            ["alpha", "beta", "gamma", "delta", "varepsilon", "kappa", "lambda", "mu", "rho", "sigma", "tau"],
            strict=True,
        )
    },
}


def escaped(text: str) -> str:
    r"""A text that LaTeX prints as it is, in one line.

    Example:
        >>> print(escaped("50 % of L₂_a − $x$"))
        50 \% of L$_2$\_a $-$ \$x\$
    """
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split(" ")))


def tabular(table: Table) -> str:
    r"""A table as a `tabular`, which needs `\usepackage{booktabs}`: numbers with their intervals, no notes.

    Example:
        >>> from limen.document import Group
        >>> rows = [[Cell("fgsm"), Cell(value=0.5, low=0.4, high=0.6, form="share")]]
        >>> print(tabular(Table("Success", "", ["attack", "fooled"], [Group("", rows)])))
        \begin{tabular}{lr}
        \toprule
        attack & fooled \\
        \midrule
        fgsm & 50.0~\% {\scriptsize [40.0~\%, 60.0~\%]} \\
        \bottomrule
        \end{tabular}
    """
    numeric = [
        any(row[at].value is not None for group in table.groups for row in group.rows)
        for at in range(len(table.columns))
    ]
    layout = "".join("r" if right and at else "l" for at, right in enumerate(numeric))
    lines = [rf"\begin{{tabular}}{{{layout}}}", r"\toprule", _row(map(escaped, table.columns))]
    for group in table.groups:
        lines.append(r"\midrule")
        if group.title:
            lines.append(
                _row([rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\emph{{{_line(group.title)}}}}}"])
            )
        lines += [_row(map(_cell, row)) for row in group.rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def floating(kind: str, inner: str, title: str, caption: str, label: str) -> str:
    """A `figure` or a `table` with its caption and label."""
    told = ". ".join(filter(None, (_line(title).rstrip("."), _line(caption))))
    body = [rf"\begin{{{kind}}}", r"\centering", inner, rf"\caption{{{told}}}", rf"\label{{{label}}}"]
    return "\n".join([*body, rf"\end{{{kind}}}"])


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(cell: Cell) -> str:
    shown = _line(cell.shown)
    # What begins with a bracket would be an argument of the line above.
    shown = f"{{{shown}}}" if shown.startswith("[") else shown
    if cell.value is None or cell.low is None or cell.high is None:
        return shown
    low, high = (_line(end) for end in cell.lines[0].split(" to "))
    return rf"{shown} {{\scriptsize [{low}, {high}]}}"


def _line(text: str) -> str:
    return escaped(re.sub(r"[\r\n\t]+", " ", text))
