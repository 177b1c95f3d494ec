"""One attack of one run, as columns: what the table, the curves and the gallery are built from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from limen.runs import Run


@dataclass(frozen=True)
class Series:
    """The records of one attack in one run.

    Attributes:
        run: The run, for its manifest and pictures.
        name: The name of the run on the page.
        label: The attack's spec.
        columns: Each column of the records as an array with one entry an image; null is NaN.
    """

    run: Run
    name: str
    label: str
    columns: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.columns["id"])

    @property
    def correct(self) -> np.ndarray:
        """Which images the model classified as labelled before the attack, (N,) bool."""
        return self.columns["clean_prediction"] == self.columns["label"]

    @property
    def success(self) -> np.ndarray:
        """Which stored images fool the model, (N,) bool."""
        return self.columns["success"].astype(bool)

    def class_name(self, index: float) -> str:
        """The name of a class, its number where it has none, and nothing for NaN."""
        if np.isnan(index):
            return ""
        names = self.run.manifest.model.class_names or self.run.manifest.data.class_names or ()
        return names[int(index)] if 0 <= index < len(names) else f"class {int(index)}"


def series_of(run: Run, name: str) -> list[Series]:
    """Every attack that the run's manifest names, in that order, also one without records yet."""
    table = run.table()
    columns = {key: table.column(key).to_numpy() for key in table.column_names}
    return [
        Series(run, name, label, {key: values[columns["attack"] == label] for key, values in columns.items()})
        for label in run.manifest.labels
    ]
