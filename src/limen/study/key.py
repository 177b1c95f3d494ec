"""The key of a study: what its pictures are, which nobody who takes part is to see."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limen.decoding import Gap, read_json
from limen.document import finite
from limen.errors import RunError, UsageError, reason
from limen.runs import MetricColumn
from limen.safety import MOST_TEXT, read_bytes
from limen.study.design import Design

FILE = "key.json"
"""The key's file in the folder of a study."""

CHECK = "attention check"
"""What stands in place of an attack's label where a picture was altered so that nobody can miss it."""

FORMAT = 1
"""Version of the file; raised when an older Limen could no longer read it."""


@dataclass(frozen=True)
class Picture:
    """A picture of a study.

    Attributes:
        id: The image's id in the run.
        attack: The label of the attack; None for the original, and `CHECK` for what nobody can miss.
        sha256: Of the bytes of its file.
        distances: By the name of each metric of the run, how far it is from its original; empty for that and
            where no attack altered it.
    """

    id: str
    attack: str | None
    sha256: str
    distances: Mapping[str, Gap]


@dataclass(frozen=True)
class Trial:
    """What an observer is shown: the numbers of two pictures."""

    left: int
    right: int


@dataclass(frozen=True)
class Key:
    """What a study shows to whom.

    Attributes:
        format: `FORMAT`.
        limen: The version of Limen that made it.
        title: What people are told that it is.
        run: The folder of the run.
        model: The spec of the model that was attacked.
        design: How it is carried out.
        attacks: The labels of the attacks, in the run's order.
        metrics: The metrics that the run has measured.
        pictures: The pictures; the number of one names its file.
        schedules: For each observer the trials.

    Raises:
        RunError: If a trial names no picture, or a pair is of two photographs.
    """

    format: int
    limen: str
    title: str
    run: str
    model: str
    design: Design
    attacks: Sequence[str]
    metrics: Sequence[MetricColumn]
    pictures: Sequence[Picture]
    schedules: Sequence[Sequence[Trial]]

    def __post_init__(self) -> None:
        for trial in (trial for of_one in self.schedules for trial in of_one):
            both = trial.left, trial.right
            if not all(0 <= each < len(self.pictures) for each in both):
                raise RunError(f"a trial shows pictures {both}, and there are {len(self.pictures)}")
            left, right = (self.pictures[each] for each in both)
            if left.id != right.id or (left.attack and right.attack):
                raise RunError(f"a trial shows {both}, which are no photograph beside what became of it")

    @property
    def hash(self) -> str:
        """The SHA-256 of all that decides what is shown, which answers name."""
        shown = [[picture.sha256 for picture in self.pictures], dataclasses.asdict(self.design), self.title]
        trials = [[(trial.left, trial.right) for trial in of_one] for of_one in self.schedules]
        return hashlib.sha256(json.dumps([shown, trials], sort_keys=True).encode()).hexdigest()

    def altered(self, trial: Trial) -> Picture | None:
        """The altered picture of a trial; None for an identical pair."""
        for number in (trial.right, trial.left):
            if self.pictures[number].attack is not None:
                return self.pictures[number]
        return None

    def to_json(self) -> str:
        """The text of the file."""
        content = finite(dataclasses.asdict(self))
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def file_name(number: int) -> str:
    """The name of a picture's file, which says nothing of what it shows.

    Example:
        >>> file_name(7)
        'images/0007.png'
    """
    return f"images/{number:04}.png"


def read_key(folder: Path | str) -> Key:
    """The key of the study in a folder.

    Raises:
        UsageError: If there is none.
        RunError: If it cannot be read, or is broken; the message names the file.
    """
    path = Path(folder) / FILE
    try:
        return read_json(Key, read_bytes(path, most=MOST_TEXT), FORMAT, "the key of a study")
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{folder}: no study here ({FILE} is missing); give the folder that limen study make wrote"
        ) from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({reason(error)})") from error
    except (RunError, UsageError) as error:
        raise RunError(f"{path}: {error}") from None
