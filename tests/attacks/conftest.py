"""Contracts over the table of all attacks.

A module of contracts holds functions `contract_…(make, row, targeted)`, a test that runs each of
them on each attack to which it applies, and a test that each of them refuses each fraud. One that asks
nothing of the aim is marked `either`: an attack has an aim by its contract, so that it meets both.

Where there is a CUDA device, the contracts are tried there, too: all that their tests make lies on it. No
device without double precision can run them, in which optima and distances are computed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from .table import FRAUDS, TABLE, aims_of, applies

_AIMS = ["untargeted", "targeted"]

DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else []
"""Where contracts are tried; empty for the CPU alone, which tests are then not named after."""


@pytest.fixture(autouse=True)
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """The device that tensors of this test are made on."""
    name = getattr(request, "param", "cpu")
    if name != "cpu":
        torch.set_default_device(name)
    yield name
    if name != "cpu":
        torch.set_default_device(None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    wanted, name = metafunc.fixturenames, getattr(metafunc.module, "__name__", "")
    if DEVICES and ".test_contract" in name:
        metafunc.parametrize("device", DEVICES, indirect=True)
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
