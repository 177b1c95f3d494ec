"""The allocator keeps what it has."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from limen.cli import machine
if sys.argv[1] == "prepared":
    machine.prepare()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    b"x" * 64_000_000  # more than glibc ever keeps by itself
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(state: str) -> int:
    # Commands that ran before in this process have set the same for the processes that it starts.
    own = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", FAULTS, state]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=own)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is tuned")
def test_memory_is_faulted_in_once_and_not_for_every_array():
    assert faults("prepared") < faults("as it was") / 5
