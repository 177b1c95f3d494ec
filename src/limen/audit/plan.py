"""What an audit will do, decided once and kept, so that one that was stopped goes on with the same."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from limen.audit.effort import Attempt, Effort, effort_named
from limen.audit.finding import Finding
from limen.audit.rules import Rule
from limen.decoding import read_json
from limen.errors import RunError, UsageError, reason
from limen.evaluation.indicators import NO_GRADIENT
from limen.runs.files import write_whole, writing
from limen.safety import MOST_TEXT, read_bytes

FILE = "plan.json"

FORMAT = 1
"""Version of the file; raised when an older Limen could no longer read it."""

_MARGIN = 0.9  # of the time that is planned for, so that what is not attacks has its part


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an audit will do.

    Attributes:
        format: Version of the file.
        asked: What the user asked for, by name; an audit that goes on is asked for the same.
        effort: What is run: the effort that was asked for, or a lesser one that fits the time.
        images: On how many images.
        of: Of how many that there are.
        seconds: How long it takes at most, as measured before.
        likely: About how long it takes, if as many images are fooled early as were before.
        left_out: By the spec of an attack, why it is not run.
        findings: What the set-up checks found.
    """

    format: int = FORMAT
    asked: dict[str, str]
    effort: str
    images: int
    of: int
    seconds: float = 0.0
    likely: float = 0.0
    left_out: dict[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether nothing is left to attack."""
        return any(each.state == "stops" for each in self.findings)

    @property
    def places(self) -> list[int]:
        """The positions of the images in the data, spread over it, as many sets are sorted by class."""
        return spread(self.images, self.of)

    @property
    def told(self) -> str:
        """What is about to happen, for people."""
        likely, most = (math.ceil(seconds / 60) or 1 for seconds in (self.likely, self.seconds))
        lasts = f"about {likely} minute{'s' * (likely > 1)}" + f", at most {most}" * (most > likely)
        which = (
            f"{self.images:,} of {self.of:,} images" if self.images < self.of else f"{self.images:,} images"
        )
        asked = self.asked.get("effort", self.effort)
        why = "" if asked == self.effort else f", as {asked} would fit too few images into the time"
        return f"{self.effort} effort on {which}{why}: {lasts}"

    def attempts(self, rules: Iterable[Rule]) -> tuple[Attempt, ...]:
        """The attacks, each at the budgets that rules ask about too, but for those that have none."""
        known = effort_named(self.effort).attempts
        left = [each for each in known if each.spec not in self.left_out]
        return tuple(each for each in with_budgets(left, rules) if each.runs)


def spread(count: int, total: int) -> list[int]:
    """So many positions of a total, at even distances.

    Example:
        >>> spread(3, 9), spread(5, 3)
        ([0, 3, 6], [0, 1, 2])
    """
    kept = min(count, total)
    return [place * total // kept for place in range(kept)]


def with_budgets(attempts: Iterable[Attempt], rules: Iterable[Rule]) -> tuple[Attempt, ...]:
    """The attempts with those budgets, too, that rules ask about in their norm."""
    asked: dict[str, list[float]] = {}
    for rule in rules:
        if rule.quantity == "robust_accuracy":
            asked.setdefault(rule.metric, []).append(rule.budget)
    return tuple(
        each.asked(budget for budget in asked.get(each.norm, ()) if budget > 0) if each.norm else each
        for each in attempts
    )


def blind(effort: Effort, findings: Iterable[Finding]) -> dict[str, str]:
    """The attacks of an effort that cannot be run as no gradient flows, with that reason, by their specs."""
    if not any(each.key == NO_GRADIENT and each.counts for each in findings):
        return {}
    return {each.spec: "no gradient flows through the model" for each in effort.attempts if each.gradient}


def fitted(seconds: float, begun: float, minutes: float | None, wanted: int) -> int:
    """On how many images an audit fits into some minutes.

    Args:
        seconds: How long an image takes.
        begun: How long what does not grow with the images takes.
        minutes: The time; None for any.
        wanted: How many images there should be at most.

    Raises:
        UsageError: If it is not enough for one image.

    Example:
        >>> fitted(10.0, 20.0, 5, 100), fitted(10.0, 20.0, None, 100)
        (25, 100)
    """
    if minutes is None:
        return wanted
    images = fitting(seconds, begun, minutes)
    if images < 1:
        needed = (begun + seconds) / 60 / _MARGIN
        raise UsageError(
            f"--minutes {minutes:g} is too little for a single image; give at least {needed:.2g}, or a "
            "lesser --effort"
        )
    return min(wanted, images)


def fitting(seconds: float, begun: float, minutes: float) -> int:
    """How many images fit into some minutes; arguments are those of `fitted`."""
    return max(0, int((_MARGIN * 60 * minutes - begun) / seconds))


def read_plan(folder: Path, asked: Mapping[str, str]) -> Plan | None:
    """The plan in a folder; None where there is none yet.

    Args:
        folder: The folder of the audit.
        asked: What the user asks for now.

    Raises:
        UsageError: If the audit there is of something else.
        RunError: If the file cannot be read.
    """
    path = folder / FILE
    try:
        plan = read_json(Plan, read_bytes(path, None, MOST_TEXT), FORMAT, "the plan of an audit")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({reason(error)})") from error
    except RunError as error:
        raise RunError(f"{path}: {error}") from None
    changed = [
        f"{name}: {plan.asked.get(name, 'not given')} there, {asked.get(name, 'not given')} now"
        for name in dict.fromkeys([*plan.asked, *asked])
        if plan.asked.get(name) != asked.get(name)
    ]
    if changed:
        raise UsageError(f"{folder}: the audit there is another ({'; '.join(changed)}); choose another --out")
    return plan


def write_plan(folder: Path, plan: Plan) -> None:
    """Keep a plan.

    Raises:
        UsageError: If the folder holds something else.
        RunError: If it cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        strangers = sorted(path.name for path in folder.iterdir() if path.name[0] != ".")
    if strangers:
        raise UsageError(f"{folder}: not empty and not an audit; choose another --out")
    text = json.dumps(asdict(plan), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(folder / FILE, text.encode())
