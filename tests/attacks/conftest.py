"""Contracts over the table of all attacks.

A module of contracts holds functions `contract_…(make, row, targeted)`, a test that runs each of
them on each attack to which it applies, and a test that each of them refuses each fraud.
"""

from __future__ import annotations

import pytest

from .table import FRAUDS, TABLE, applies


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted = metafunc.fixturenames
    contracts = {k: v for k, v in vars(metafunc.module).items() if k.startswith("contract_")}
    if {"contract", "row"} <= set(wanted):
        pairs = [(each, row) for each in contracts.values() for row in TABLE if applies(each, row)]
        names = [f"{each.__name__.removeprefix('contract_')}-{row.id}" for each, row in pairs]
        metafunc.parametrize(("contract", "row"), pairs, ids=names)
    elif "contract" in wanted:
        names = [name.removeprefix("contract_") for name in contracts]
        metafunc.parametrize("contract", contracts.values(), ids=names)
    elif "row" in wanted:
        metafunc.parametrize("row", TABLE, ids=[row.id for row in TABLE])
    if "targeted" in wanted:
        metafunc.parametrize("targeted", [False, True], ids=["untargeted", "targeted"])
    if "fraud" in wanted:
        metafunc.parametrize("fraud", FRAUDS.values(), ids=FRAUDS.keys())
