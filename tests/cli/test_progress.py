"""Progress, on a terminal and in a log."""

from __future__ import annotations

from limen.cli.progress import showing, steps
from limen.training import Epoch, Step


def test_a_log_gets_a_line_at_each_tenth_and_no_control_characters(capsys):
    with showing(["ddn"]) as tell:
        for done in range(101):
            tell("ddn", done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"ddn: {done} of 100 images" for done in range(10, 101, 10)]


def test_a_terminal_gets_a_bar_for_each_attack(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with showing(["ddn", "fgsm:eps=0.1"]) as tell:
        tell("ddn", 3, 8)
        tell("fgsm:eps=0.1", 8, 8)
    shown = capsys.readouterr().err
    assert "ddn" in shown
    assert "3/8" in shown
    assert "8/8" in shown


def test_what_is_counted_bears_its_name(capsys):
    with showing(["Ordinary"], "models") as tell:
        tell("Ordinary", 1, 3)
    assert capsys.readouterr().err == "Ordinary: 1 of 3 models\n"


def test_a_data_set_without_images_is_no_error(capsys):
    with showing(["ddn"]) as tell:
        tell("ddn", 0, 0)
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_of_an_epochs_steps_and_a_log_gets_none(capsys, monkeypatch):
    def follow() -> str:
        with steps() as tell:
            tell(Step(2, 5, 40, 0.25, 0.1))
            tell(Epoch(2, 0.25, 0.5, None, 0.1, 3.0))
        return capsys.readouterr().err

    assert follow() == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    shown = follow()
    assert "epoch 2, loss 0.2500" in shown
    assert "5/40" in shown
