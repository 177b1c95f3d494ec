"""Ask people: a study made from a run, which opens in any browser, and what its answers say."""

from __future__ import annotations

from limen.study.design import AFTERS, TASKS, After, Design, Task, schedule
from limen.study.key import Key, read_key
from limen.study.making import Made, default_texts, make_study
from limen.study.reading import Findings, Read, read_study

__all__ = [
    "AFTERS",
    "TASKS",
    "After",
    "Design",
    "Findings",
    "Key",
    "Made",
    "Read",
    "Task",
    "default_texts",
    "make_study",
    "read_key",
    "read_study",
    "schedule",
]
