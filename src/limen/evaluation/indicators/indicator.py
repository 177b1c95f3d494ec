"""What an indicator of a failed attack is, and what a finding says in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from limen.document.numbers import number
from limen.errors import UnknownNameError, UsageError

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
        return Finding(attack, self, value > self.threshold, len(known), count, value)


@dataclass(frozen=True)
class Finding:
    """What an indicator says of one attack of a run.

    Attributes:
        attack: The attack's label.
        about: The indicator.
        found: Whether it is found.
        images: Of how many images it says anything.
        count: How many of these exceed the threshold by themselves.
        value: The evidence: what is compared with the threshold; NaN where there are no images.
    """

    attack: str
    about: Indicator
    found: bool
    images: int
    count: int
    value: float

    @property
    def indicator(self) -> str:
        """The indicator's key."""
        return self.about.key

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


M = TypeVar("M", bound=Callable[..., Any])


def indicator(
    key: str,
    title: str,
    *,
    of: Literal["model", "attack"] = "attack",
    threshold: float = 0.0,
    over: Over = "any",
    says: str,
    advice: str,
    source: str = "",
) -> Callable[[M], M]:
    """Make an indicator of a function that gives a number per image of a `Subject` or a `Trial`.

    Further parameters of the function are options of the spec that names it. Other arguments are those of
    `Indicator`.

    Raises:
        UsageError: If there is no such statistic or kind, or the evidence has fields that no finding has.

    Example:
        >>> @indicator("dull", "Dull", says="{count} of {images}.", advice="Smile.")
        ... def dull(trial): ...
        >>> of_function(dull).judge("ddn", np.array([1.0, 0.0, np.nan])).evidence
        '1 of 2.'
    """
    for name, value, known in (("over", over, STATISTICS), ("of", of, ("model", "attack"))):
        if value not in known:
            raise UnknownNameError(name, str(value), known)

    def declared(measure: M) -> M:
        made = Indicator(key, title, of, measure, threshold, over, says, advice, source)
        _check_evidence(made)
        vars(measure).update(indicator=made)
        return measure

    return declared


def of_function(measure: Callable[..., Any]) -> Indicator:
    """The indicator that `indicator` made of a function.

    Raises:
        UsageError: If it made none.
    """
    found = getattr(measure, "indicator", None)
    if not isinstance(found, Indicator):
        name = getattr(measure, "__name__", "it")
        raise UsageError(f"{name} is no indicator; put @limen.evaluation.indicators.indicator(…) above it")
    return found


def _check_evidence(made: Indicator) -> None:
    try:
        _ = made.judge("", np.ones(1)).evidence
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise UsageError(
            f"indicator {made.key}: says={made.says!r} cannot be filled in ({error!r}); its fields may be "
            "{value}, {percent}, {images}, {count} and {threshold}"
        ) from error
