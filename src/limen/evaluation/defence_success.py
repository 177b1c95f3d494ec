"""How many images fool a classifier behind defences, from the records of the evaluation `defenses`."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import Measured, wilson
from limen.runs import Stored

UNAWARE, ADAPTIVE = "unaware", "adaptive"
NO_ATTACK = "no attack"
"""What stands for the originals, where success is what the defence alone makes of them."""

Strengths = Mapping[float | None, Measured]
"""By a defence's strength, None where it has none, the share of images that an attack fools behind it."""

Rates = Mapping[str, Mapping[tuple[str, str], Strengths]]
"""By defence, then by an attack and whether it knew of the defence."""


def rates_of(stored: Stored) -> dict[str, dict[tuple[str, str], dict[float | None, Measured]]]:
    """By defence, then attack and mode, then strength: success on the images that count."""
    records, everywhere = stored.records(), stored.identity.parameters["of"] == "right"
    counted = records
    if not everywhere:
        counted = records.filter(pc.field("clean_prediction") == pc.field("label"))
    elif not stored.run.manifest.settings.targeted:
        records = counted = pa.concat_tables([records, _originals(records)])
    keys = ["defense", "attack", "mode", "strength"]
    grouped = counted.group_by(keys, use_threads=False).aggregate([("success", "sum"), ("success", "count")])
    found: dict[tuple[object, ...], Measured] = {
        tuple(row[key] for key in keys): wilson(row["success_sum"], row["success_count"])
        for row in grouped.to_pylist()
    }
    rates: dict[str, dict[tuple[str, str], dict[float | None, Measured]]] = {}
    nothing = wilson(0, 0)
    for row in records.group_by(keys, use_threads=False).aggregate([]).to_pylist():
        of_attack = rates.setdefault(row["defense"], {}).setdefault((row["attack"], row["mode"]), {})
        of_attack[row["strength"]] = found.get(tuple(row[key] for key in keys), nothing)
    return rates


def _originals(records: pa.Table) -> pa.Table:
    """Rows as of an attack that leaves images as they are: a success is what the defence alone does."""
    images = {(row["defense"], row["strength"], row["id"]): row for row in records.to_pylist()}
    rows = [
        {
            **row,
            "attack": NO_ATTACK,
            "mode": UNAWARE,
            "prediction": row["clean_prediction"],
            "success": row["clean_prediction"] != row["label"],
        }
        for row in images.values()
    ]
    return pa.Table.from_pylist(rows, records.schema)
