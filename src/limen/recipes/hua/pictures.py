"""What attacks look like: Figure 3.1, one step on digits; Figure 3.2, photographs; Figure 3.4, saliency."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.document import Document
from limen.evaluation.fooled import most_fooled
from limen.evaluation.saliency import Scale
from limen.pictures import difference, stacked
from limen.recipes.bench import RIGHT, Bench, Ran, Row, facts
from limen.recipes.blocks import Rows, one, table
from limen.recipes.entries import Entry
from limen.recipes.hua.common import COST, attacked, made_of, page
from limen.recipes.hua.tables import SCALES, looked
from limen.recipes.pictures import PICTURE, figures, pictured, pictures
from limen.recipes.recipe import recipe, records
from limen.runs.files import encode_png
from limen.spec import value_text, write_spec

_CLASS = "below, what the model takes each for."

_PART = 4
"""The side of the part of an image that is enlarged, as a share of the whole: a fourth."""

ONE_STEP = ("Our one-step attack", "ssim_step"), ("One-step PGD (L2)", "fgm")
"""The attacks of Figure 3.1."""


def _figure_3_1(records: pa.Table) -> Document:
    rows = Rows(records.to_pylist())
    columns = {
        "Success": one("share", count=True, statistic="success"),
        "Mean L2": one(statistic="mean", metric="l2"),
        "Mean SSIM": one("near_one", statistic="mean", metric="ssim"),
    }
    caption = "Success on correctly classified images, and means over those fooled, with 95 % intervals."
    made = table("One step of equal length", caption, figures(rows), columns)
    shown = pictured(
        "The first of the class that both fool", f"The original, and what each attack stored; {_CLASS}", rows
    )
    notes = (
        "The paper's ε is 10 in L2, and it does not say in which range of values. Here they lie in [0, 1], "
        "in which a digit has a length of about 9, and what leaves the range is cut off. It shows the first "
        "two 1s of MNIST that both fool, as do digit=1 and images=2; without pictures, there is none.",
        "An image that an attack does not fool is stored as it was.",
    )
    title = "Does one step keep what an image means?"
    return page(records, title, "Figure 3.1", [made, *shown], notes, common=())


@recipe(describe=_figure_3_1)
def hua_figure_3_1(bench: Bench, *, eps: float = 10.0, digit: int | None = 1, images: int = 2) -> pa.Table:
    """One step along the Hessian of 1 − SSIM beside one along the gradient (Hua et al., Figure 3.1)."""
    made = [Entry(title, write_spec(name, [("eps", value_text(eps))])) for title, name in ONE_STEP]
    ran = bench.attacked(f"hua-one-step-{eps:g}", {"": made})
    rows = [row for each in ran for row in each.figures(("l2", "ssim"))]
    rows = [row for row in rows if row["statistic"] in ("success", "mean")]
    first, second = (_fooled(each, digit) for each in ran)
    for image_id in [image_id for image_id in first if image_id in second][:images]:
        rows += _drawn(ran, image_id)
    return records(rows, facts=facts(ran))


def _fooled(ran: Ran, digit: int | None = None) -> list[str]:
    """The images that an attack fools the model on, in the order of the data set; of one class, if given."""
    fooled = ran.records.filter((pc.field("attack") == ran.labels[0]) & RIGHT & pc.field("success"))
    rows = fooled.sort_by("index").to_pylist()
    return [row["id"] for row in rows if digit is None or row["label"] == digit]


def _figure_3_2(records: pa.Table) -> Document:
    caption = (
        "The original and what each attack stored, above the part that changes most, four times as large; "
        f"{_CLASS}"
    )
    shown = pictured("Images that most attacks fool", caption, Rows(records.to_pylist()))
    notes = (
        "The paper enlarges regions where differences are noticed; here it is the fourth of each side that "
        "all attacks together change most.",
    )
    return page(records, "What do attacks look like?", "Figure 3.2", shown, notes)


@recipe(describe=_figure_3_2)
def hua_figure_3_2(
    bench: Bench,
    *,
    metric: str = COST,
    images: int = 4,
    steps: int = 100,
    colour_steps: int = 1000,
    bound_steps: int = 40,
) -> pa.Table:
    """Pictures of seven attacks, with a part enlarged (Hua et al., Figure 3.2)."""
    ran = attacked(bench, metric, steps, colour_steps, bound_steps)
    rows: list[Row] = []
    for image_id, hits in _most_fooled(ran, images):
        at = most_changed(
            ran[0].run.original(image_id), [each.run.image(each.labels[0], image_id) for each in hits]
        )
        rows += _drawn(hits, image_id, lambda pixels, at=at: stacked([pixels, enlarged(pixels, *at)]))
    return made_of(ran, rows, metric)


def _most_fooled(ran: Sequence[Ran], count: int) -> Iterator[tuple[str, list[Ran]]]:
    """The images that most attacks fool the model on, each with these attacks."""
    fooled = [_fooled(each) for each in ran]
    for image_id in most_fooled(fooled, count):
        yield image_id, [each for each, ids in zip(ran, fooled, strict=True) if image_id in ids]


def most_changed(original: np.ndarray, attacked: Sequence[np.ndarray]) -> tuple[int, int]:
    """The upper left corner of the fourth of each side in which images change most, all weighing alike.

    Example:
        >>> original = np.zeros((8, 8, 3), np.uint8)
        >>> changed = original.copy()
        >>> changed[4:6, 2:4] = 9
        >>> most_changed(original, [changed])
        (4, 2)
    """
    height, width = (side // _PART for side in original.shape[:2])
    total = np.zeros(original.shape[:2])
    for pixels in attacked:
        change = np.abs(difference(original, pixels)).sum(-1).astype(float)
        total += change / (change.sum() or 1)
    corners = np.pad(total.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = corners[height:] - corners[:-height]
    inside = inside[:, width:] - inside[:, :-width]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    return int(row), int(column)


def enlarged(pixels: np.ndarray, row: int, column: int) -> np.ndarray:
    """The part of an image with this corner, each pixel four times as wide and high.

    Example:
        >>> enlarged(np.arange(64).reshape(8, 8, 1), 4, 2)[::4, ::4, 0].tolist()
        [[34, 35], [42, 43]]
    """
    height, width = (side // _PART for side in pixels.shape[:2])
    part = pixels[row : row + height, column : column + width]
    return part.repeat(_PART, 0).repeat(_PART, 1)


def _drawn(
    ran: Sequence[Ran], image_id: str, made: Callable[[np.ndarray], np.ndarray] = np.asarray
) -> Iterator[Row]:
    """The rows of pictures of an image and of what attacks made of it, drawn from pixels, with classes."""
    known = {row["attack"]: row for row in ran[0].records.filter(pc.field("id") == image_id).to_pylist()}
    labels = [each.labels[0] for each in ran]
    shown = [("Original", known[labels[0]]["clean_prediction"], ran[0].run.original(image_id))]
    for each, label in zip(ran, labels, strict=True):
        shown.append((each.entry.title, known[label]["prediction"], ran[0].run.image(label, image_id)))
    kept = {**ran[0].columns, "group": "", "attack": "", "statistic": PICTURE, "id": image_id}
    names = ran[0].run.manifest.model.class_names or ran[0].run.manifest.data.class_names
    for title, seen, pixels in shown:
        name = f"class {seen}" if names is None else names[seen]
        yield {**kept, "title": f"{title}: {name}", "png": encode_png(made(pixels))}


def _figure_3_4(records: pa.Table) -> Document:
    caption = "The original and what each attack stored, each above its saliency map."
    shown = pictured("Where people look", caption, Rows(records.to_pylist()))
    notes = ("The paper predicts saliency by EGNet: saliency=egnet with its weights, and scale=none.",)
    return page(records, "Do attacks move eyes?", "Figure 3.4", shown, notes)


@recipe(describe=_figure_3_4)
def hua_figure_3_4(
    bench: Bench,
    *,
    metric: str = COST,
    saliency: str = "spectral_residual",
    scale: Scale = "peak",
    images: int = 4,
    steps: int = 100,
    colour_steps: int = 1000,
    bound_steps: int = 40,
) -> pa.Table:
    """Saliency maps of originals and attacked images (Hua et al., Figure 3.4)."""
    ran = attacked(bench, metric, steps, colour_steps, bound_steps)
    stored = bench.stored(ran[0].run, looked(saliency, scale, images), "saliency")
    rows: list[Row] = []
    for image_id, hits in _most_fooled(ran, images):
        wanted = [("Original", None, image_id), *((hit.entry.title, hit.labels[0], image_id) for hit in hits)]
        rows += pictures(ran[0], stored, image_id, wanted)
    return made_of(ran, rows, metric, {"Saliency": saliency.replace(",", ", "), "Maps": SCALES[scale]})
