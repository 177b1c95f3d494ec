"""`limen attack --metric`: a metric of the user's own, from the command to records, page and CSV."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from limen.images import from_uint8
from limen.metrics import STANDARD
from limen.runs import open_run

OWN = """
from limen.metrics import Metric
from limen.runs import MetricColumn

def blur_aware(originals, images):
    "How near the images are, blurred."
    return 1 - (originals - images).abs().mean((1, 2, 3))

blur_aware.higher_is_better = True
blur_aware.unit = "of 1"

def drop(originals, images):
    return (originals - images).amax((1, 2, 3))

darkest = Metric(MetricColumn("darkest", "Darkest", "/255", 255.0), drop)

def scalar(originals, images):
    return 0.5
"""

BASE = ("attack", "--model", "python:nets.py:lamp", "--data", "folder:photos", "--out", "run")
COMMAND = (*BASE, "--attack", "fgsm:eps=0.1")


@pytest.fixture
def own(workshop):
    (workshop / "my.py").write_text(OWN)
    return workshop


def test_a_metric_of_the_users_own_reaches_the_records_the_page_and_the_csv(limen, own):
    result = limen(*COMMAND, "--metric", "python:my.py:blur_aware", "--metric", "python:my.py:darkest")
    assert result.exit_code == 0, result.stderr
    assert "median blur_aware, of 1" in result.stdout
    run = open_run("run")
    blur, darkest = run.manifest.metrics[len(STANDARD) :]
    assert (blur.key, blur.title, blur.unit, blur.higher_is_better) == (
        "blur_aware",
        "blur_aware",
        "of 1",
        True,
    )
    assert (darkest.title, darkest.scale, darkest.code) == ("Darkest", 255.0, blur.code)
    for row in run.table().to_pylist():
        pair = [each[None] for each in (run.original(row["id"]), run.image("fgsm:eps=0.1", row["id"]))]
        change = np.subtract(*(from_uint8(each).double().numpy() for each in pair))
        assert row["success"]
        assert row["blur_aware"] == row["blur_aware_in_memory"] == pytest.approx(1 - np.abs(change).mean())
        assert row["darkest"] == pytest.approx(change.max())
    page = (own / "run" / "report.html").read_text(encoding="utf-8")
    assert 'title="How near the images are, blurred."' in page
    assert "blur_aware, of 1" in page
    assert "Darkest, /255" in page
    assert '<option value="blur_aware">' in page
    csv = limen("evaluate", "run", "--distance", "blur_aware", "--csv", "figures.csv", "--no-report")
    assert csv.exit_code == 0, csv.stderr
    found = pd.read_csv("figures.csv").set_index(["metric", "statistic"]).value
    assert found["blur_aware", "mean"].item() == pytest.approx(run.table().to_pandas().blur_aware.mean())


def test_a_metric_is_added_to_a_run_that_did_not_have_it(limen, own):
    assert limen(*COMMAND, "--limit", 4, "--no-report").exit_code == 0
    assert limen(*COMMAND, "--metric", "python:my.py:drop", "--no-report").exit_code == 0
    records = open_run("run").table().to_pandas()
    assert (records["drop"].isna().sum(), records.l2.isna().sum()) == (4, 0)


def test_the_code_of_a_metric_may_not_change_within_a_run(limen, own):
    assert limen(*COMMAND, "--metric", "python:my.py:drop", "--limit", 4, "--no-report").exit_code == 0
    (own / "my.py").write_text(OWN + "# changed")
    result = limen(*COMMAND, "--metric", "python:my.py:drop", "--no-report")
    assert result.exit_code == 2
    assert "code of metric drop" in result.stderr
    assert open_run("run").table().num_rows == 4


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sim", "unknown metric 'sim'; did you mean"),
        ("python:my.py:blur", "did you mean 'blur_aware'"),
        ("python:my.py:scalar", "metric scalar gives float, not one number for each of 8 images"),
        ("python:other.py:ssim", "two metrics are named ssim; rename one of them"),
    ],
)
def test_a_metric_that_cannot_be_used_is_one_message(limen, own, spec, message):
    (own / "other.py").write_text("def ssim(originals, images): return originals.sum((1, 2, 3))")
    result = limen(*COMMAND, "--metric", spec)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
