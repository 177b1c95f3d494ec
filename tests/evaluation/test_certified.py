"""Certificates of a run's classifier, against those of its originals by themselves."""

from __future__ import annotations

import numpy as np
import pytest

import limen
from limen.document import Charts, Table, merge
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.images import from_uint8
from limen.runs import Run, Stored, create_or_resume, open_run
from limen.smoothing import Smoothed, certify

COUNT, FGSM, DDN = 12, "fgsm:eps=0.1", "ddn:steps=3"


def attacked(folder, spec: str, *attacks: str, defenses: tuple[str, ...] = ()) -> Run:
    net, dataset = limen.catalog.model(spec, defenses=defenses), limen.data.demo("digits", count=COUNT)
    made = [limen.catalog.attack(each) for each in attacks]
    with create_or_resume(folder / "run", describe_run(net, dataset, made, model_spec=spec)) as writer:
        run_attacks(net, dataset, made, writer)
    return open_run(folder / "run")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return attacked(tmp_path_factory.mktemp("bare"), "demo:digits", FGSM, DDN)


@pytest.fixture(scope="module")
def stored(run) -> Stored:
    return evaluate(run, EVALUATIONS.make("certified:sigma=0.5,n=40,n0=10"), batch_size=5)


def test_every_record_is_the_certificate_of_the_original_by_itself(run, stored):
    rows, smoothed = stored.records().to_pylist(), Smoothed(limen.catalog.model("demo:digits"), 0.5)
    assert len(rows) == 2 * COUNT
    assert {row["attack"] for row in rows} == {FGSM, DDN}
    labels = {row["id"]: row["label"] for row in run.table().to_pylist()}
    for row in rows:
        made = certify(smoothed, from_uint8(run.original(row["id"])[None]), n0=10, n=40)
        prediction = None if made.abstained else made.predictions.item()
        assert (row["prediction"], row["radius"]) == (prediction, made.radii.item())
        assert (row["count"], row["label"]) == (made.counts.item(), labels[row["id"]])
        assert (row["sigma"], row["n"], row["alpha"]) == (0.5, 40, 0.001)
    assert 0 < sum(row["prediction"] is None for row in rows) < len(rows)


def test_images_that_the_bare_classifier_has_wrong_count_too(run, stored):
    bare = {row["id"]: row["clean_prediction"] == row["label"] for row in run.table().to_pylist()}
    assert {row["id"] for row in stored.records().to_pylist()} == bare.keys()


def test_the_page_counts_each_original_once(stored):
    rows = [row for row in stored.records().to_pylist() if row["attack"] == DDN]
    right = np.array([row["prediction"] == row["label"] for row in rows])
    radii = np.array([row["radius"] for row in rows])
    shares, by_radius, curve = stored.document().blocks
    cells = dict(zip(shares.columns, shares.groups[0].rows[0], strict=True))
    assert cells["Images"].value == COUNT
    assert cells["Certified as labelled"].value == pytest.approx(right.mean())
    assert cells["Abstained"].value == pytest.approx(np.mean([row["prediction"] is None for row in rows]))
    three = [cells[name].value for name in ("Certified as labelled", "As another class", "Abstained")]
    assert sum(three) == pytest.approx(1)
    assert cells["Mean radius"].value == pytest.approx((radii * right).mean())
    assert "at most 0.001" in shares.caption
    table = dict(zip(by_radius.columns, by_radius.groups[0].rows[0], strict=True))
    assert list(table)[1:] == ["Radius 0", "Radius 0.25", "Radius 0.5"]  # 40 draws prove 0.5 of 0.5 sigma
    for radius in (0, 0.25, 0.5):
        expected = (right & (radii >= radius)).mean()
        assert table[f"Radius {radius:g}"].value == pytest.approx(expected)
    (line,) = curve.charts[0].lines
    assert line.y[0] == table["Radius 0"].value
    assert list(line.y) == sorted(line.y, reverse=True)
    assert all(low <= y <= high for low, y, high in zip(line.low, line.y, line.high, strict=True))


def test_several_strengths_of_noise_stand_beside_each_other(run, stored):
    other = evaluate(run, EVALUATIONS.make("certified:sigma=0.1,n=40,n0=10"))
    document = merge({"loud": stored.document(), "quiet": other.document()})
    shares, *_ = (block for block in document.blocks if isinstance(block, Table))
    assert [group.title for group in shares.groups] == ["loud", "quiet"]
    (curves,) = (block for block in document.blocks if isinstance(block, Charts))
    assert len(curves.charts[0].lines) == 2


def test_of_a_smoothed_model_the_noise_is_its_own(tmp_path, run):
    smooth = attacked(tmp_path, "smoothed:demo:digits,sigma=0.3,draws=4", FGSM)
    own = evaluate(smooth, EVALUATIONS.make("certified:n=30,n0=10")).records().to_pylist()
    told = evaluate(run, EVALUATIONS.make("certified:sigma=0.3,n=30,n0=10")).records().to_pylist()
    told = [row for row in told if row["attack"] == FGSM]
    assert own == told
    with pytest.raises(UsageError, match=r"0\.3; leave it out"):
        evaluate(smooth, EVALUATIONS.make("certified:sigma=0.25,n=30"))


def test_a_seed_draws_other_noise(run, stored):
    again = evaluate(run, EVALUATIONS.make("certified:sigma=0.5,n=40,n0=10,seed=1")).records()
    assert again["count"].to_pylist() != stored.records()["count"].to_pylist()


def test_without_noise_or_behind_a_defence_nothing_is_certified(run, tmp_path):
    with pytest.raises(UsageError, match="sigma is missing"):
        evaluate(run, EVALUATIONS.make("certified:n=30"))
    with pytest.raises(UsageError, match="proves nothing"):
        evaluate(run, EVALUATIONS.make("certified:sigma=1,n=5"))
    defended = attacked(tmp_path, "demo:digits", FGSM, defenses=("bilateral:radius=2",))
    with pytest.raises(UsageError, match="behind a defence"):
        evaluate(defended, EVALUATIONS.make("certified:sigma=0.25,n=30"))
