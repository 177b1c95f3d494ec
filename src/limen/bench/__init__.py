"""Attacks side by side at equal passes: who needs the least distance, by every metric."""

from __future__ import annotations

from limen.bench.benchmark import Made, benchmark
from limen.bench.passes import Counter, most_counts
from limen.bench.plan import ALL, LeftOut, Planned, plan

__all__ = ["ALL", "Counter", "LeftOut", "Made", "Planned", "benchmark", "most_counts", "plan"]
