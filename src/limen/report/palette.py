"""The colours and dashes of what is drawn, in one place: for the style of pages and for figures on paper."""

from __future__ import annotations

from dataclasses import dataclass

# Okabe and Ito's palette, moved towards ink or light until each line stands 3:1 against its paper.
_SERIES = (
    ("#0072b2", "#58b4ee"),
    ("#c8500a", "#ff9a57"),
    ("#00805f", "#3fd0a4"),
    ("#a84a86", "#ec9fcb"),
    ("#8a6d00", "#ead04f"),
    ("#6b4fb8", "#b9a6ff"),
    ("#1c1d1f", "#ffffff"),
    ("#7a7a7a", "#9b9b9b"),
)

COLOURS = len(_SERIES)
"""How many colours there are; further series are dotted, in the same ones."""

# Colour is never the only sign: the second four series are dashed, what comes after is dotted.
_SECOND, _FURTHER, _ASKED = (10.0, 3.0), (2.0, 3.0), (5.0, 4.0)


@dataclass(frozen=True)
class Look:
    """What charts are drawn with.

    Attributes:
        ink: The colour of titles.
        quiet: The colour of numbers beside the axes.
        strong: The colour of the axes.
        rule: The colour of the grid.
        paper: The colour of the background.
        series: The colours of the series, by their numbers.
        markers: The shapes of points, by matplotlib's names and the numbers of the series.
        width: How wide lines are, in points.
        sparse: Whether a line of many points has a few of them, so that its shape tells it from others.
    """

    ink: str
    quiet: str
    strong: str
    rule: str
    paper: str
    series: tuple[str, ...]
    markers: str
    width: float
    sparse: bool

    def colour(self, position: int) -> str:
        """The colour of the series with this number."""
        return self.series[position % COLOURS]

    def marker(self, position: int) -> str:
        """The shape of its points."""
        return self.markers[position % len(self.markers)]


PAPER = Look(
    ink="#000000",
    quiet="#333333",
    strong="#333333",
    rule="#d9d9d9",
    paper="#ffffff",
    series=tuple(light for light, _ in _SERIES),
    # Shapes tell the series apart where all colours are grey.
    markers="os^DvPX*",
    width=1.1,
    sparse=True,
)
"""Black on white, as papers are printed."""

PAGE = Look(
    ink="#0000e0",
    quiet="#0000e1",
    strong="#0000e2",
    rule="#0000e3",
    paper="#0000e4",
    series=tuple(f"#0000f{number}" for number in range(COLOURS)),
    markers="o",
    width=2.25,
    sparse=False,
)
"""Colours that stand for those of a page, light or dark; `VARIABLES` says which each stands for."""

VARIABLES = {
    getattr(PAGE, name): f"var(--{name})" for name in ("ink", "quiet", "strong", "rule", "paper")
} | {colour: f"var(--c{number})" for number, colour in enumerate(PAGE.series)}
"""The variables of a page's style by the colours of `PAGE`."""


def dashes(position: int, asked: bool = False) -> tuple[float, ...]:
    """Dashes and gaps of a line by the number of its series, in a page's units; none for a solid one.

    Args:
        position: The number of the series.
        asked: Whether the line is one that its chart wants dashed.

    Example:
        >>> dashes(0), dashes(5), dashes(9), dashes(0, asked=True)
        ((), (10.0, 3.0), (2.0, 3.0), (5.0, 4.0))
    """
    if asked:
        return _ASKED
    if position >= COLOURS:
        return _FURTHER
    return _SECOND if position >= COLOURS // 2 else ()


def style() -> str:
    """The colours and dashes as CSS: variables, and the classes `s0` and on, `dotted` and `dashed`."""
    colours = " ".join(f"--c{at}: light-dark({light}, {dark});" for at, (light, dark) in enumerate(_SERIES))
    classes = [f".s{at} {{ --series: var(--c{at}); --dash: {_css(dashes(at))}; }}" for at in range(COLOURS)]
    further = [f".dotted {{ --dash: {_css(_FURTHER)}; }}", f".dashed {{ --dash: {_css(_ASKED)}; }}"]
    return "\n".join([f":root {{ {colours} }}", *classes, *further, ""])


def css_class(position: int, dashed: bool = False) -> str:
    """The classes of the series with this number.

    Example:
        >>> css_class(1), css_class(9), css_class(0, dashed=True)
        ('s1', 's1 dotted', 's0 dashed')
    """
    further = " dotted" if position >= COLOURS else ""
    return f"s{position % COLOURS}{further}{' dashed' if dashed else ''}"


def _css(pattern: tuple[float, ...]) -> str:
    return " ".join(f"{length:g}" for length in pattern) or "none"
