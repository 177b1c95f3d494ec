"""What models get wrong, sorted so that wrong labels come first, to be looked at by a person."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from PIL import Image

from limen.data import Dataset
from limen.data.excluding import MARK
from limen.document import Document, Picture, Pictures, Row
from limen.images import ImageFileError, to_uint8

_SIDE = 160
_ACROSS = 6


def recheck_table(dataset: Dataset, answers: Sequence[pa.Table]) -> pa.Table:
    """The images that models get wrong, those first of which most models are surest.

    The column `exclude` is empty; filled in where a label is wrong, the table can be given as `exclude=`.

    Args:
        dataset: The images.
        answers: What each model says, as `judgements` gives it; all of the same images.

    Returns:
        The columns `id`, `group`, `label` and `prediction` as names where they are known, `wrong` and
        `models`, how many models are wrong and how many there are, `confidence`, their mean one in what
        they say, and `exclude`.
    """
    right = np.stack([table["right"].to_numpy() for table in answers])
    said = np.stack([table["prediction"].to_numpy() for table in answers])
    sure = np.stack([table["confidence"].to_numpy() for table in answers])
    first, wrong = answers[0].to_pylist(), (~right).sum(0)
    mean = np.where(right, 0, sure).sum(0) / np.maximum(wrong, 1)
    names = dataset.class_names

    def name(label: int) -> str:
        return str(label) if names is None or label >= len(names) else names[label]

    rows = [
        {
            "id": first[place]["id"],
            "group": first[place]["group"],
            "label": name(first[place]["label"]),
            "prediction": name(Counter(said[~right[:, place], place].tolist()).most_common(1)[0][0]),
            "wrong": int(wrong[place]),
            "models": len(answers),
            "confidence": float(mean[place]),
            MARK: "",
        }
        for place in np.lexsort((-mean, -wrong))
        if wrong[place]
    ]
    columns = ("id", "group", "label", "prediction", "wrong", "models", "confidence", MARK)
    return pa.table({column: pa.array([row[column] for row in rows]) for column in columns})


def recheck_page(dataset: Dataset, table: pa.Table, most: int = 120) -> Document:
    """Small pictures of the first images of such a table."""
    places = {image_id: place for place, image_id in enumerate(dataset.ids)}
    pictures = [
        Picture(
            _small(dataset, places[row["id"]]),
            row["label"],
            f"{row['prediction']}, {row['confidence']:.0%}\n{row['group']}\n{row['id']}",
        )
        for row in table.slice(0, most).to_pylist()
    ]
    rows = [Row("", pictures[start : start + _ACROSS]) for start in range(0, len(pictures), _ACROSS)]
    caption = (
        "Under each picture its label, and below that what most models say instead, how sure they are, its "
        "group and its id. Where the label is wrong, fill in the column exclude of the table beside this "
        "page, and give the table as exclude= of the data."
    )
    title = f"{len(pictures)} of {table.num_rows} images that models get wrong"
    return Document(
        "Labels to recheck", settings=[("Data", dataset.spec)], blocks=[Pictures(title, caption, rows)]
    )


def _small(dataset: Dataset, place: int) -> bytes | None:
    try:
        pixels = to_uint8(dataset.load(place).image[None])[0]
    except ImageFileError:
        return None
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    image.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
