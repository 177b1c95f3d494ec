from __future__ import annotations

import numpy as np
import pytest

from limen.errors import UsageError
from limen.metrics import METRICS
from limen.runs import MetricColumn, RunError, create_or_resume, open_run
from limen.runs.manifest import Manifest
from limen.runs.records import part_paths

COLUMNS = {name: metric.column for name, metric in METRICS.items()}
BLUR = MetricColumn("blur", "blur", code="ab" * 32)


@pytest.mark.parametrize(
    ("key", "close", "far"),
    [
        ("l2", 0.1, 3.0),
        ("ssim", 0.999, 0.9),
        ("mad", 0.0, 12.0),
        ("psnr", 60.0, 30.0),
        ("wpsnr", 70.0, 40.0),
        ("ciede2000", 0.1, 2.0),
    ],
)
def test_distortion_grows_as_images_part(key: str, close: float, far: float):
    near, wide = COLUMNS[key].distortion(np.array([close, far]))
    assert near < wide
    assert COLUMNS[key].distortion(near) == close


def test_values_are_shown_in_the_unit_of_the_heading():
    assert COLUMNS["l2"].shown(0.456) == "0.456"
    assert (COLUMNS["linf"].shown(4 / 255), COLUMNS["linf"].heading) == ("4", "L∞, /255")
    assert (COLUMNS["ssim"].shown(0.99876), COLUMNS["ssim"].axis) == ("0.9988", "1 − SSIM")
    assert (COLUMNS["psnr"].shown(None), COLUMNS["psnr"].reverse) == ("–", True)


@pytest.mark.parametrize(
    ("key", "close", "far"), [("l2", 0.1, 3.0), ("ssim", 0.99, 0.9), ("psnr", 60.0, 30.0)]
)
def test_distortion_grows_to_the_right_on_every_axis(key: str, close: float, far: float):
    near, wide = COLUMNS[key].plotted(np.array([close, far]))
    assert (near > wide) == COLUMNS[key].reverse


@pytest.mark.parametrize("key", ["seconds", "success_in_memory", "l2_in_memory", "SSIM", "a b", "", "x><"])
def test_a_metric_cannot_have_the_name_of_another_column_or_one_that_is_no_word(key: str):
    with pytest.raises(UsageError, match="cannot name the column of a metric"):
        MetricColumn(key, "mine")


def test_a_manifest_with_such_a_name_or_one_name_twice_is_refused(manifest):
    text = manifest.with_metrics([BLUR]).to_json()
    for broken in (text.replace('"blur"', '"seconds"', 1), text.replace('"key": "blur"', '"key": "l2"')):
        with pytest.raises(RunError, match=r"cannot name|two metrics share a name"):
            Manifest.from_json(broken)


def test_a_run_is_resumed_with_further_metrics_and_older_records_have_no_value(
    tmp_path, manifest, row, pixels
):
    for each, described in (("a", manifest), ("b", manifest.with_metrics([BLUR])), ("c", manifest)):
        with create_or_resume(tmp_path, described) as run:
            more = {"blur": 0.5, "blur_in_memory": 0.75} if each == "b" else {}
            run.write("ddn", [row(each, ord(each), **more)], {each: pixels(0)})
    run = open_run(tmp_path)
    assert run.manifest.metrics[-1] == BLUR
    found = run.table().select(["blur", "blur_in_memory", "l2"]).to_pydict()
    assert found == {"blur": [None, 0.5, None], "blur_in_memory": [None, 0.75, None], "l2": [0.25] * 3}
    assert len(part_paths(tmp_path)) == 3


@pytest.mark.parametrize("code", ["cd" * 32, None])
def test_a_metric_of_one_name_and_other_code_is_not_mixed_into_a_run(tmp_path, manifest, code):
    other = MetricColumn("blur", "blur", code=code)
    with create_or_resume(tmp_path, manifest.with_metrics([BLUR])):
        pass
    with pytest.raises(UsageError, match="code of metric blur"):
        create_or_resume(tmp_path, manifest.with_metrics([other]))
    with pytest.raises(UsageError, match="two metrics are named blur"):
        manifest.with_metrics([BLUR, other])
