"""A small run to write, with values that are easy to check."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from limen.metrics import METRICS
from limen.runs import DataEntry, Manifest, ModelEntry, Settings

from ..named import identity

COLUMNS = [metric.column for metric in METRICS.values()]
LABELS = ("fgsm:eps=0.1", "ddn")


@pytest.fixture
def manifest() -> Manifest:
    described = Manifest(
        model=ModelEntry("demo:photos", "ab" * 32, ("cat", "<script>")),
        data=DataEntry("folder:photos,size=8", 4, ("cat", "<script>")),
        settings=Settings(seed=3),
    )
    return described.with_attacks(map(identity, LABELS)).with_metrics(COLUMNS)


@pytest.fixture
def pixels() -> Callable[..., np.ndarray]:
    def make(seed: int, channels: int = 3) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (8, 9, channels), dtype=np.uint8)

    return make


@pytest.fixture
def row() -> Callable[..., dict]:
    def make(image_id: str, index: int = 0, *, success: bool = True, **changes) -> dict:
        return {
            "index": index,
            "id": image_id,
            "label": 1,
            "group": None,
            "target": None,
            "source": "cd" * 32,
            "clean_prediction": 1,
            "clean_confidence": 0.9,
            "prediction": 0 if success else 1,
            "confidence": 0.6,
            "success": success,
            "success_in_memory": success,
            "steps": 4,
            "forwards": 5,
            "backwards": 4,
            "seconds": 0.5,
            "zero_gradients": 1,
            "nonfinite_gradients": 0,
            "unmasked": False,
            "still": False,
            "unconfirmed": None,
            **{name: 0.25 if success else None for each in COLUMNS for name in (each.key, each.in_memory)},
            **changes,
        }

    return make
