"""An audit from its checks to its page; stopped and resumed it ends the same."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from torch import nn

import limen
from limen.audit import audit, auditing, page, planning
from limen.audit.timing import Timing
from limen.classifier import Classifier
from limen.data import from_arrays
from limen.errors import UsageError
from limen.metrics.psychometrics import FittedCurve
from limen.runs import Calibration

RULES = ("robust_accuracy[l2=0.1]>=0.5", "clean_accuracy>=0.9 confidently", "noticed<=0.9:success<=0.05")


def run(out, **how):
    return audit(
        "demo:digits", "demo:digits,count=24", out, **{"limit": 6, "require": RULES, "batch_size": 3, **how}
    )


@pytest.fixture(scope="module")
def done(small, tmp_path_factory):
    return run(tmp_path_factory.mktemp("audits") / "whole")


@pytest.fixture
def folder(done, tmp_path):
    """A copy of that audit."""
    return shutil.copytree(done.files["page"].parent, tmp_path / "whole")


def told(done):
    return json.loads(done.files["json"].read_text())


def test_an_audit_ends_with_a_page_a_record_and_a_test_report(done):
    assert {path.name for path in done.files["page"].parent.iterdir()} == {
        "plan.json",
        "run",
        "audit.html",
        "audit.json",
        "audit.junit.xml",
    }
    shown = done.files["page"].read_text()
    for text in (*done.verdict.sentences[:1], *RULES[:1], "What this does not say", "Set-up"):
        assert text.replace(">", "&gt;") in shown
    assert shown.index(">Verdict<") < shown.index(">Rules<") < shown.index(">Set-up<")
    cases = ET.parse(done.files["junit"]).iter("testcase")
    assert set(RULES) <= {case.get("name") for case in cases}


def test_what_an_audit_says_is_what_its_run_holds(done):
    found, run = told(done), limen.runs.open_run(done.files["run"])
    records = run.table().to_pylist()
    assert {row["index"] for row in records} == {0, 4, 8, 12, 16, 20}
    assert {"apgd_l2:eps=0.1,steps=5,loss=margin,early_stop=true"} <= set(run.manifest.labels)
    right = {row["id"] for row in records if row["label"] == row["clean_prediction"]}
    fallen = {row["id"] for row in records if row["success"] and row["id"] in right}
    near = {row["id"] for row in records if row["success"] and row["l2"] <= 0.1 and row["id"] in right}
    assert found["clean_accuracy"]["value"] == len(right) / 6
    assert found["success"]["value"] == len(fallen) / len(right)
    assert {each["id"] for each in found["least"]} == fallen
    (at,) = [each for each in found["robust_accuracy"] if (each["metric"], each["budget"]) == ("l2", 0.1)]
    assert at["value"] == (len(right) - len(near)) / 6
    judged = {each["text"]: each for each in found["rules"]}
    assert judged[RULES[0]]["holds"] == (at["value"] >= 0.5)
    assert not judged[RULES[1]]["holds"]  # six images cannot tell so surely
    assert judged[RULES[1]]["found"]["low"] < 0.9
    assert done.exit_code == 1


def test_stopped_anywhere_and_resumed_an_audit_ends_the_same_to_the_byte(done, tmp_path):
    class Killed(BaseException):
        pass

    def killing(after):
        left = iter(range(after))

        @contextlib.contextmanager
        def showing(labels, units="images"):
            def tell(label, finished, total):
                if finished and next(left, None) is None:
                    raise Killed

            yield tell

        return showing

    for after in (0, 7, 16):  # while attacks run, and while their images pass a defence
        with pytest.raises(Killed):
            run(tmp_path / "again", showing=killing(after))
    resumed = run(tmp_path / "again")
    assert resumed.files["json"].read_bytes() == done.files["json"].read_bytes()
    assert resumed.files["junit"].read_bytes() == done.files["junit"].read_bytes()


def test_the_page_leaves_tables_that_are_long_or_wide_to_that_of_the_run(folder, monkeypatch):
    monkeypatch.setattr(page, "_LONGEST", 1)
    again = run(folder).files["page"].read_text()
    assert "Larger tables" in again
    assert "has them, too: Behind defences: Defences of one strength." in again


def test_the_same_again_does_nothing_and_says_the_same(done, folder, monkeypatch):
    before = done.files["json"].read_bytes(), done.files["page"].read_bytes()
    monkeypatch.setattr(limen.audit.auditing, "planned", None)
    again = run(folder)
    assert (again.files["json"].read_bytes(), again.files["page"].read_bytes()) == before


def test_another_question_in_the_same_folder_is_refused(folder):
    with pytest.raises(UsageError, match=r"the audit there is another \(seed: 0 there, 1 now\)"):
        run(folder, seed=1)


def test_other_rules_of_the_same_audit_are_judged_on_what_is_there(folder):
    again = run(folder, require=["clean_accuracy>=0.1"])
    assert again.exit_code == 0
    assert "The rule holds." in again.verdict.sentences


def test_where_nothing_is_left_to_attack_an_audit_stops_with_a_clear_word(small, tmp_path):
    shifted = replace(
        data := limen.catalog.data("demo:digits,count=24"),
        read=lambda index: replace(data.read(index), label=(data.read(index).label + 1) % 10),
        class_names=None,
    )
    stopped = audit("demo:digits", shifted, tmp_path, limit=24, require=["findings<=0", "clean_accuracy<=1"])
    assert stopped.exit_code == 1
    assert stopped.verdict.sentences[0] == (
        "The model could not be audited. The model is right no more often than by chance. No attack was run."
    )
    assert stopped.verdict.sentences[-1] == "No rule could be judged, so that none holds."
    assert {each["key"] for each in told(stopped)["findings"] if each["state"] != "sound"} >= {
        "labels",
        "accuracy",
    }
    assert "Labels are shifted" in stopped.files["page"].read_text()
    assert not (tmp_path / "run").exists()


def test_a_model_without_a_gradient_is_attacked_by_what_takes_none(small, tmp_path):
    class Detached(nn.Module):
        def forward(self, x):
            mean = x.detach().mean((1, 2, 3))
            return 20 * torch.stack([0.5 - mean, mean - 0.5], 1)

    pixels = (
        torch.randint(100, 156, (8, 16, 16, 3), generator=torch.Generator().manual_seed(0)).byte().numpy()
    )
    pixels[::2] //= 2
    labels = (pixels.mean((1, 2, 3)) > 127.5).astype(int)
    found = audit(Classifier(Detached()), from_arrays("levels", pixels, labels), tmp_path)
    assert {each.key for each in found.verdict.weak} >= {"no_gradient"}
    run = limen.runs.open_run(tmp_path / "run")
    assert {each.identity.name for each in run.manifest.attacks} == {"square"}


def test_names_are_text_on_the_page(small, tmp_path):
    classifier = limen.catalog.model("demo:digits")
    evil = [f"<script>alert({number})</script>" for number in range(10)]
    named = Classifier(classifier.module, class_names=evil, mean=0.0)
    data = limen.catalog.data("demo:digits,count=8")
    found = audit(named, replace(data, class_names=tuple(evil)), tmp_path, limit=2)
    shown = found.files["page"].read_text()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"minutes": 0}, "minutes is 0; give a number above 0"),
        ({"minutes": float("nan")}, "minutes is nan"),
        ({"limit": 0}, "limit must be at least 1, not 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"require": ["clean>=1"]}, "unknown quantity 'clean'"),
        ({"effort": "quickly"}, "unknown effort 'quickly'; did you mean 'quick'"),
        ({"transfer": ["demo:phots"]}, "phots"),
        ({"minutes": 1e-6}, "too little for a single image"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(how, says, tmp_path):
    with pytest.raises(UsageError, match=says):
        run(tmp_path / "out", **how)
    assert not (tmp_path / "out").exists()


def test_where_too_few_images_fit_into_the_time_a_lesser_effort_is_taken(small, monkeypatch):
    monkeypatch.setattr(planning, "timed", lambda *_: Timing(0.0, {}, pair=10.0))
    monkeypatch.setattr(planning, "training_seconds", lambda _: 0.0)
    monkeypatch.setattr(planning, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    digits = limen.catalog.model("demo:digits"), limen.catalog.data("demo:digits,count=24")
    plan = planning.planned(*digits, {"effort": "standard"}, [], [], 12, 6, 32)
    rows = sum(each.rows for each in small.attempts if each.runs)
    assert (plan.effort, plan.images) == ("quick", int(0.9 * 6 * 60 / (10 * rows)))
    assert planning.planned(*digits, {"effort": "standard"}, [], [], 12, 900, 32).effort == "standard"


def test_what_cannot_be_measured_is_noted_and_weakens_nothing():
    (note,) = auditing._measured(SimpleNamespace(), SimpleNamespace(), ["detectoin"])
    assert (note.state, note.counts) == ("note", False)
    assert "It could not be measured: evaluation spec 'detectoin': unknown evaluation" in note.evidence


def test_people_notice_by_a_study_of_one_s_own_where_it_is_given(small, tmp_path):
    curve = FittedCurve(
        1, "l2", False, False, 0.0, Calibration(1.0, 2.0, (0.04, 0.0, 0.04)), 0.1, 0.0, "Thirty people."
    )
    (tmp_path / "own.json").write_text(curve.to_json())
    rules = ["noticed>=0:success<=0.05", "noticed>1:success<=0.05"]
    done = run(tmp_path / "own", limit=3, require=rules, calibration=tmp_path / "own.json")
    assert done.verdict.noticed is not None
    shares = [curve.share(np.array(each.values["l2"])) for each in done.verdict.least]
    assert done.verdict.noticed.value == pytest.approx(float(np.mean(shares)))
    assert any(
        "by the study of your own that was given as calibration" in each for each in done.verdict.sentences
    )
    assert [each.holds for each in done.verdict.rules] == [False, True]
    assert "Thirty people." in done.files["page"].read_text()
    with pytest.raises(UsageError, match="calibration"):
        run(tmp_path / "own", limit=3, require=rules)
