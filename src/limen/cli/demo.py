"""`limen demo`: the whole of Limen, offline, in under a minute."""

from __future__ import annotations

from pathlib import Path

from limen.cli import machine
from limen.cli.options import Out

ATTACKS = (
    "pgd_linf:eps=8/255,steps=20",
    "pgd_l2:eps=4,steps=20",
    "ddn:steps=40",
    "carlini_wagner_l2:steps=30,search_steps=3,learning_rate=0.05,initial_constant=1",
)
"""Attacks whose budgets let each of them fool the embedded network on nearly every photograph."""


def demo(out: Out = Path("limen-demo")) -> None:
    """Attack an embedded network on real photographs, offline, and make the page.

    Takes less than a minute on two cores.
    """
    machine.prepare()
    from limen.cli.running import execute

    execute("demo:photos", "demo:photos,count=36", ATTACKS, out)
