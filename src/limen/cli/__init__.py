"""The `limen` command: arguments in, text out; all work is done in the rooms below."""

from __future__ import annotations

from typing import Annotated

import typer

import limen
from limen.cli.attack import attack
from limen.cli.audit import audit
from limen.cli.augment import augment
from limen.cli.bench import bench
from limen.cli.demo import demo
from limen.cli.detect import detect
from limen.cli.errors import Commands
from limen.cli.evaluate import evaluate
from limen.cli.fairness import fairness
from limen.cli.listing import list_
from limen.cli.options import Targeting
from limen.cli.report import report
from limen.cli.reproduce import reproduce
from limen.cli.streams import enduring
from limen.cli.study import study
from limen.cli.train import train
from limen.cli.weights import weights

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for name, command in {
    "demo": demo,
    "attack": attack,
    "audit": audit,
    "evaluate": evaluate,
    "bench": bench,
    "detect": detect,
    "fairness": fairness,
    "report": report,
    "reproduce": reproduce,
    "list": list_,
    "train": train,
    "augment": augment,
}.items():
    app.command(name, cls=Targeting if command is attack else None)(command)
app.add_typer(study, name="study")
app.add_typer(weights, name="weights")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"limen {limen.__version__}")
        raise typer.Exit


@app.callback()
def limen_(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Attack an image classifier imperceptibly, keep every result, and look at it on a page."""


def main() -> None:
    """Run the command line; the entry point `limen`."""
    with enduring():
        app(prog_name="limen")
