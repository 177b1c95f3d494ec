from __future__ import annotations

import pytest
import torch

import limen
from limen.evaluation import describe_run, run_attacks
from limen.metrics import STANDARD
from limen.runs import create_or_resume, open_run


@pytest.fixture(scope="module")
def real_run(tmp_path_factory):
    """Real attacks on real digits: of the model's own patterns, and others that it partly gets wrong."""
    dataset = limen.data.demo("digits", count=40)
    samples = [dataset.load(i) for i in range(len(dataset))]
    patterns = torch.stack(
        [next(each.image for each in samples if each.label == k).flatten() for k in range(10)]
    )
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(28 * 28, 10))
    with torch.no_grad():
        net[1].weight.copy_(patterns)
        net[1].bias.copy_(-patterns.square().sum(1) / 2)
    classifier = limen.Classifier(net)
    attacks = [limen.attacks.pgd_l2(eps=4.0, steps=5), limen.attacks.ddn(steps=20)]
    directory = tmp_path_factory.mktemp("real") / "run"
    manifest = describe_run(classifier, dataset, attacks, model_spec="nearest pattern")
    with create_or_resume(directory, manifest) as run:
        run_attacks(classifier, dataset, attacks, run, batch_size=7)
    return classifier, open_run(directory)


def test_everything_recorded_of_real_attacks_follows_from_the_files(real_run):
    classifier, run = real_run
    table = run.table()
    assert table.num_rows == 80
    assert sum(table["success"].to_pylist()) > 0
    for row in table.to_pylist():
        original, stored = (
            limen.images.from_uint8(pixels[None])
            for pixels in (run.original(row["id"]), run.image(row["attack"], row["id"]))
        )
        clean, logits = classifier(original)[0], classifier(stored)[0]
        assert (row["clean_prediction"], row["prediction"]) == (int(clean.argmax()), int(logits.argmax()))
        assert row["confidence"] == pytest.approx(float(logits.softmax(0).max()), rel=1e-4)
        assert row["success"] == row["success_in_memory"] == (row["prediction"] != row["label"])
        for metric in STANDARD:
            name = metric.column.key
            expected = float(metric(original, stored)) if row["success"] else None
            assert row[name] == (None if expected is None else pytest.approx(expected, rel=1e-5))
        if row["success"] and row["attack"].startswith("pgd"):
            assert row["l2"] <= 4 + 1e-6


def test_the_summary_of_a_real_run_is_what_its_records_say(real_run):
    _, run = real_run
    frame = run.table().to_pandas()
    found = limen.analysis.table({"run": run})

    def value(label, statistic, metric=None):
        (row,) = limen.analysis.rows_of(found, attack=label, statistic=statistic, metric=metric)
        return row["value"], row["images"]

    for label in run.manifest.labels:
        rows = frame[frame.attack == label]
        right = rows[rows.clean_prediction == rows.label]
        fooled = right[right.success]
        assert 0 < len(fooled) < len(right) < len(rows)
        assert value(label, "clean accuracy") == (pytest.approx(len(right) / len(rows)), len(rows))
        assert value(label, "success") == (pytest.approx(right.success.mean()), len(right))
        assert value(label, "median", "l2") == (pytest.approx(fooled.l2.median()), len(fooled))
        assert value(label, "mean", "ssim") == (pytest.approx(fooled.ssim.mean()), len(fooled))
