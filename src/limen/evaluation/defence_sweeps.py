"""Success behind defences over a number of the attacks, such as their confidence or their budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from limen.analysis import Sweep
from limen.document import Chart, Charts, Line
from limen.evaluation.cells import bands
from limen.evaluation.defence_success import UNAWARE, Rates, Strengths

_MOST = 7


def over_attacks(found: Sequence[Sweep], rates: Rates, parameters: Mapping[str, str]) -> Iterator[Charts]:
    """For each number in which attacks differ, a chart of each defence with a line for each strength.

    Args:
        found: The attacks under several values of a number.
        rates: Success by defence.
        parameters: What the strength of a defence is called, by the defence.
    """
    for sweep in found:
        charts = [
            _chart(name, parameters[name], sweep, of)
            for name, of in rates.items()
            if all((label, UNAWARE) in of for label in sweep.labels)
        ]
        if charts:
            caption = (
                f"Success behind each defence over {sweep.parameter}, the attack being unaware of it: a line "
                "for each strength. Bands: 95 % Wilson intervals."
            )
            yield Charts(f"Over {sweep.parameter}: {sweep.name}", caption, charts)


def _chart(name: str, parameter: str, sweep: Sweep, rates: Mapping[tuple[str, str], Strengths]) -> Chart:
    lines = []
    for strength in some(list(rates[sweep.labels[0], UNAWARE])):
        heights = bands(rates[label, UNAWARE][strength] for label in sweep.labels)
        title = name if strength is None else f"{parameter} {strength:g}"
        lines.append(Line(title, sweep.values, *heights))
    return Chart(name, sweep.parameter, "fooled", lines, y_range=(0, 1), log_x=sweep.wide, percent=True)


def some(strengths: Sequence[float | None]) -> list[float | None]:
    """So many as a table or a chart has room for, the first and the last among them.

    Example:
        >>> some([None]), some(list(range(13)))
        ([None], [0, 2, 4, 6, 8, 10, 12])
    """
    if len(strengths) <= _MOST:
        return list(strengths)
    step = (len(strengths) - 1) / (_MOST - 1)
    return [strengths[round(place * step)] for place in range(_MOST)]
