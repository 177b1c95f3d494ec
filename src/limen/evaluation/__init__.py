"""Protocols over data sets: run attacks into a run directory."""

from __future__ import annotations

from limen.evaluation.attack_run import Progress, describe_run, run_attacks

__all__ = ["Progress", "describe_run", "run_attacks"]
