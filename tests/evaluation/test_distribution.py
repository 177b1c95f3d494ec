"""Distributions of metrics: what the run has is taken from it, what it lacks is measured on its images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import limen
from limen import catalog
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation import image_distances as module
from limen.images import from_uint8
from limen.runs import Run, create_or_resume, open_run

STRONG, WEAK = "fgsm:eps=0.1", "fgsm:eps=0.004"
OWN = """
def mean(a, b):
    return (a - b).abs().mean((1, 2, 3))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    classifier, dataset = catalog.model("demo:digits"), limen.data.demo("digits", count=20)
    attacks = [catalog.attack(label) for label in (STRONG, WEAK)]
    folder = tmp_path_factory.mktemp("distribution") / "run"
    with create_or_resume(folder, describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return open_run(folder)


def measured(run: Run, metric: limen.metrics.Metric, row: dict) -> float:
    pixels = (run.original(row["id"]), run.image(row["attack"], row["id"]))
    return metric(*(from_uint8(each[None]) for each in pixels)).item()


def test_what_the_run_has_is_not_measured_again(run, monkeypatch):
    monkeypatch.setattr(module, "distances", lambda *_: pytest.fail("measured again"))
    stored = evaluate(run, EVALUATIONS.make("distribution:metric=l2,metric=psnr"))
    known = {(row["attack"], row["id"]): row for row in run.table().to_pylist()}
    fooled = {key for key, row in known.items() if row["success"] and row["clean_prediction"] == row["label"]}
    rows = stored.records().to_pylist()
    assert {(row["attack"], row["id"]) for row in rows} == fooled
    for row in rows:
        original = known[row["attack"], row["id"]]
        assert (row["l2"], row["psnr"]) == (original["l2"], original["psnr"])
    every = evaluate(run, EVALUATIONS.make("distribution"))
    assert every.records().column_names[3:] == [column.key for column in run.manifest.metrics]


def test_what_it_lacks_is_measured_on_the_stored_images(run, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    spec = f"python:{tmp_path / 'own.py'}:mean"
    rows = evaluate(run, EVALUATIONS.make(f"distribution:metric=l2,metric={spec}")).records().to_pylist()
    for row in rows:
        assert row["mean"] == pytest.approx(measured(run, catalog.metric(spec), row), rel=1e-5)


def test_failures_count_if_asked_as_the_images_that_they_are_stored_as(run):
    stored = evaluate(run, EVALUATIONS.make("distribution:metric=l2,metric=ssim,failures=true"))
    rows = stored.records().to_pylist()
    failed = [row for row in rows if not row["fooled"]]
    assert failed
    assert all((row["l2"], row["ssim"]) == (0, 1) for row in failed)
    known = {(row["attack"], row["id"]): row for row in run.table().to_pylist()}
    assert all(row["l2"] == known[row["attack"], row["id"]]["l2"] for row in rows if row["fooled"])


def test_the_document_has_quartiles_box_plots_and_distribution_functions(run):
    stored = evaluate(run, EVALUATIONS.make("distribution:metric=l2,metric=ssim,metric=linf,metric=psnr"))
    table, *plots = stored.document().blocks
    rows = stored.records().to_pylist()
    assert [group.title for group in table.groups] == ["L₂", "SSIM", "L∞, /255", "PSNR, dB"]
    for group, block, key in zip(table.groups, plots, ("l2", "ssim", "linf", "psnr"), strict=True):
        metric, (boxes, lines) = catalog.metric(key).column, block.charts
        values = np.array([row[key] for row in rows if row["attack"] == STRONG])
        assert len(values) > 4
        quartiles = np.quantile(values, [0.25, 0.5, 0.75])
        cells = next(row for row in group.rows if row[0].text == STRONG)
        assert [cell.value for cell in cells[2:]] == pytest.approx((metric.scale * quartiles).tolist())
        box = next(each for each in boxes.boxes if each.series == STRONG)
        assert box.quartiles == pytest.approx(sorted(metric.plotted(quartiles)))
        line = next(each for each in lines.lines if each.series == STRONG)
        assert line.steps
        assert line.y[0] == 0
        assert line.y[-1] == 1
        assert line.x[-1] == boxes.x_range[1] == lines.x_range[1]
        # In the middle of the line lies the median, and distortion grows to the right.
        crossed = next(x for x, y in zip(line.x, line.y, strict=True) if y >= 0.5)
        assert abs(crossed - metric.plotted(np.median(values))) <= np.ptp(metric.plotted(values)) / 2
        assert (boxes.x_range[0] < boxes.x_range[1]) == (key != "psnr")


def test_a_metric_that_does_not_exist_is_refused_before_anything_is_measured(run):
    with pytest.raises(UsageError, match="did you mean 'ssim'"):
        evaluate(run, EVALUATIONS.make("distribution:metric=sim"))


def test_images_too_small_for_a_metric_have_no_value_and_the_table_says_so(tmp_path):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    classifier = limen.Classifier(net)
    pixels = np.random.default_rng(0).integers(60, 190, (6, 8, 8, 1), dtype=np.uint8)
    labels = classifier(from_uint8(pixels)).argmax(1).numpy()
    dataset, attack = limen.data.from_arrays("noise", pixels, labels), catalog.attack("ddn:steps=10")
    with create_or_resume(tmp_path / "run", describe_run(classifier, dataset, [attack])) as writer:
        run_attacks(classifier, dataset, [attack], writer)
    stored = evaluate(open_run(tmp_path / "run"), EVALUATIONS.make("distribution:metric=ssim"))
    (row,) = stored.document().blocks[0].groups[0].rows
    assert row[1].note == f"{int(row[1].value)} without a value"
    assert row[3].value is None


def test_a_logarithmic_axis_reaches_a_little_beyond_the_least_and_the_greatest(run):
    stored = evaluate(run, EVALUATIONS.make("distribution:metric=l2,log=true"))
    values = [row["l2"] for row in stored.records().to_pylist()]
    for chart in stored.document().blocks[1].charts:
        assert chart.log_x
        assert chart.x_range == pytest.approx((min(values) / 1.15, max(values) * 1.15))
