"""Contracts over the table of all attacks.

A module of contracts holds functions `contract_…(make, row, targeted)`, a test that runs each of
them on each attack to which it applies, and a test that each of them refuses each fraud. One that asks
nothing of the aim is marked `either`: an attack has an aim by its contract, so that it meets both.
"""

from __future__ import annotations

import pytest

from .table import FRAUDS, TABLE, aims_of, applies

_AIMS = ["untargeted", "targeted"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted = metafunc.fixturenames
    contracts = {k: v for k, v in vars(metafunc.module).items() if k.startswith("contract_")}
    if {"contract", "row", "targeted"} <= set(wanted):
        cases = [
            (each, row, targeted)
            for each in contracts.values()
            for place, row in enumerate(TABLE)
            if applies(each, row)
            for targeted in aims_of(each, place)
        ]
        names = [
            f"{each.__name__.removeprefix('contract_')}-{row.id}-{_AIMS[targeted]}"
            for each, row, targeted in cases
        ]
        metafunc.parametrize(("contract", "row", "targeted"), cases, ids=names)
        return
    if "contract" in wanted:
        names = [name.removeprefix("contract_") for name in contracts]
        metafunc.parametrize("contract", contracts.values(), ids=names)
    elif "row" in wanted:
        metafunc.parametrize("row", TABLE, ids=[row.id for row in TABLE])
    if "targeted" in wanted:
        metafunc.parametrize("targeted", [False, True], ids=_AIMS)
    if "fraud" in wanted:
        metafunc.parametrize("fraud", FRAUDS.values(), ids=FRAUDS.keys())
