"""Where the commands print: results to standard output, progress and complaints to standard error."""

from __future__ import annotations

import sys

import typer
from rich.console import Console


def output() -> Console:
    """A console on standard output, made anew because tests and pipes exchange the stream.

    Away from a terminal, lines are as long as they need to be, so that `grep` finds whole rows.
    """
    return Console(width=None if sys.stdout.isatty() else 1000, highlight=False, markup=False)


def complain(message: str) -> None:
    """Print one message to standard error."""
    typer.echo(message, err=True)
