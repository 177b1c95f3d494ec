"""What an indicator of a failed attack is, and what a finding says in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from limen.document.numbers import number
from limen.errors import UnknownNameError, UsageError
from limen.runs import Stored

Over = Literal["any", "most", "every", "mean"]
"""What must exceed the threshold: the greatest of the images' numbers, the median, the least, or the mean."""

STATISTICS: dict[str, Callable[[np.ndarray], Any]] = {
    "any": np.max,
    "most": np.median,
    "every": np.min,
    "mean": np.mean,
}


@dataclass(frozen=True)
class Indicator:
    """A sign that an attack failed for reasons that say nothing of the model's robustness.

    Attributes:
        key: What records call it.
        title: What is the matter, where it is found.
        of: Whether it is a property of the model, or of an attack on it.
        measure: Gives a number per image, NaN where it says nothing of one, of a `Subject` or a `Trial`.
        threshold: What the numbers must exceed for it to be found.
        over: Which of their statistics must.
        says: The evidence in a sentence, with the fields of a `Finding` in braces.
        advice: What to do.
        source: Where indicator and threshold are from.
    """

    key: str
    title: str
    of: Literal["model", "attack"]
    measure: Callable[[Any], Any]
    threshold: float
    over: Over
    says: str
    advice: str
    source: str

    def judge(self, attack: str, values: np.ndarray) -> Finding:
        """What the images' numbers say together; those that are NaN say nothing.

        Args:
            attack: The attack's label.
            values: A number per image.
        """
        known = values[~np.isnan(values)]
        value = float(STATISTICS[self.over](known)) if len(known) else float("nan")
        count = int((known > self.threshold).sum())
        return Finding(attack, self.key, value > self.threshold, len(known), count, value)


@dataclass(frozen=True)
class Finding:
    """What an indicator says of one attack of a run.

    Attributes:
        attack: The attack's label.
        indicator: The indicator's key.
        found: Whether it is found.
        images: Of how many images it says anything.
        count: How many of these exceed the threshold by themselves.
        value: The evidence: what is compared with the threshold; NaN where there are no images.
    """

    attack: str
    indicator: str
    found: bool
    images: int
    count: int
    value: float

    @property
    def about(self) -> Indicator:
        """The indicator."""
        return INDICATORS[self.indicator]

    @property
    def title(self) -> str:
        """What is the matter, where it is found."""
        return self.about.title

    @property
    def evidence(self) -> str:
        """What was measured, as a sentence."""
        if not self.images:
            return "It could not be measured on any of these images."
        share = f"{number(100 * self.value)}\N{NO-BREAK SPACE}%"
        known = {"images": self.images, "count": self.count, "threshold": number(self.about.threshold)}
        return self.about.says.format(value=number(self.value), percent=share, **known)

    @property
    def advice(self) -> str:
        """What to do about it."""
        return self.about.advice

    @property
    def sentence(self) -> str:
        """All of it: of what, what is the matter, by which evidence, and what to do."""
        of = "The model" if self.about.of == "model" else self.attack
        return f"{of}: {self.title}. {self.evidence} {self.advice}"


INDICATORS: dict[str, Indicator] = {}
"""Every indicator by its key, in the order in which they are shown."""

M = TypeVar("M", bound=Callable[[Any], Any])


def indicator(
    key: str,
    title: str,
    *,
    of: Literal["model", "attack"] = "attack",
    threshold: float = 0.0,
    over: Over = "any",
    says: str,
    advice: str,
    source: str,
) -> Callable[[M], M]:
    """Register what measures as an indicator; arguments are those of `Indicator`.

    Example:
        >>> @indicator("dull", "Dull", says="{count} of {images}.", advice="Smile.", source="None.")
        ... def dull(trial): ...
        >>> INDICATORS["dull"].judge("ddn", np.array([1.0, 0.0, np.nan])).evidence
        '1 of 2.'
        >>> del INDICATORS["dull"]
    """

    def registered(measure: M) -> M:
        if key in INDICATORS:
            raise UsageError(f"there is an indicator {key} already")
        INDICATORS[key] = Indicator(key, title, of, measure, threshold, over, says, advice, source)
        return measure

    return registered


def chosen(keys: Sequence[str]) -> list[Indicator]:
    """The indicators of these keys; all if there are none.

    Raises:
        UnknownNameError: If there is no such indicator.
    """
    for key in keys:
        if key not in INDICATORS:
            raise UnknownNameError("indicator", key, INDICATORS)
    return [each for key, each in INDICATORS.items() if key in keys or not keys]


def findings(stored: Stored) -> list[Finding]:
    """What each indicator says of each attack of a run: attack by attack, found or not.

    Args:
        stored: The evaluation `indicators` of the run.
    """
    records = stored.records()
    if "indicator" not in records.column_names:
        return []
    found = []
    for attack in stored.attacks:
        rows = records.filter((pc.field("attack") == attack) & pc.field("indicator").is_valid())
        keys, values = np.array(rows["indicator"].to_pylist(), str), rows["value"].to_numpy()
        found += [each.judge(attack, values[keys == key]) for key, each in INDICATORS.items() if key in keys]
    return found


def summary(stored: Stored) -> pa.Table:
    """The findings as a table, a row for each attack and indicator, and a column for each field."""
    schema = pa.schema(
        [
            ("attack", pa.string()),
            ("indicator", pa.string()),
            ("found", pa.bool_()),
            ("images", pa.int64()),
            ("count", pa.int64()),
            ("value", pa.float64()),
        ]
    )
    return pa.Table.from_pylist([asdict(each) for each in findings(stored)], schema)
