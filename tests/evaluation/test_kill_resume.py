from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KILL_RESUME = ROOT / "benchmarks" / "kill_resume.py"


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, KILL_RESUME, *arguments], capture_output=True, text=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_run_killed_and_resumed_equals_an_undisturbed_one():
    tiny_run = Path(__file__).with_name("tiny_run.py")
    # Under this seed the kill hits some way behind the first records, whatever the machine.
    process = _run("--kills", "1", "--seed", "7", "--", sys.executable, tiny_run)
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.count("\nkill") == 1
    assert "60 records, 90 images: all equal" in process.stdout


# A stand-in for an attack run, whose results depend on the time, or which repeats what was written.
_UNSTEADY = """
import os, sys, time
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
records, images = (Path(sys.argv[-1]) / name for name in ("records", "images"))
records.mkdir(parents=True, exist_ok=True)
images.mkdir(exist_ok=True)
for i in range(12):
    now = time.time()
    (images / f"{{i}}.png").write_text({image})
    table = pa.table({{"attack": ["a"], "id": [str(i)], "seconds": [now], "l2": [{l2}]}})
    pq.write_table(table, records / ".part")
    os.replace(records / ".part", records / f"{{{part}}}.parquet")
    time.sleep(0.03)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(
    ("flaw", "messages"),
    [
        (
            {"image": "str(now)", "l2": "now"},
            ["killed-1: l2 of ('a', '0', 1)", "killed-1: file images/0.png"],
        ),
        ({"part": "time.time_ns()"}, ["('a', '0', 2)", "are missing or too many"]),
    ],
)
def test_the_comparison_finds_a_flaw(tmp_path, flaw, messages):
    script = tmp_path / "unsteady.py"
    script.write_text(_UNSTEADY.format(**{"image": "'same'", "l2": "0.5", "part": "i", **flaw}))
    process = _run("--kills", "1", "--seed", "7", "--", sys.executable, script)
    assert process.returncode == 1, process.stdout + process.stderr
    for message in messages:
        assert message in process.stdout


def test_a_command_that_fails_is_shown():
    process = _run("--", sys.executable, "-c", "raise SystemExit('no such model')")
    assert process.returncode == 1
    assert "no such model" in process.stderr
