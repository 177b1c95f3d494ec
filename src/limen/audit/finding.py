"""What an audit found out about the set-up of a model, its data or its attacks, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from limen.evaluation.indicators import INDICATORS

Room = Literal["setup", "attacks"]
"""Where an audit finds something: in the set-up, before any attack, or in what attacks did."""

State = Literal["sound", "note", "weakens", "stops"]
"""What it means: nothing is wrong; something to know; the verdict says less; there is nothing to attack."""


@dataclass(frozen=True)
class Finding:
    """One check, and what it found.

    Attributes:
        key: Its name for programs, such as `labels`.
        title: Its name for people; of what is wrong, a sentence without its full stop.
        state: What it means for the verdict.
        evidence: What was seen, in sentences.
        advice: What to do; empty where nothing is to be done.
        of: Where it was found.
    """

    key: str
    title: str
    state: State
    evidence: str
    advice: str = ""
    of: Room = "setup"

    @property
    def counts(self) -> bool:
        """Whether the verdict says less for it, so that the rule `findings` counts it."""
        return self.state in ("weakens", "stops")

    @property
    def sentence(self) -> str:
        """All of it, as a line of a page.

        Example:
            >>> Finding("a", "No gradient", "weakens", "It was 0.", "Leave out the rounding.").sentence
            'No gradient. It was 0. What to do: leave out the rounding.'
        """
        cure = f" What to do: {self.advice[0].lower()}{self.advice[1:]}" if self.advice else ""
        return f"{self.title}. {self.evidence}{cure}"


def indicated(key: str, state: State, evidence: str, of: Room) -> Finding:
    """What an indicator is about, found or not, whoever saw the evidence for it.

    Args:
        key: The indicator's.
        state: What it means; of what weakens, title and advice are the indicator's.
        evidence: What was seen.
        of: Where it was found.

    Example:
        >>> indicated("black_box_stronger", "sound", "It found no more.", "attacks").title
        'Black box stronger'
    """
    about = INDICATORS[key]
    if state == "sound":
        return Finding(key, key.replace("_", " ").capitalize(), state, evidence, of=of)
    return Finding(key, about.title, state, evidence, about.advice, of)
