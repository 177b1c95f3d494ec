"""Attacks side by side at equal passes: who needs the least distance, by every metric."""

from __future__ import annotations

from limen.bench.benchmark import Made, benchmark
from limen.bench.passes import Counter, most_counts
from limen.bench.plan import ALL, Chosen, Known, LeftOut, Plan, Planned, drafts, plan

__all__ = [
    "ALL",
    "Chosen",
    "Counter",
    "Known",
    "LeftOut",
    "Made",
    "Plan",
    "Planned",
    "benchmark",
    "drafts",
    "most_counts",
    "plan",
]
