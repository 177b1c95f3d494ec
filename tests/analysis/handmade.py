"""Records and outcomes written by hand, for figures that are easy to check."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from limen.analysis import Outcomes
from limen.metrics import METRICS
from limen.runs import record_schema

COLUMNS = {name: metric.column for name, metric in METRICS.items()}


def record(label: str, image_id: str, success: bool = True, correct: bool = True, **changes) -> dict:
    return {
        "attack": label,
        "index": 0,
        "id": image_id,
        "label": 1,
        "target": None,
        "source": "cd" * 32,
        "clean_prediction": int(correct),
        "clean_confidence": 0.9,
        "prediction": 0,
        "confidence": 0.6,
        "success": success,
        "success_in_memory": success,
        "steps": 4,
        "forwards": 5,
        "backwards": 4,
        "zero_gradients": None,
        "nonfinite_gradients": None,
        "unmasked": None,
        "still": None,
        "unconfirmed": None,
        "seconds": 0.5,
        **dict.fromkeys(COLUMNS, 0.25 if success else None),
        **changes,
    }


def table(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=record_schema(COLUMNS.values()))


def made(images: list[tuple[bool, bool, float]], distance: str = "l2", name: str = "ddn") -> Outcomes:
    """Outcomes of images given as (correct, success, distance); all else is of no matter."""
    correct, success, values = (
        np.array(each) for each in (zip(*images, strict=True) if images else ([],) * 3)
    )
    nothing = np.zeros(len(images))
    values = np.where(success.astype(bool), values.astype(float), np.nan)
    return Outcomes(
        name=name,
        labels=(name,),
        ids=tuple(map(str, range(len(images)))),
        correct=correct.astype(bool),
        success=success.astype(bool),
        in_memory=success.astype(bool),
        stuck=np.full(len(images), np.nan),
        faded=np.full(len(images), np.nan),
        unmasked=np.full(len(images), np.nan),
        still=np.full(len(images), np.nan),
        unconfirmed=np.full(len(images), np.nan),
        values={**dict.fromkeys(COLUMNS, nothing), distance: values},
        metrics=COLUMNS,
        forwards=nothing,
        backwards=nothing,
        seconds=nothing,
        unfinished=0,
    )
