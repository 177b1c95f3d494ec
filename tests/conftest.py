"""Fixtures shared by all tests."""

from __future__ import annotations

import os

# Tests run side by side, one a core: the threads of linear algebra would only contend.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# isort: split
import gc
import sys
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        return  # it only hands tests to the processes that run them, so it starts them without torch
    # Going through thousands of collected tests after each 700 new objects takes a fifth of their collection.
    gc.set_threshold(50_000)
    import torch

    import limen  # noqa: F401 (lets tests import torchvision beside a CPU build of torch)

    torch.set_num_threads(1)
    # Processes of xdist are told the terminal's width, which would wrap what commands print.
    os.environ.pop("COLUMNS", None)
    # A slow machine is no fault of what is tested.
    hypothesis.settings.register_profile("limen", deadline=None)
    hypothesis.settings.load_profile("limen")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real models and images; the test is skipped where it is absent."""
    folder = Path(os.environ.get("LIMEN_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "nets.py").is_file():
        pytest.skip(f"real data not found at {folder}; set LIMEN_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def nets(real_data: Path):
    """The module that loads the real networks."""
    sys.path.insert(0, str(real_data))
    try:
        import nets
    finally:
        sys.path.remove(str(real_data))
    return nets
