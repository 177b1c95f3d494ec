"""Success against distortion of all attacks: Figures 5 and 6 of the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from limen import catalog
from limen.document import Chart, Charts, Document, Line
from limen.errors import UsageError
from limen.recipes.recipe import Reproduction, Request, Showing, kind_of
from limen.recipes.smooth.bench import facts, notes, run
from limen.recipes.smooth.comparison import DATA_SETS, PAPER, entries
from limen.runs import Characteristic, Outcomes, characteristic

METRICS = ("l2", "mad", "ssim")
"""What distortion is measured by."""

CAPTION = (
    "Each line is the share of correctly classified images that the attack fools with at most a given "
    "distortion; further left is less distortion for the same success. Bands: 95 % bootstrap intervals."
)

Curves = Mapping[str, Characteristic]
"""The lines of a chart by their names."""


def figure_5(request: Request, showing: Showing) -> Reproduction:
    """Operating characteristics on MNIST."""
    return _figure(request, showing, "mnist", "Figure 5")


def figure_6(request: Request, showing: Showing) -> Reproduction:
    """Operating characteristics on ImageNet."""
    return _figure(request, showing, "imagenet", "Figure 6")


def _figure(request: Request, showing: Showing, kind: str, figure: str) -> Reproduction:
    dataset = catalog.data(request.data)
    found = kind_of(request, dataset)
    if found != kind:
        raise UsageError(
            f"{figure} is of {DATA_SETS[kind]}, but {request.data} looks like {DATA_SETS[found]}; choose "
            f"other data, or give --like {kind} to measure it all the same"
        )
    smooth = run(request, dataset, entries(kind, request), showing)
    curves = {
        setting: of_distances({each.title: smooth.outcomes(each) for each in group})
        for setting, group in smooth.groups.items()
    }
    blocks = [Charts(setting, CAPTION, charts(of)) for setting, of in curves.items()]
    sheet = Document(
        f"Success against distortion, {DATA_SETS[kind]}",
        f"{PAPER} {figure}",
        facts(smooth, request),
        [*blocks, notes(smooth, request, "The paper shows L2 alone, over a linear axis.")],
    )
    records = [{"setting": setting, **row} for setting, of in curves.items() for row in points(of)]
    return Reproduction(sheet, records)


def of_distances(attacks: Mapping[str, Outcomes]) -> dict[str, Curves]:
    """The lines of these attacks, by distance."""
    return {
        metric: {title: characteristic(each, metric) for title, each in attacks.items()} for metric in METRICS
    }


def charts(curves: Mapping[str, Curves]) -> list[Chart]:
    """A chart a distance, but for those by which no image is changed at all.

    Args:
        curves: The lines, by distance.
    """
    return [_chart(of) for of in curves.values() if any(_visible(each).any() for each in of.values())]


def _chart(curves: Curves) -> Chart:
    """Lines that rise in steps over one axis, from the least distortion of any of them to the greatest."""
    known = np.concatenate([_shown(each)[_visible(each)] for each in curves.values()])
    ends = float(known.min() / 1.1), float(known.max() * 1.1)
    name = next(iter(curves.values())).metric.axis
    return Chart(
        f"Success within {name}",
        name,
        "fooled",
        [_line(title, each, ends) for title, each in curves.items()],
        x_range=ends,
        y_range=(0, 1),
        log_x=True,
        percent=True,
    )


def _shown(curve: Characteristic) -> np.ndarray:
    """Where the line rises, as the axis has it."""
    return curve.metric.plotted(curve.distances)


def _visible(curve: Characteristic) -> np.ndarray:
    """Which of these places a logarithmic axis has."""
    return (_shown(curve) > 0) & np.isfinite(_shown(curve))


def _line(title: str, curve: Characteristic, ends: tuple[float, float]) -> Line:
    visible = _visible(curve)
    start = curve.shares[_shown(curve) <= 0].max(initial=0.0)
    x = np.array([ends[0], *_shown(curve)[visible], ends[1]])
    # Each step has two corners: the share before it, and the share from it on.
    shares = np.repeat([start, *curve.shares[visible]], 2)
    low, high = curve.band(shares)
    return Line(title, np.repeat(x, 2)[1:-1].tolist(), shares.tolist(), low.tolist(), high.tolist())


def points(curves: Mapping[str, Curves]) -> Iterator[dict[str, object]]:
    """Each step of each line, for other programs."""
    names = ("distance", "success", "success_low", "success_high")
    for of in curves.values():
        for title, each in of.items():
            for values in zip(each.distances, each.shares, *each.band(), strict=True):
                yield {
                    "attack": title,
                    "metric": each.metric.key,
                    "images": each.images,
                    **dict(zip(names, map(float, values), strict=True)),
                }
