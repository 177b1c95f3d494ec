"""The benchmarks as modules."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def script(monkeypatch):
    """Import a script as Python imports it where it is run."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "benchmarks")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # the scripts set it, for their process
    return importlib.import_module
