"""`limen fairness`: whether runs, models, and families of models treat groups alike."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import BatchSize, Device, Limit, Trust, option
from limen.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from limen.data import Covariates, Dataset
    from limen.evaluation.families import Family


def fairness(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|MODELS...",
            help="Folders of runs; or models: a folder of limen train --models, a pattern of weights' files, "
            "or the spec of a model, each with a name before it if you like, as in PGD=families/pgd.",
        ),
    ],
    data: Annotated[str | None, option("SPEC", "Images with groups; of models, not of runs.")] = None,
    covariate: Annotated[
        Path | None,
        option("FILE", "CSV table with a number for each group. If not given, the one that the data brings."),
    ] = None,
    value: Annotated[
        str | None, option("COLUMN", "Its column of the numbers; may be left out if there are two columns.")
    ] = None,
    group: Annotated[str, option("COLUMN", "Its column of the groups' names.")] = "group",
    log: Annotated[bool, typer.Option(help="Fit lines over the number's logarithm.")] = True,
    variances: Annotated[
        Literal["root", "binomial"],
        typer.Option(help="How variances fall with a group's n images: 1/√n as in the paper, or 1/n."),
    ] = "root",
    paired: Annotated[
        bool, typer.Option("--paired", help="Compare models of equal seeds with each other.")
    ] = False,
    out: Annotated[Path | None, option("DIR", "Folder of the page and of what models say.")] = None,
    json_: Annotated[Path | None, option("FILE", "Write all figures to this file, too.", "--json")] = None,
    recheck: Annotated[
        Path | None,
        option(
            "FILE.csv", "Write what models get wrong, to recheck its labels, with a page of small pictures."
        ),
    ] = None,
    limit: Limit = None,
    batch_size: BatchSize = 32,
    device: Device = "cpu",
    trust: Trust = None,
) -> None:
    """Test whether accuracy follows a number that is known of each group, such as GDP per capita.

    Of runs, robustness is tested too, as by limen evaluate RUN -e fairness. Of families of models, such as
    trainings with many seeds, the slopes are compared pairwise. The same command again resumes.

    Runs:    limen fairness RUN --covariate gdp.csv --group country --value gdp

    Models:  limen fairness OURS=DIR PGD=DIR --data SPEC --out DIR
    """
    machine.prepare()
    runs = [os.path.isfile(Path(each) / "run.json") for each in what]
    if all(runs):
        if data or out or json_ or recheck or paired:
            raise UsageError("--data, --out, --json, --recheck and --paired are of models, not of runs")
        _runs(what, covariate, value, group, log, variances, limit, batch_size, trust)
        return
    if any(runs):
        raise UsageError("give folders of runs alone, or models alone")
    if data is None or out is None:
        raise UsageError("models need --data SPEC, the images, and --out DIR, the folder of the page")
    if recheck is not None and recheck.suffix != ".csv":
        raise UsageError(f"{recheck}: the table to recheck is a .csv; give the file that suffix")
    families, dataset, numbers = _read(what, data, covariate, value, group)
    answers = _judged(families, dataset, out, limit, batch_size, device, trust)
    _conclude(families, answers, dataset, numbers, out, json_, log=log, variances=variances, paired=paired)
    if recheck is not None:
        _recheck(recheck, dataset, [table for of in answers for table in of])


def _read(
    what: Sequence[str], data: str, covariate: Path | None, value: str | None, group: str
) -> tuple[list[Family], Dataset, Covariates]:
    """The families of models, the images that judge them, and the number of each group."""
    from limen import catalog
    from limen.data import read_covariates
    from limen.evaluation.families import family_of, in_memory

    families = [family_of(each) for each in what]
    names = [each.name for each in families]
    if len(set(names)) < len(names):
        raise UsageError(
            f"two families are called {max(names, key=names.count)!r}; name them, as in A=DIR B=DIR"
        )
    dataset = in_memory(catalog.data(data))
    numbers = dataset.covariates if covariate is None else read_covariates(covariate, value, group)
    if numbers is None:
        raise UsageError(f"{dataset.spec}: brings no number of its groups; name a table by --covariate FILE")
    return families, dataset, numbers


def _runs(
    what: Sequence[str],
    covariate: Path | None,
    value: str | None,
    group: str,
    log: bool,
    variances: str,
    limit: int | None,
    batch_size: int,
    trust: list[Path] | None,
) -> None:
    from limen.cli.console import output
    from limen.cli.evaluate import measure
    from limen.evaluation import EVALUATIONS
    from limen.report import write_page
    from limen.runs import open_run
    from limen.spec import write_spec

    options = {
        "covariate": covariate,
        "value": value,
        "group": None if group == "group" else group,
        "log": None if log else "false",
        "variances": None if variances == "root" else variances,
    }
    changed = [(name, given) for name, given in options.items() if given is not None]
    wanted = EVALUATIONS.make(write_spec("fairness", changed))
    stored = {name: open_run(name) for name in what}
    measure(wanted, stored, limit=limit, batch_size=batch_size, trust=trust or ())
    for name in what:
        output().print(f"page {write_page([name])}")


def _judged(
    families: Sequence[Family],
    dataset: Dataset,
    out: Path,
    limit: int | None,
    batch_size: int,
    device: str,
    trust: list[Path] | None,
) -> list[list[pa.Table]]:
    """What each model of each family says of the images."""
    from limen.cli.console import complain_of_skipped
    from limen.cli.progress import showing
    from limen.evaluation.families import judgements

    answers = []
    with showing([spec for family in families for spec in family.models]) as progress:
        for family in families:
            with family.named(trust or ()):
                answers.append(
                    [
                        judgements(
                            spec,
                            dataset,
                            out / "answers",
                            device=device,
                            batch_size=batch_size,
                            limit=limit,
                            progress=progress,
                            on_skip=complain_of_skipped,
                        )
                        for spec in family.models
                    ]
                )
    return answers


def _conclude(
    families: Sequence[Family],
    answers: Sequence[Sequence[pa.Table]],
    dataset: Dataset,
    numbers: Covariates,
    out: Path,
    json_: Path | None,
    *,
    log: bool,
    variances: Literal["root", "binomial"],
    paired: bool,
) -> None:
    """Print what the answers show, and write the page and the figures."""
    from limen.cli.console import output, show
    from limen.document import Document, finite
    from limen.evaluation.fairness import SYNTHETIC
    from limen.evaluation.family_blocks import family_blocks
    from limen.evaluation.family_fairness import compared, family_fairness, summary
    from limen.report import write_sheet
    from limen.runs.files import write_whole

    found = [
        family_fairness(family, of, numbers, log=log, variances=variances)
        for family, of in zip(families, answers, strict=True)
    ]
    pairs = compared(found, numbers, log=log, variances=variances, paired=paired)
    groups = answers[0][0]["group"].to_pylist()
    notes = [*numbers.notes(groups), *([SYNTHETIC] if numbers.synthetic else [])]
    blocks = family_blocks(found, pairs, numbers, notes)
    said = {"data": dataset.spec, "covariate": numbers.name, "source": numbers.source, "variances": variances}
    settings = [*((name.capitalize(), text) for name, text in said.items()), ("Images", f"{len(groups)}")]
    show(*blocks)
    page = out / "fairness.html"
    document = Document("Group fairness", "Hua et al., Figures 4.1 and 4.2", settings, blocks)
    write_sheet(document, page, kind="fairness")
    output().print(f"page {page}")
    if json_ is not None:
        figures = summary(found, pairs, **said, notes=notes)
        write_whole(json_, (json.dumps(finite(figures), indent=1, allow_nan=False) + "\n").encode())
        output().print(f"json {json_}")


def _recheck(path: Path, dataset: Dataset, answers: Sequence[pa.Table]) -> None:
    from limen.cli.console import output
    from limen.cli.figures import write_table
    from limen.evaluation.recheck import recheck_page, recheck_table
    from limen.report import write_sheet

    table = recheck_table(dataset, answers)
    write_table(path, table, "--recheck")
    page = path.with_suffix(".html")
    write_sheet(recheck_page(dataset, table), page, kind="recheck")
    output().print(f"recheck {path} {page}")
