"""How the command line ends."""

from __future__ import annotations

import warnings

import pytest
import typer
from typer.testing import CliRunner

from limen.cli.errors import Commands
from limen.errors import LimenError, LimenWarning, UsageError


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise LimenError("the lamp is broken; change it")

    @app.command()
    def misuse() -> None:
        raise UsageError("no such lamp")

    @app.command()
    def stop() -> None:
        raise KeyboardInterrupt

    @app.command()
    def warn() -> None:
        warnings.simplefilter("always")
        warnings.warn("the lamp is hot\nand \x1b[2Kbright", LimenWarning, stacklevel=1)
        warnings.warn("made elsewhere", RuntimeWarning, stacklevel=1)

    @app.command()
    def crash() -> None:
        raise ZeroDivisionError

    return app


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("fail", 1, "error: the lamp is broken; change it\n"),
        ("misuse", 2, "error: no such lamp\n"),
        ("stop", 130, "interrupted; run the same command again to resume\n"),
    ],
)
def test_what_the_user_can_mend_is_one_message(app, command, code, message, monkeypatch):
    monkeypatch.delenv("LIMEN_DEBUG", raising=False)
    result = CliRunner().invoke(app, [command])
    assert (result.exit_code, result.stderr, result.stdout) == (code, message, "")


def test_what_limen_warns_of_is_one_line_without_its_place(app):
    with pytest.warns(RuntimeWarning, match="made elsewhere"):
        result = CliRunner().invoke(app, ["warn"])
    assert result.stderr == "warning: the lamp is hot\\nand \\x1b[2Kbright\n"


def test_limen_debug_adds_the_traceback(app, monkeypatch):
    monkeypatch.setenv("LIMEN_DEBUG", "1")
    result = CliRunner().invoke(app, ["fail"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("error: the lamp is broken; change it\n")


def test_a_defect_keeps_its_traceback(app):
    assert isinstance(CliRunner().invoke(app, ["crash"]).exception, ZeroDivisionError)
