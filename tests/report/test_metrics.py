from __future__ import annotations

import numpy as np
import pytest

from limen.report.metrics import METRICS
from limen.runs import DISTANCES


def test_every_distance_of_a_record_is_shown_once():
    assert sorted(metric.key for metric in METRICS) == sorted(DISTANCES)


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
    metric = next(each for each in METRICS if each.key == key)
    near, wide = metric.distortion(np.array([close, far]))
    assert near < wide


def test_values_are_shown_in_the_unit_of_the_heading():
    metrics = {metric.key: metric for metric in METRICS}
    assert metrics["l2"].shown(0.456) == "0.456"
    assert metrics["linf"].shown(4 / 255) == "4"
    assert metrics["ssim"].shown(0.99876) == "0.9988"
    assert metrics["psnr"].shown(None) == "–"
