"""`limen study`: ask people whether they see what attacks did."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from limen.cli.options import COUNT, Seed, option

study = typer.Typer(no_args_is_help=True, help="Ask people whether they see what attacks did.")


Task = Annotated[
    Literal["same-different", "2afc", "match"],
    typer.Option(
        help="Do the two differ; which of the two was altered; or which of the two equals the original?"
    ),
]
Attacks = Annotated[
    list[str] | None,
    option("LABEL", "Attack of the run to ask about; repeatable. All if not given."),
]
Photographs = Annotated[
    int | None, option("N", "How many photographs to show at most, drawn from the seed.", min=2)
]
Pairs = Annotated[
    int | None, option("N", "How many pairs each sees; all, but at most 80, if not given.", **COUNT)
]
Checks = Annotated[
    int | None,
    option(
        "N",
        "How many further pairs that nobody can miss, to tell guesses and slips; 8 if not given.",
        min=0,
    ),
]
After = Annotated[
    Literal["blank", "mask", "stay"],
    typer.Option(help="What follows: nothing, noise, or the pictures themselves."),
]
Zoom = Annotated[
    int | None,
    option("N", "By how much pictures are enlarged; small ones to about 224 if not given.", min=1),
]
Texts = Annotated[
    Path | None,
    option("FILE", "Consent, instructions and words in place of Limen's; see limen study texts."),
]
Address = Annotated[
    str | None, option("URL", "Where answers are sent; if that fails, or not given, they become a file.")
]


@study.command()
def make(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")],
    out: Annotated[Path, option("DIR", "Folder of the study; made if missing.")],
    task: Task = "same-different",
    attack: Attacks = None,
    limit: Photographs = None,
    observers: Annotated[int, option("N", "For how many people trials are drawn.", **COUNT)] = 100,
    trials: Pairs = None,
    same: Annotated[float, option("SHARE", "Which share of the pairs is identical.")] = 0.5,
    checks: Checks = None,
    view: Annotated[int, option("MS", "For how long a pair is seen; 0 until the answer.", min=0)] = 5000,
    after: After = "blank",
    zoom: Zoom = None,
    title: Annotated[str, option("TEXT", "What people are told that it is.")] = "Do you see a difference?",
    texts: Texts = None,
    post: Address = None,
    seed: Seed = 0,
) -> None:
    """Make a study of a run: a folder to give to people, which opens in any browser without a network."""
    from limen.cli.console import output
    from limen.study import make_study

    made = make_study(
        run,
        out,
        task=task,
        attacks=attack or (),
        limit=limit,
        observers=observers,
        trials=trials,
        same=same,
        checks=checks,
        view=view,
        after=after,
        zoom=zoom,
        title=title,
        texts=texts,
        post=post,
        seed=seed,
    )
    design = made.key.design
    pairs = f"{design.trials} pairs per observer, {design.same} of them identical"
    output().print(f"{len(made.key.attacks)} attacks, {pairs}; {design.checks} attention checks")
    output().print(f"page {made.page} (give people its folder)")
    output().print(f"key  {made.key_file} (keep it to yourself)")


@study.command()
def read(
    answers: Annotated[
        list[Path], typer.Argument(metavar="ANSWERS", help="Files that the page saved, or folders of them.")
    ],
    of: Annotated[Path, option("DIR", "Folder of the study.", "--study")],
    out: Annotated[
        Path | None, option("DIR", "Folder to write; results in that of the study if not given.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        option("SPEC", "Fit a curve over this metric, too, such as fsim; repeatable."),
    ] = None,
    without: Annotated[list[str] | None, option("NAME", "Leave out this observer; repeatable.")] = None,
    without_guessers: Annotated[
        bool, typer.Option("--without-guessers", help="Leave out all observers who seem to guess.")
    ] = False,
) -> None:
    """Say what people noticed: shares and d′ of attacks and images, curves over metrics, and who guesses.

    Each curve becomes a file that the metric noticed takes: --metric noticed:calibration=FILE.
    """
    from limen.cli.console import complain, output, show
    from limen.document import Table
    from limen.study import read_study

    found = read_study(
        answers, of, out, metrics=metric or (), without=without or (), without_guessers=without_guessers
    )
    for sentence in found.findings.warnings:
        complain(f"warning: {sentence}")
    tables = [each for each in found.document.blocks if isinstance(each, Table)]
    show(*(each for each in tables if each.title in ("What people noticed", "Metrics")))
    for what, path in found.files.items():
        output().print(f"{what:28}{path}")


@study.command()
def texts() -> None:
    """Print Limen's own consent, instructions and words, to change and give to make by --texts."""
    from limen.study import default_texts

    typer.echo(default_texts(), nl=False)
