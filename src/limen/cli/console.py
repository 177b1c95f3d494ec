"""What the commands print: results on standard output, progress and complaints on standard error."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from limen.cli.tables import Shown
from limen.document import Block, Notes, Table, harmless


class Output(Console):
    """A console that prints text as it is meant: names of files can neither steer it nor end a line."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print texts, each of which is one line, or what renders itself.

        Text is broken between words. Where one is wider than the terminal it is not broken at all, as a path
        is there to be copied.
        """
        texts = [harmless(each) for each in objects if isinstance(each, str)]
        if any(cell_len(word) > self.width for text in texts for word in text.split(" ")):
            how = {"overflow": "ignore", "crop": False, **how}
        super().print(*(harmless(each) if isinstance(each, str) else each for each in objects), **how)

    def render_str(self, text: str, **how: Any) -> Text:
        """The text of a cell, which may have lines of its own."""
        return super().render_str(harmless(text, lines=True), **how)


def output() -> Output:
    """A console on standard output, made anew because tests and pipes exchange the stream.

    It is as wide as `COLUMNS` says, else as the terminal. Away from a terminal, lines are as long as they
    need to be, so that `grep` finds whole rows.
    """
    told = os.environ.get("COLUMNS", "").isdecimal()
    wide = None if told or sys.stdout.isatty() else 1000
    return Output(width=wide, highlight=False, markup=False, emoji=False, soft_wrap=False)


def complain(message: str) -> None:
    """Print one message to standard error, in one line."""
    typer.echo(harmless(message), err=True)


def complain_of_skipped(image_id: str, reason: str) -> None:
    """Say which image cannot be used, and why."""
    complain(f"skipped {image_id}: {reason}")


def show(*blocks: Block) -> None:
    """Print the tables and the notes among the blocks of a document; charts and pictures are for pages."""
    for block in blocks:
        if isinstance(block, Table):
            output().print(Shown(block))
        elif isinstance(block, Notes):
            output().print(*block.items, sep="\n")
