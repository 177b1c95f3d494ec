"""What an audit found out about the set-up of a model, its data or its attacks, with the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
        of: The room of the audit that found it: `setup`, before any attack, or `attacks`, by their records.
    """

    key: str
    title: str
    state: State
    evidence: str
    advice: str = ""
    of: Literal["setup", "attacks"] = "setup"

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
