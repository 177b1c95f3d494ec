from __future__ import annotations

import json

import pytest

from limen.errors import UsageError
from limen.metrics import METRICS
from limen.runs import Calibration, metrics_of, open_run, record_schema
from limen.runs.manifest import Manifest

LATER = ("caveat", "calibration")


@pytest.mark.parametrize(
    ("slope", "covariance"),
    [(0.0, (1, 0, 1)), (1.0, (-1, 0, 1)), (1.0, (1, 2, 1)), (float("nan"), (1, 0, 1))],
)
def test_what_is_no_curve_is_refused(slope, covariance):
    with pytest.raises(UsageError, match="a slope above 0"):
        Calibration(0.0, slope, covariance)


def test_records_keep_the_limits_and_the_curve_of_a_metric():
    column = METRICS["noticed"].column
    assert metrics_of(record_schema([column]).empty_table()) == {"noticed": column}


def test_a_manifest_keeps_them_and_one_from_before_them_opens(tmp_path, manifest):
    full = manifest.with_metrics(metric.column for metric in METRICS.values())
    assert Manifest.from_json(full.to_json()) == full
    content = json.loads(full.to_json())
    content["metrics"] = [each for each in content["metrics"] if each["key"] != "noticed"]
    for each in content["metrics"]:
        for name in LATER:
            del each[name]
    (tmp_path / "run.json").write_text(json.dumps(content))
    old = open_run(tmp_path).manifest.metrics
    assert old == tuple(each for each in full.metrics if each.key != "noticed")
