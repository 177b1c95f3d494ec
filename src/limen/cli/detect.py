"""`limen detect`: which images of a folder an attack has changed, by a detector that a run has taught."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from limen.cli import machine
from limen.cli.options import Seed, option
from limen.errors import LimenError, UsageError

if TYPE_CHECKING:
    from limen.detection import Detector, Verdict
    from limen.document import Table


def detect(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Folder of image files to judge.")
    ] = None,
    detector: Annotated[Path | None, option("FILE", "The detector that judges them.")] = None,
    csv: Annotated[Path | None, option("FILE", "Write scores and verdicts to this file, too.")] = None,
    train: Annotated[
        Path | None, option("DIR", "Train a detector on the images of this run, instead of judging any.")
    ] = None,
    attack: Annotated[
        str | None, option("LABEL", "Attack of the run to detect, as its table names it, with the budget.")
    ] = None,
    out: Annotated[Path | None, option("FILE", "Where the trained detector goes.")] = None,
    features: Annotated[
        Literal["spam", "spam_conditional", "srmq1", "srm"],
        typer.Option(help="What to tell images apart by."),
    ] = "spam",
    colour: Annotated[
        Literal["luma", "channels"], typer.Option(help="Features of the luma, or of each channel.")
    ] = "luma",
    seed: Seed = 0,
) -> None:
    """Judge which images of a folder an attack has changed, or train a detector that can.

    A detector knows one attack at one strength, on images like those that it was trained on, stored without
    loss. `limen evaluate RUN -e detection` measures how well it does.

    Train:  limen detect --train RUN --attack LABEL --out FILE

    Judge:  limen detect FOLDER --detector FILE
    """
    machine.prepare()
    if train is not None:
        if folder is not None or detector is not None or csv is not None:
            raise UsageError("--train makes a detector; give FOLDER, --detector and --csv without it")
        if out is None:
            raise UsageError("--train needs --out FILE, where the detector goes")
        _train(train, attack, out, features, colour, seed)
        return
    if folder is None or detector is None:
        raise UsageError("give FOLDER and --detector FILE; --train RUN --out FILE makes a detector")
    if attack is not None or out is not None:
        raise UsageError("--attack and --out are of --train RUN")
    _judge(folder, detector, csv)


def _train(
    run: Path,
    attack: str | None,
    out: Path,
    features: str,
    colour: Literal["luma", "channels"],
    seed: int,
) -> None:
    from limen.cli.console import output
    from limen.detection import write_detector
    from limen.document import percent
    from limen.evaluation import detector_of
    from limen.runs import open_run

    made = detector_of(open_run(run), attack, features=features, colour=colour, seed=seed)
    write_detector(out, made)
    origin = made.origin
    output().print(
        f"trained on {origin.pairs} pairs of {origin.attack}; out-of-bag error {percent(origin.error)}, "
        f"{len(made.ensemble.thresholds)} learners"
    )
    output().print(f"detector {out}")


def _judge(folder: Path, file: Path, csv: Path | None) -> None:
    from limen.cli.console import complain, output, show
    from limen.detection import Verdict, image_files, judge_files, read_detector

    detector, verdicts = read_detector(file), []
    for each in judge_files(detector, image_files(folder)):
        if isinstance(each, Verdict):
            verdicts.append(each)
        else:
            complain(f"skipped {each.path}: {each.reason}")
    if not verdicts:
        raise LimenError(f"{folder}: none of its images could be read")
    show(_table(verdicts, folder, detector))
    if csv is not None:
        _write(csv, verdicts)
        output().print(f"csv {csv}")


def _table(verdicts: Sequence[Verdict], folder: Path, detector: Detector) -> Table:
    from limen.document import Cell, Group, Table, percent

    origin, found = detector.origin, sum(each.attacked for each in verdicts)
    caption = [
        f"{found} of {len(verdicts)} images look as {origin.attack or 'the attack'} makes them. The detector "
        f"was trained on {origin.pairs} pairs, with an out-of-bag error of {percent(origin.error)}. It "
        "knows that attack at that strength, and no other."
    ]
    if lossy := sum(each.lossy for each in verdicts):
        caption.append(
            f"{lossy} in a lossy format: the detector was trained on images stored without loss, and "
            "compression changes what it looks at, so its verdict on these says little."
        )
    if others := sum(each.size != origin.size for each in verdicts):
        caption.append(f"{others} of another size than the {_size(origin.size)} pixels it was trained on.")
    rows = [
        [
            Cell(each.path.relative_to(folder).as_posix()),
            Cell(value=each.score, form="share"),
            Cell("attacked" if each.attacked else "not attacked"),
            Cell(f"{each.format}, lossy" if each.lossy else each.format),
            Cell(_size(each.size)),
        ]
        for each in verdicts
    ]
    columns = ("file", "score", "verdict", "format", "size")
    return Table(str(folder), "\n".join(caption), columns, [Group("", rows)])


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _write(path: Path, verdicts: Sequence[Verdict]) -> None:
    import pyarrow as pa

    from limen.cli.figures import write_table

    columns = {
        "file": [each.path.as_posix() for each in verdicts],
        "score": [each.score for each in verdicts],
        "attacked": [each.attacked for each in verdicts],
        "format": [each.format for each in verdicts],
        "height": [each.size[0] for each in verdicts],
        "width": [each.size[1] for each in verdicts],
    }
    write_table(path, pa.table(columns))
