"""Rules that a build pipeline asks an audit about, as text and as data.

A rule is `[METRIC<=NUMBER:]QUANTITY COMPARISON NUMBER`, with ` confidently` behind it where the end of the
95 % interval is to be judged that speaks against it, and not the share on the audited images.

    clean_accuracy>=0.7                    the share that is right before any attack
    robust_accuracy[linf=2/255]>=0.4       the share that is right before and stays so within a budget
    success<=0.1                           the share of what was right before that any attack fools
    noticed<=0.5:success<=0.05             the same, of changes alone whose metric says so
    findings<=0                            how many findings weaken the verdict
"""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from limen.errors import UnknownNameError, UsageError, shown

Comparison = Literal["<=", ">=", "<", ">"]

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
)
"""What each comparison asks."""

QUANTITIES = ("clean_accuracy", "robust_accuracy", "success", "findings")
"""What a rule can be about."""

CONFIDENTLY = "confidently"

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RULE = re.compile(
    rf"(?:(?P<metric>[a-z]\w*)\s*(?P<filter><=|>=|<|>)\s*(?P<bound>[^:\s]+)\s*:)?\s*"
    rf"(?P<quantity>[a-z_]+)\s*(?:\[\s*(?P<norm>[a-z]\w*)\s*=\s*(?P<budget>[^\]\s]+)\s*\])?\s*"
    rf"(?P<comparison><=|>=|<|>)\s*(?P<value>\S+?)(?P<confident>\s+{CONFIDENTLY})?"
)
_EXAMPLES = "robust_accuracy[linf=2/255]>=0.4, noticed<=0.5:success<=0.05, clean_accuracy>=0.7 or findings<=0"


@dataclass(frozen=True)
class Condition:
    """Which changes count: those whose metric compares so with a number."""

    metric: str
    comparison: Comparison
    value: float

    @property
    def at_most(self) -> bool:
        """Whether values up to the number count."""
        return self.comparison in ("<=", "<")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        text: As the user wrote it, without needless spaces.
        quantity: One of `QUANTITIES`.
        comparison: How it is compared.
        value: With what.
        metric: Of `robust_accuracy`, the metric of the budget; else empty.
        budget: Likewise the budget, in the records' unit: values in [0, 1] of `l2` and `linf`.
        condition: Of `success`, which changes count; None for all.
        confident: Whether the end of the interval is judged that speaks against the rule.
    """

    text: str
    quantity: str
    comparison: Comparison
    value: float
    metric: str = ""
    budget: float = math.nan
    condition: Condition | None = None
    confident: bool = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the run must have for it."""
        return tuple(filter(None, [self.metric, self.condition.metric if self.condition else ""]))

    @property
    def from_below(self) -> bool:
        """Whether it asks for at least so much."""
        return self.comparison in (">=", ">")

    def renamed(self, names: Mapping[str, str]) -> Rule:
        """The same rule, where runs have metrics under other names."""
        at = self.condition
        if at is not None:
            at = dataclasses.replace(at, metric=names.get(at.metric, at.metric))
        return dataclasses.replace(self, metric=names.get(self.metric, self.metric), condition=at)

    def holds(self, value: float) -> bool:
        """Whether it holds of a value."""
        return bool(COMPARISONS[self.comparison](value, self.value))


def read_rule(text: str, metrics: Collection[str] | None = None) -> Rule:
    """A rule from its text.

    Args:
        text: The rule.
        metrics: The metrics that it may name; None for any.

    Raises:
        UsageError: Naming what is wrong, and the nearest that would do.

    Example:
        >>> rule = read_rule("robust_accuracy[linf=2/255] >= 0.4")
        >>> rule.text, rule.metric, round(rule.budget, 5), rule.holds(0.5)
        ('robust_accuracy[linf=2/255]>=0.4', 'linf', 0.00784, True)
        >>> read_rule("noticed<=0.5:success<=0.05").condition
        Condition(metric='noticed', comparison='<=', value=0.5)
        >>> read_rule("clean_accuracy>=0.7 confidently").confident
        True
    """
    found = _RULE.fullmatch(text.strip())
    if found is None:
        hint = "; write >= or <= where = stands" if re.search(r"(?<![<>])=\s*[\d.]+%?$", text.strip()) else ""
        raise UsageError(f"rule {shown(text)}: not QUANTITY>=NUMBER{hint}. Rules are such as {_EXAMPLES}")
    parts = found.groupdict()
    quantity = parts["quantity"]
    if quantity not in QUANTITIES:
        raise _telling(text, UnknownNameError("quantity", quantity, QUANTITIES))
    for name in (parts["norm"], parts["metric"]):
        if name is not None and metrics is not None and name not in metrics:
            raise _telling(text, UnknownNameError("metric", name, metrics))
    if (quantity == "robust_accuracy") != (parts["norm"] is not None):
        cure = (
            "needs a budget: robust_accuracy[linf=2/255]"
            if quantity == "robust_accuracy"
            else "has no budget"
        )
        raise UsageError(f"rule {shown(text)}: {quantity} {cure}")
    if parts["metric"] is not None and quantity != "success":
        raise UsageError(f"rule {shown(text)}: a condition before the colon is for success alone")
    if parts["confident"] and quantity == "findings":
        raise UsageError(
            f"rule {shown(text)}: findings are counted and have no interval; leave {CONFIDENTLY}"
        )
    condition = None
    if parts["metric"] is not None:
        condition = Condition(
            parts["metric"], cast("Comparison", parts["filter"]), _number(text, parts["bound"])
        )
    value = _number(text, parts["value"])
    if quantity != "findings" and not 0 <= value <= 1:
        raise UsageError(f"rule {shown(text)}: {quantity} is a share; compare it with a number from 0 to 1")
    budget = math.nan if parts["norm"] is None else _number(text, parts["budget"])
    return Rule(
        text="".join(text.replace(CONFIDENTLY, "").split()) + (f" {CONFIDENTLY}" * bool(parts["confident"])),
        quantity=quantity,
        comparison=cast("Comparison", parts["comparison"]),
        value=value,
        metric=parts["norm"] or "",
        budget=budget,
        condition=condition,
        confident=bool(parts["confident"]),
    )


def _number(text: str, number: str) -> float:
    """A number, or a ratio of two such as 2/255, or a percentage."""
    if found := re.fullmatch(rf"({_NUMBER})(?:/({_NUMBER})|(%))?", number):
        over = float(found[2]) if found[2] else 100.0 if found[3] else 1.0
        if over and math.isfinite(value := float(found[1]) / over):
            return value
    raise UsageError(f"rule {shown(text)}: {number!r} is no number; write it as 0.4, 40% or 2/255")


def _telling(text: str, error: UsageError) -> UsageError:
    return UsageError(f"rule {shown(text)}: {error}")
