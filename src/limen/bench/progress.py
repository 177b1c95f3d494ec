"""How far a benchmark is: what its file holds before it is finished, so that nothing is counted twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from limen import __version__
from limen.bench.page import heading
from limen.bench.plan import Chosen, Known
from limen.errors import UsageError
from limen.runs.files import write_whole
from limen.safety import opened


@dataclass(frozen=True)
class Begun:
    """A benchmark's file.

    Attributes:
        path: Where it lies.
        passes: How many passes an image may take.
        told: What it holds; empty where there is none yet.
    """

    path: Path
    passes: int
    told: Mapping[str, Any]

    def known(self) -> Known:
        """What was counted before, which is kept here after each attack that is counted."""
        known = self._counted() if self.told.get("limen") == __version__ else Known()
        known.keep = self._keep
        return known

    def write(self, told: Mapping[str, Any]) -> None:
        """Replace what the file holds."""
        write_whole(self.path, json.dumps(told, ensure_ascii=False, allow_nan=False, indent=1).encode())

    def _counted(self) -> Known:
        try:
            return Known(
                {
                    row["asked"]: Chosen(dict(row["counts"]), row["tries"], row["passes"])
                    for row in self.told["plan"]
                },
                {row["asked"]: row["reason"] for row in self.told["left_out"]},
            )
        except (KeyError, TypeError, ValueError):  # of an older form
            return Known()

    def _keep(self, known: Known) -> None:
        plan = [{"asked": spec, **asdict(chosen)} for spec, chosen in known.chosen.items()]
        left = [{"asked": spec, "reason": reason} for spec, reason in known.left.items()]
        self.write({**heading(self.passes, __version__), "plan": plan, "left_out": left})


def begun(path: Path, passes: int) -> Begun:
    """What a benchmark's file holds.

    Raises:
        UsageError: If it is of a benchmark at other passes, or of none.
    """
    if not path.exists():
        return Begun(path, passes, {})
    try:
        with opened(path) as file:
            told = json.loads(file.read())
        known = told.get("passes")
    except (OSError, ValueError, AttributeError):
        told, known = {}, None
    if known != passes:
        is_of = f"a benchmark at {known} passes" if isinstance(known, int) else "no benchmark of Limen's"
        raise UsageError(f"{path} is of {is_of}, not at {passes}; give another --out")
    return Begun(path, passes, told)
