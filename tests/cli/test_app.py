"""The command as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import limen as package

SLOW = """
import time
from nets import Lamp

class Slow(Lamp):
    def forward(self, x):
        open("begun", "w").close()
        time.sleep(30)
"""


def limen(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "limen", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_names_every_command():
    result = limen("--help")
    assert result.returncode == 0
    for command in ("demo", "attack", "evaluate", "report", "list", "train"):
        assert f" {command} " in result.stdout


def test_help_does_not_wait_for_torch():
    code = (
        "import sys, limen.cli\n"
        "try: limen.cli.app(['attack', '--help'])\n"
        "except SystemExit: print({'torch', 'numpy', 'pyarrow'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.endswith("set()\n")


def test_version_is_the_packages():
    assert limen("--version").stdout == f"limen {package.__version__}\n"


def test_an_unknown_command_is_a_usage_error():
    result = limen("atack")
    assert result.returncode == 2
    assert "attack" in result.stderr


def test_ctrl_c_during_a_run_says_how_to_go_on(workshop):
    (workshop / "slow.py").write_text(SLOW)
    command = [
        "attack",
        "--model",
        "python:slow.py:Slow",
        "--data",
        "folder:photos",
        "--attack",
        "fgsm",
        "--out",
        "run",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "limen", *command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LIMEN_DEBUG": ""},
        # A shell that put the tests into the background would have them, and this, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not (workshop / "begun").exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert said == "interrupted; run the same command again to resume\n"
    assert process.returncode == 130


def test_a_shell_completes_commands_and_options():
    words = {"COMP_WORDS": "limen attack --def", "COMP_CWORD": "2", "_LIMEN_COMPLETE": "complete_bash"}
    assert limen(env={**os.environ, **words}).stdout.split() == ["--defense"]
    words = {"COMP_WORDS": "limen eva", "COMP_CWORD": "1", "_LIMEN_COMPLETE": "complete_bash"}
    assert limen(env={**os.environ, **words}).stdout.split() == ["evaluate"]
