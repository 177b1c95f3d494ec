"""How a command ends when it cannot go on."""

from __future__ import annotations

import os
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from limen.cli.console import complain
from limen.errors import LimenError

INTERRUPTED = 130
"""The exit code that a shell gives to a command ended by Ctrl-C."""


class Commands(TyperGroup):
    """The group of commands: mistakes of the user become one message and an exit code.

    Anything else is a defect of the program and keeps its traceback. With `LIMEN_DEBUG=1` in the
    environment, all do.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except LimenError as error:
            _trace()
            complain(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            _trace()
            complain("interrupted; run the same command again to resume")
            raise typer.Exit(INTERRUPTED) from None


def _trace() -> None:
    if os.environ.get("LIMEN_DEBUG", "") not in ("", "0"):
        traceback.print_exc()
