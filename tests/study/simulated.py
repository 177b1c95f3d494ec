"""Observers who answer a study by what they are, and not by what they see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from limen.study import Key
from limen.study.answers import WORDS
from limen.study.key import CHECK, Picture, Trial

Says = Callable[[Picture | None, np.random.Generator], bool]
"""Whether an observer notices: of an altered picture, or of an identical pair."""


def sheet(key: Key, observer: int, says: Says, **changed: Any) -> dict[str, Any]:
    """What the page saves of one observer."""
    draw, plan = np.random.default_rng(observer + 100), (observer - 1) % len(key.schedules)
    answers = [
        {
            "trial": place,
            "left": trial.left,
            "right": trial.right,
            "answer": word(key, trial, says(key.altered(trial), draw)),
            "ms": 900 + place,
            "shown": 800,
            "away": False,
        }
        for place, trial in enumerate(key.schedules[plan])
    ]
    screen = {
        "width": 1920,
        "height": 1080,
        "ratio": 1,
        "window_width": 1900,
        "window_height": 950,
        "scale": 1,
    }
    return {
        "format": 1,
        "study": key.hash,
        "observer": str(observer),
        "schedule": plan,
        "began": "2026-01-01T10:00:00.000Z",
        "ended": "2026-01-01T10:10:00.000Z",
        "screen": screen,
        "answers": answers,
    } | changed


def word(key: Key, trial: Trial, noticed: bool) -> str:
    """What an observer answers who notices, or who is wrong."""
    first, second = WORDS[key.design.task]
    if key.design.task == "same-different":
        return second if noticed else first
    altered_left = key.pictures[trial.left].attack is not None
    return first if altered_left == (noticed == (key.design.task == "2afc")) else second


def honest(picture: Picture | None, draw: np.random.Generator) -> bool:
    """Notices by chance 0.9 what ddn did, 0.4 what fgsm did, 0.1 of nothing, and hardly misses a check."""
    return (
        draw.random() < {None: 0.1, "ddn": 0.9, "fgsm": 0.4, CHECK: 0.99}[picture.attack if picture else None]
    )


def write(folder: Path, *sheets: dict[str, Any]) -> Path:
    """A folder of a file for each observer."""
    folder.mkdir(exist_ok=True)
    for number, each in enumerate(sheets):
        (folder / f"answers-{number}.json").write_text(json.dumps(each), encoding="utf-8")
    return folder
