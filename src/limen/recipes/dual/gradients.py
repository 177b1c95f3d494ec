"""What the loss of classifiers heeds: Figure 6."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import estimate_means
from limen.document import Document
from limen.recipes.bench import Bench, Ran, Row
from limen.recipes.blocks import Rows, one, table
from limen.recipes.dual.common import alone, made_of, page
from limen.recipes.entries import Entry
from limen.recipes.pictures import figures, pictured, pictures
from limen.recipes.recipe import recipe
from limen.spec import write_spec


def _figure_6(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    measured = figures(rows)
    caption = (
        "At the originals: the share that a classifier has right, the mean length in L2 of the gradient of "
        "the cross-entropy, how much of the image is foreground, and which share of the gradient's energy "
        "lies there; with 95 % intervals over the images."
    )
    columns = {
        "Classified correctly": one("share", count=True, statistic="right"),
        "Length of the gradient": one(statistic="length"),
        "Foreground": one("share", statistic="share"),
        "Gradient on the foreground": one("share", count=True, statistic="energy"),
    }
    made = table("Gradients of the loss", caption, measured, columns, "Classifier")
    shown = pictured(
        "Gradients",
        "The original, its foreground lit, and the gradient of each classifier's loss, image by image within "
        "±3 standard deviations of its mean, which is mid-grey.",
        rows,
    )
    title = "What does the loss of each classifier heed?"
    return page(records, title, "Figure 6", [made, *shown], alone(measured))


@recipe(describe=_figure_6)
def dual_figure_6(
    bench: Bench, *, model: tuple[str, ...] = (), mask: str = "saliency", images: int = 6
) -> pa.Table:
    """Gradients of the loss of several classifiers beside each other (Tong et al., Figure 6)."""
    # The evaluation is of a run, and looks at its originals alone: the cheapest attack will do.
    (ran,) = bench.attacked("dual-gradients", {"": [Entry("FGM", "fgm")]})
    others = tuple(each for each in dict.fromkeys(model) if each != bench.model)
    options = [*([("model", others)] if others else []), ("mask", mask), ("images", images)]
    stored = bench.stored(ran.run, write_spec("gradients", options), "gradients")
    found, names = stored.records(), [bench.model, *others]
    rows = [row for name in names for row in _means(ran, name, found.filter(pc.field("model") == name))]
    titles = ["Original", *names]
    for image_id in ran.records["id"].unique().to_pylist():
        wanted = [(title, None, f"{place}/{image_id}") for place, title in enumerate(titles)]
        rows += pictures(ran, stored, image_id, wanted)
    return made_of([ran], rows, mask)


def _means(ran: Ran, name: str, of: pa.Table) -> Iterator[Row]:
    for statistic in ("right", "length", "share", "energy"):
        values = of[statistic].cast(pa.float64()).to_numpy()
        found = {"statistic": statistic, "images": int(np.isfinite(values).sum())}
        (mean,) = estimate_means(values[:, None])
        yield ran.row(group="", attack=name, spec="", **found, **asdict(mean))
