from __future__ import annotations

import sys

import pytest

from limen.document import Charts, Table
from limen.errors import LimenError
from limen.training import Epoch, Logs, Settings, Step, Task, describe, facts

HISTORY = (
    Epoch(1, 2.0, 0.5, 0.1, 0.01, 3.0),
    Epoch(2, 1.0, 0.75, 0.4, 0.005, 3.5),
    Epoch(3, 0.5, 0.8, 0.3, 0.0, 3.5),
)


def test_the_page_has_the_curves_and_the_best_epoch():
    page = describe(HISTORY, "Training of demo:digits", [("model", "demo:digits")])
    table, charts = page.blocks
    assert isinstance(table, Table)
    assert isinstance(charts, Charts)
    last, chosen = table.groups[0].rows
    assert [cell.text for cell in last[:2]] == ["last", "3"]
    assert [cell.text for cell in chosen[:2]] == ["best", "2"]
    assert chosen[4].value == 0.4
    loss, accuracy, rate = charts.charts
    assert loss.lines[0].y == (2.0, 1.0, 0.5)
    assert [(line.name, line.y) for line in accuracy.lines] == [
        ("clean", (0.5, 0.75, 0.8)),
        ("under attack", (0.1, 0.4, 0.3)),
    ]
    assert rate.lines[0].y == (0.01, 0.005, 0.0)
    assert page.settings == (("model", "demo:digits"),)


def test_without_an_attack_the_page_says_nothing_of_one():
    table, charts = describe([Epoch(1, 2.0, 0.5, None, 0.01, 3.0)]).blocks
    assert isinstance(table, Table)
    assert isinstance(charts, Charts)
    assert "robust accuracy" not in table.columns
    assert [line.name for line in charts.charts[1].lines] == ["clean"]


def test_what_is_set_stands_on_the_page():
    told = dict(facts(Task("demo:digits", "demo:digits"), Settings(epochs=2, augment=("crop", "flip"))))
    assert told["augment"] == "crop, flip"
    assert (told["epochs"], told["seed"]) == ("2", "0")
    assert not {"validate", "clip", "freeze", "train set"} & set(told)


def test_logs_hold_every_step_and_epoch(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logs = Logs(tmp_path / "logs")
    for number in (1, 2):
        logs(Step(2, number, 2, 0.5 / number, 0.1))
    logs(HISTORY[1])
    logs.close()
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {
        "step/loss",
        "step/learning_rate",
        "epoch/loss",
        "epoch/accuracy",
        "epoch/robust_accuracy",
    }
    assert [(each.step, each.value) for each in events.Scalars("step/loss")] == [(3, 0.5), (4, 0.25)]
    assert events.Scalars("epoch/robust_accuracy")[0].value == pytest.approx(0.4)


def test_logs_without_tensorboard_say_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(LimenError, match=r"logs need tensorboard; run: pip install limen\[training\]"):
        Logs(tmp_path)
