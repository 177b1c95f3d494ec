"""Files of answers, which may be broken, of another study, or there twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from limen.analysis import CHECK as UNMISSABLE
from limen.analysis import SAME, Answers
from limen.decoding import read_json
from limen.errors import LimenError, RunError, UsageError, reason, shown
from limen.safety import MOST_TEXT, read_bytes
from limen.study.key import CHECK, Key, Picture, Trial
from limen.study.tables import sheets_in

FORMAT = 1
"""Version of what the page writes."""

WORDS = {"same-different": ("same", "different"), "2afc": ("left", "right"), "match": ("left", "right")}
"""What can be answered, by the task."""


@dataclass(frozen=True)
class Screen:
    """The screen of an observer, in pixels of style sheets, of which each is `ratio` pixels of its own.

    A pixel of a picture took `scale` of its own to each side; 0 where no picture was shown.
    """

    width: int
    height: int
    ratio: float
    window_width: int
    window_height: int
    scale: int


@dataclass(frozen=True)
class Answer:
    """What was answered to a trial.

    Attributes:
        trial: Its place among the observer's trials, from 0.
        left: The number of the picture on the left.
        right: The number of that on the right.
        answer: One of the `WORDS` of the task.
        ms: After how many milliseconds.
        shown: For how many milliseconds the pictures were seen.
        away: Whether the page was hidden meanwhile.
    """

    trial: int
    left: int
    right: int
    answer: str
    ms: int
    shown: int
    away: bool


@dataclass(frozen=True)
class Sheet:
    """All that one observer answered.

    Attributes:
        format: `FORMAT`.
        study: The hash of the study.
        observer: The number or name of the observer.
        schedule: Whose trials these are, from 0.
        began: When, as ISO 8601.
        ended: Likewise; None where the observer stopped before the end.
        screen: The observer's screen.
        answers: The answers, in their order.
    """

    format: int
    study: str
    observer: str
    schedule: int
    began: str
    ended: str | None
    screen: Screen
    answers: Sequence[Answer]


def read_sheets(paths: Sequence[Path | str], key: Key) -> list[Sheet]:
    """The answers of all observers, in the order of their names; numbers as such.

    Args:
        paths: Files, each of which holds what a page saved, a list of such, one a line (.jsonl), or a table
            (.csv); or folders of such files.
        key: The key of the study that they answer.

    Raises:
        UsageError: If there is no file.
        LimenError: If a file cannot be read, is broken, answers another study, or an observer is there
            twice; the message names it.
    """
    found: dict[str, tuple[Sheet, Path]] = {}
    for path in _files(paths):
        for sheet in _sheets(path):
            _check(sheet, key, path)
            if (other := found.get(sheet.observer)) is not None:
                where = "" if path == other[1] else f" and {other[1]}"
                raise RunError(
                    f"{path}{where}: observer {shown(sheet.observer)} answered twice; leave one of them out"
                )
            found[sheet.observer] = sheet, path
    order = sorted(found, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))
    return [found[name][0] for name in order]


_SUFFIXES = (".json", ".jsonl", ".csv")


def _files(paths: Sequence[Path | str]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        inside = [each for each in sorted(path.glob("*")) if each.suffix.lower() in _SUFFIXES]
        files += inside if path.is_dir() else [path]
    if not files:
        raise UsageError("no file of answers is given; give files that the page saved, or a folder of them")
    return list(dict.fromkeys(files))


def _sheets(path: Path) -> Iterator[Sheet]:
    try:
        raw = read_bytes(path, most=MOST_TEXT)
        # A spreadsheet's "Unicode text" is UTF-16.
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LimenError(f"{path}: cannot be read ({reason(error)})") from None
    try:
        if path.suffix.lower() == ".csv":
            pieces = [json.dumps(each) for each in sheets_in(text)]
        elif path.suffix == ".jsonl":
            pieces = [line for line in text.splitlines() if line.strip()]
        elif text.startswith("["):
            pieces = [json.dumps(each) for each in json.loads(text)]
        else:
            pieces = [text]
        for piece in pieces:
            yield read_json(Sheet, piece, FORMAT, "answers to a study")
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: not valid JSON ({reason(error)})") from None
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def _check(sheet: Sheet, key: Key, path: Path) -> None:
    """Refuse answers that the page of this study cannot have written."""
    if sheet.study != key.hash:
        raise RunError(
            f"{path}: answers to another study ({sheet.study[:8]!r}, and this one is {key.hash[:8]!r}); give "
            "the folder of theirs by --study"
        )
    if not 0 <= sheet.schedule < len(key.schedules):
        raise RunError(f"{path}: schedule {sheet.schedule}, of {len(key.schedules)}")
    trials, words = key.schedules[sheet.schedule], WORDS[key.design.task]
    if len({each.trial for each in sheet.answers}) < len(sheet.answers):
        raise RunError(f"{path}: a trial is answered twice")
    for each in sheet.answers:
        if not 0 <= each.trial < len(trials):
            raise RunError(f"{path}: trial {each.trial}, of {len(trials)}")
        trial = trials[each.trial]
        if (each.left, each.right) != (trial.left, trial.right):
            raise RunError(
                f"{path}: trial {each.trial} shows pictures {(each.left, each.right)}, and in the study "
                f"{(trial.left, trial.right)}"
            )
        if each.answer not in words:
            raise RunError(
                f"{path}: trial {each.trial} is answered {shown(each.answer)}, not by {' or '.join(words)}"
            )


def said_yes(answer: Answer, key: Key) -> bool:
    """Whether the answer is "different", or where one of two pictures is right, that one."""
    if key.design.task == "same-different":
        return answer.answer == "different"
    chosen = key.pictures[answer.left if answer.answer == "left" else answer.right]
    return (chosen.attack is not None) == (key.design.task == "2afc")


def table(sheets: Sequence[Sheet], key: Key) -> pa.Table:
    """All answers, a row each, with what they were about."""
    rows = [_row(sheet, each, key) for sheet in sheets for each in sheet.answers]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


_SCHEMA = pa.schema(
    [
        pa.field("observer", pa.string(), nullable=False),
        pa.field("trial", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("attack", pa.string()),
        pa.field("altered", pa.string()),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("right", pa.bool_(), nullable=False),
        pa.field("ms", pa.int64(), nullable=False),
        pa.field("shown", pa.int64(), nullable=False),
        pa.field("away", pa.bool_(), nullable=False),
        pa.field("screen_width", pa.int64(), nullable=False),
        pa.field("screen_height", pa.int64(), nullable=False),
        pa.field("ratio", pa.float64(), nullable=False),
        pa.field("scale", pa.int64(), nullable=False),
        pa.field("began", pa.string(), nullable=False),
    ]
)


def _row(sheet: Sheet, answer: Answer, key: Key) -> dict[str, object]:
    picture, yes = _altered(answer, key), said_yes(answer, key)
    same = picture is None
    on_left = not same and key.pictures[answer.left].attack is not None
    return {
        "observer": sheet.observer,
        "trial": answer.trial,
        "id": key.pictures[answer.left].id,
        "attack": None if picture is None else picture.attack,
        "altered": None if same else "left" if on_left else "right",
        "answer": answer.answer,
        "right": yes != same,
        "ms": answer.ms,
        "shown": answer.shown,
        "away": answer.away,
        "screen_width": sheet.screen.width,
        "screen_height": sheet.screen.height,
        "ratio": sheet.screen.ratio,
        "scale": sheet.screen.scale,
        "began": sheet.began,
    }


def _altered(answer: Answer, key: Key) -> Picture | None:
    return key.altered(Trial(answer.left, answer.right))


def encoded(sheets: Sequence[Sheet], key: Key) -> tuple[Answers, list[Picture | None], list[str]]:
    """The answers as statistics take them.

    Returns:
        The answers; the altered picture that each is about, None for an identical pair; and the ids of the
        photographs, by their numbers.
    """
    ids = sorted({each.id for each in key.pictures})
    numbers = {image: number for number, image in enumerate(ids)}
    kinds = {label: number for number, label in enumerate(key.attacks)} | {CHECK: UNMISSABLE}
    rows, pictures = [], []
    for person, sheet in enumerate(sheets):
        for each in sheet.answers:
            picture = _altered(each, key)
            pictures.append(picture)
            image = numbers[key.pictures[each.left].id]
            kind = SAME if picture is None else kinds[str(picture.attack)]
            rows.append((person, image, kind, said_yes(each, key)))
    people, images, kind, yes = np.array(rows, int).reshape(-1, 4).T
    return Answers(people, images, kind, yes.astype(bool)), pictures, ids
