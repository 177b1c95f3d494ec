"""What is made of answers, and which answers are refused."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pyarrow.parquet as pq
import pytest

from limen import catalog
from limen.errors import LimenError, UsageError
from limen.metrics import METRICS
from limen.metrics.psychometrics import read_curve
from limen.study import make_study, read_study
from limen.study.key import CHECK

from .conftest import HOSTILE
from .simulated import honest, sheet, write

RATES = {"ddn": 0.9, "fgsm": 0.4}


@pytest.fixture(scope="module")
def study(small_run, tmp_path_factory):
    return make_study(small_run(9).directory, tmp_path_factory.mktemp("study") / "study", observers=30)


@pytest.fixture(scope="module")
def read(study, tmp_path_factory):
    """What thirty honest observers, one who tosses coins and one who always says the same come to."""
    coin = sheet(study.key, 31, lambda picture, draw: draw.random() < 0.5)
    lazy = sheet(study.key, 32, lambda picture, draw: False)
    sheets = [*(sheet(study.key, n + 1, honest) for n in range(30)), coin, lazy]
    folder = write(tmp_path_factory.mktemp("answers") / "answers", *sheets)
    return read_study([folder], study.page.parents[1], tmp_path_factory.mktemp("out") / "out")


def test_shares_of_attacks_are_near_those_of_the_observers(read):
    alarms, *rates = ((30 * rate + 0.5 + 0) / 32 for rate in (0.1, *RATES.values()))
    for label, rate in zip(RATES, rates, strict=True):
        found = read.findings.attacks[label]
        assert (found.people, found.images) == (32, 9)
        assert found.yes.low < rate < found.yes.high
        assert found.share.low < (rate - alarms) / (1 - alarms) < found.share.high
    assert read.findings.alarms.low < alarms < read.findings.alarms.high
    each = read.findings.images["ddn", HOSTILE]
    assert (each.images, each.people) == (1, each.answers)


def test_who_guesses_is_told_and_left_out_where_asked(read, study, tmp_path):
    flagged = {each.name: each.guesses for each in read.findings.observers if each.guesses}
    assert flagged["32"] == ("always answered same",)
    assert re.fullmatch(r"was right on \d of 8 attention checks, as a coin would be, .*", flagged["31"][0])
    assert len(flagged) <= 3
    told = [each for each in read.findings.warnings if each.startswith("Observer 32")]
    assert told == ["Observer 32 always answered same; counts all the same."]
    again = read_study(
        [tmp_path_of(read)], study.page.parents[1], tmp_path, without=["3"], without_guessers=True
    ).findings
    assert set(again.left_out) == {*flagged, "3"}
    assert again.attacks["ddn"].people == 32 - len(again.left_out)
    assert again.attacks["ddn"].yes.value > read.findings.attacks["ddn"].yes.value


def tmp_path_of(read):
    """The folder of the answers."""
    return read.files["page"].parents[2] / "answers0" / "answers"


def test_tables_hold_every_answer_and_figure(read, study):
    rows = pq.read_table(read.files["answers.parquet"]).to_pylist()
    assert len(rows) == 32 * (study.key.design.trials + 8)
    for row in rows[:200]:
        assert row["right"] == ((row["answer"] == "different") == (row["attack"] is not None))
        assert (row["altered"] is None) == (row["attack"] is None)
    with open(read.files["attacks.csv"], encoding="utf-8") as file:
        attacks = {row["attack"]: row for row in csv.DictReader(file)}
    assert float(attacks["ddn"]["share"]) == pytest.approx(read.findings.attacks["ddn"].share.value)
    with open(read.files["observers.csv"], encoding="utf-8") as file:
        assert [row["observer"] for row in csv.DictReader(file)] == [str(n + 1) for n in range(32)]
    told = json.loads(read.files["study.json"].read_text(encoding="utf-8"))
    assert told["study"] == study.key.hash
    assert [each["attack"] for each in told["attacks"]] == ["ddn", "fgsm"]
    assert told["attacks"][0]["d_prime"]["low"] == read.findings.attacks["ddn"].d_prime.low
    assert len(told["images"]) == 18


def test_the_page_escapes_names_and_loads_nothing(read):
    page = read.files["page"].read_text(encoding="utf-8")
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    for heading in ("Beware", "What people noticed", "Metrics", "By photograph", "Observers"):
        assert f"<h2>{heading}</h2>" in page
    assert "<script" not in page


def by_mad(picture, draw) -> bool:
    """Notices by a curve over MAD."""
    if picture is None or picture.attack == CHECK:
        return picture is not None or draw.random() < 0.1
    logit = 4 + 1.5 * np.log(picture.distances["mad"] + 0.01)
    return draw.random() < 0.1 + 0.9 / (1 + np.exp(-logit))


@pytest.fixture(scope="module")
def calibration(study, tmp_path_factory):
    folder = write(
        tmp_path_factory.mktemp("seen") / "answers", *(sheet(study.key, n + 1, by_mad) for n in range(60))
    )
    return read_study(
        [folder], study.page.parents[1], tmp_path_factory.mktemp("curve") / "out", metrics=["l1"]
    )


def test_the_curve_of_the_observers_is_found_and_becomes_a_calibration(calibration):
    curve = read_curve(calibration.files["calibration-mad.json"])
    assert (curve.metric, curve.offset) == ("mad", 0.01)
    first, _, second = curve.calibration.covariance
    assert abs(curve.calibration.intercept - 4) < 3 * first**0.5
    assert abs(curve.calibration.slope - 1.5) < 3 * second**0.5
    assert "60 people, who saw 9 photographs" in curve.caveat
    over = {each.metric.key: each for each in calibration.findings.curves}
    assert over["mad"].curve.rank > 0.7
    # Measured on the pictures themselves: one value differs by so many steps of the lattice.
    assert sorted(over["l1"].values)[0] == pytest.approx(1 / 255)


def test_noticed_takes_the_calibration(calibration):
    import torch

    path = calibration.files["calibration-mad.json"]
    metric = catalog.metric(f"noticed:calibration={path}")
    curve = read_curve(path)
    a = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    b = (a + torch.tensor([0.0, 0.1, 0.3])[:, None, None, None]).clamp(0, 1)
    values = METRICS["mad"](a, b)
    assert metric(a, b).tolist() == pytest.approx(curve.share(values.numpy()).tolist(), abs=1e-6)
    assert metric.column.caveat == curve.caveat
    assert metric.column.calibration == curve.calibration
    assert metric.column.code is not None
    assert (metric.least_side, metric.column.key) == (16, f"noticed:calibration={path}")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda told: {**told, "metric": "pixels"}, "a curve over 'pixels', which is no metric of Limen's"),
        (lambda told: {**told, "offset": "0"}, "no calibration can be read here (offset is '0': expected"),
        (
            lambda told: {**told, "calibration": {**told["calibration"], "slope": -1.0}},
            "no calibration can be read here (a calibration needs a slope above 0",
        ),
    ],
    ids=["metric", "offset", "slope"],
)
def test_a_broken_calibration_is_told(calibration, tmp_path, change, says):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(change(json.loads(calibration.files["calibration-mad.json"].read_text()))))
    with pytest.raises(UsageError, match=re.escape(says)):
        catalog.metric(f"noticed:calibration={path}")


def shifted(told, place, **changed):
    answers = [dict(each) for each in told["answers"]]
    answers[place] |= changed
    return {**told, "answers": answers}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda told: {**told, "study": "ab" * 32},
            "answers to another study ('abababab', and this",
        ),
        (lambda told: {**told, "format": 2}, "has format 2, this Limen reads up to 1; upgrade Limen"),
        (lambda told: {**told, "schedule": 99}, "schedule 99, of 30"),
        (lambda told: {**told, "observer": "1"}, "observer '1' answered twice; leave one of them out"),
        (
            lambda told: shifted(told, 0, answer="left"),
            "trial 0 is answered 'left', not by same or diff",
        ),
        (lambda told: shifted(told, 0, trial=1), "a trial is answered twice"),
        (lambda told: shifted(told, 0, trial=99), "trial 99, of 26"),
        (lambda told: shifted(told, 0, left=0, right=0), "trial 0 shows pictures (0, 0), and in the study"),
        (lambda told: shifted(told, 3, ms="7"), "answers[3].ms is '7': expected a valid integer"),
        (lambda told: [], "1 of 1 observers count; intervals over people need at least 2"),
    ],
    ids=["study", "format", "schedule", "twice", "word", "again", "trial", "pictures", "type", "one"],
)
def test_answers_that_the_page_did_not_write_are_refused(study, tmp_path, change, says):
    good = sheet(study.key, 1, honest)
    folder = write(tmp_path / "answers", good, change(sheet(study.key, 2, honest)))
    with pytest.raises(LimenError, match=re.escape(says)):
        read_study([folder], study.page.parents[1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_answers_of_many_observers_may_be_in_one_file(study, tmp_path):
    sheets = [sheet(study.key, n + 1, honest) for n in range(4)]
    (tmp_path / "all.json").write_text(json.dumps(sheets[:2]))
    (tmp_path / "all.jsonl").write_text("\n".join(map(json.dumps, sheets[2:])))
    found = read_study(
        [tmp_path / "all.json", tmp_path / "all.jsonl"], study.page.parents[1], tmp_path / "out"
    )
    assert [each.name for each in found.findings.observers] == ["1", "2", "3", "4"]
    (tmp_path / "all.json").write_text("{")
    with pytest.raises(LimenError, match=r"all\.json: not valid JSON"):
        read_study([tmp_path / "all.json"], study.page.parents[1])
    with pytest.raises(UsageError, match="no file of answers is given"):
        read_study([write(tmp_path / "none")], study.page.parents[1])
    with pytest.raises(UsageError, match="no observer 'Eve' to leave out; there are 3, 4"):
        read_study([tmp_path / "all.jsonl"], study.page.parents[1], without=["Eve"])


def test_a_picture_that_is_not_what_was_shown_is_told(study, small_run, tmp_path):
    made = make_study(small_run(9).directory, tmp_path / "study", observers=30)
    folder = write(tmp_path / "answers", *(sheet(made.key, n + 1, honest) for n in range(3)))
    picture = made.page.parent / "images" / "0004.png"
    picture.write_bytes((made.page.parent / "images" / "0005.png").read_bytes())
    with pytest.raises(LimenError, match=r"0004\.png: is not the picture that was shown"):
        read_study([folder], tmp_path / "study", metrics=["l1"])
    picture.unlink()
    with pytest.raises(LimenError, match=r"0004\.png: this picture of the study cannot be read \(No such"):
        read_study([folder], tmp_path / "study", metrics=["l1"])


@pytest.mark.parametrize("task", ["2afc", "match"])
def test_where_one_side_is_right_it_counts_on_either_side(small_run, tmp_path, task):
    made = make_study(small_run().directory, tmp_path / "study", task=task, observers=8)
    sheets = [sheet(made.key, n + 1, lambda picture, draw: picture.attack != "fgsm") for n in range(8)]
    found = read_study([write(tmp_path / "answers", *sheets)], tmp_path / "study").findings
    assert found.attacks["ddn"].yes.value == 1
    assert found.attacks["fgsm"].yes.value == 0
    assert found.attacks["ddn"].share.value == 1
    assert found.attacks["ddn"].d_prime.value > 2
    assert np.isnan(found.alarms.value)


@pytest.mark.parametrize("task", ["2afc", "match"])
def test_who_does_not_look_is_told_where_nobody_can_see_what_attacks_did(small_run, tmp_path, task):
    made = make_study(small_run(9).directory, tmp_path / "study", task=task, observers=12)
    sheets = [
        sheet(made.key, n + 1, lambda p, draw: p.attack == CHECK or draw.random() < 0.5) for n in range(11)
    ]
    coin = sheet(made.key, 12, lambda picture, draw: draw.random() < 0.4)
    found = read_study([write(tmp_path / "answers", *sheets, coin)], tmp_path / "study").findings
    assert [each.name for each in found.observers if each.guesses] == ["12"]
    assert [each.checks.value for each in found.observers[:11]] == [1] * 11
    assert found.slips.value == 0  # as the one who does not look does not slip
