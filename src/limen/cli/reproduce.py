"""`limen reproduce`: a table or figure of a paper, on the user's model and images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import BatchSize, Device, Seed


def reproduce(
    name: Annotated[str, typer.Argument(help="What to reproduce; `limen list recipes` names everything.")],
    model: Annotated[str, typer.Option(metavar="SPEC", help="Model, such as torchvision:mobilenet_v2.")],
    data: Annotated[str, typer.Option(metavar="SPEC", help="Images, such as nips2017:FOLDER,size=224.")],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of runs and pages; recipes share their runs there.")
    ],
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only the first so many images.")
    ] = None,
    batch_size: BatchSize = 32,
    device: Device = "cpu",
    seed: Seed = 0,
    budgets: Annotated[
        int, typer.Option(metavar="K", min=1, help="Budgets an attack, where there is a grid.")
    ] = 8,
    like: Annotated[
        Literal["imagenet", "cifar10", "mnist"] | None,
        typer.Option(help="The paper's data set to stand beside; told by the images if not given."),
    ] = None,
    quality: Annotated[
        float | None, typer.Option(metavar="Q", help="Compare at this average quality, not at the paper's.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="At most so many steps in a climb, to save time."),
    ] = None,
    search_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="At most so many climbs in a search, likewise.")
    ] = None,
    robust: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC", help="A robust model, where images are shown to one that was not attacked."
        ),
    ] = None,
) -> None:
    """Reproduce a table or figure of a paper, beside the figures that it printed.

    The same command again resumes; another recipe in the same folder takes what is there.
    """
    machine.prepare()
    from limen.cli.console import output
    from limen.cli.progress import showing
    from limen.cli.tables import printed
    from limen.document import Table
    from limen.errors import UnknownNameError
    from limen.recipes import RECIPES, Request, write

    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    request = Request(
        model,
        data,
        out,
        limit=limit,
        batch_size=batch_size,
        device=device,
        seed=seed,
        budgets=budgets,
        like=like,
        quality=quality,
        steps=steps,
        search_steps=search_steps,
        robust=robust,
    )
    made = RECIPES[name].make(request, showing)
    for block in made.sheet.blocks:
        if isinstance(block, Table):
            output().print(printed(block))
    for what, path in write(made, out, name).items():
        output().print(f"{what:5}{path}")
