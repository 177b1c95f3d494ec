"""How a command ends when it cannot go on."""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from limen.cli.console import complain
from limen.errors import LimenError, LimenWarning

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
            with _warnings_in_a_line():
                return super().invoke(ctx)
        except LimenError as error:
            _trace()
            complain(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            _trace()
            complain("interrupted; run the same command again to resume")
            raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Show what Limen warns of as it shows all else, without the place in the program that says it."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **how: Any) -> None:
            if issubclass(category, LimenWarning):
                complain(f"warning: {message}")
            else:
                usual(message, category, *where, **how)

        warnings.showwarning = show
        yield


def _trace() -> None:
    if os.environ.get("LIMEN_DEBUG", "") not in ("", "0"):
        traceback.print_exc()
