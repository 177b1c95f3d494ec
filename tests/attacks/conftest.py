"""Contracts over the table of all attacks.

A module of contracts holds functions `contract_…(make, row, targeted)`, a test that runs each of
them on each attack, and a test that each of them refuses each fraud.
"""

from __future__ import annotations

import pytest

from .table import FRAUDS, TABLE


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted = metafunc.fixturenames
    if "contract" in wanted:
        named = [(k, v) for k, v in vars(metafunc.module).items() if k.startswith("contract_")]
        names = [name.removeprefix("contract_") for name, _ in named]
        metafunc.parametrize("contract", [value for _, value in named], ids=names)
    if "row" in wanted:
        metafunc.parametrize("row", TABLE, ids=[row.id for row in TABLE])
    if "targeted" in wanted:
        metafunc.parametrize("targeted", [False, True], ids=["untargeted", "targeted"])
    if "fraud" in wanted:
        metafunc.parametrize("fraud", FRAUDS.values(), ids=FRAUDS.keys())
