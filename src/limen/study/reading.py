"""What the answers to a study say: in tables, on a page, and as a calibration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from limen import __version__
from limen.analysis import Noticed, to_csv
from limen.document import Document, finite
from limen.errors import UsageError
from limen.report import write_sheet
from limen.runs.files import encode_parquet, make_folders, write_whole
from limen.study.answers import Sheet, read_sheets, table
from limen.study.curves import measured_values
from limen.study.findings import Findings, found
from limen.study.key import read_key
from limen.study.observers import Observer, observers_of
from limen.study.page import document

KIND = "study of what people notice"
"""What the JSON calls itself."""

FORMAT = 1
"""Version of the JSON; raised when a name in it changes."""

_FEWEST = 2


@dataclass(frozen=True, eq=False)
class Read:
    """What was read, and where it is written.

    Attributes:
        findings: What the answers say.
        document: The same as a page says it.
        files: The files by what they are.
    """

    findings: Findings
    document: Document
    files: dict[str, Path]


def read_study(
    answers: Sequence[Path | str],
    study: Path | str,
    out: Path | str | None = None,
    *,
    metrics: Sequence[str] = (),
    without: Sequence[str] = (),
    without_guessers: bool = False,
) -> Read:
    """Read the answers to a study, and say what people noticed.

    The folder gets `study.html`, `study.json`, `answers.parquet`, tables as CSV (`answers`, `attacks`,
    `images`, `observers`), and for each metric over which a curve was found `calibration-NAME.json`, which
    the metric `noticed` takes.

    Args:
        answers: Files that the page saved, or folders of them.
        study: The folder that `make_study` wrote.
        out: The folder to write; `results` in that of the study if not given.
        metrics: Specs of further metrics, over which curves are fitted.
        without: Observers to leave out.
        without_guessers: Whether to leave out also those who seem to guess.

    Raises:
        UsageError: If fewer than two observers are left, or one that is to be left out is unknown.
        LimenError: If a file is broken, answers another study, or cannot be written.
    """
    folder = Path(study)
    key = read_key(folder)
    sheets = read_sheets(answers, key)
    observers = observers_of(sheets, key)
    left_out = _left_out(observers, without, without_guessers)
    counted = [each for each in sheets if each.observer not in left_out and each.answers]
    if len(counted) < _FEWEST:
        raise UsageError(
            f"{len(counted)} of {len(sheets)} observers count; intervals over people need at least {_FEWEST}"
        )
    values = measured_values(key, folder, metrics)
    findings = found(key, observers, left_out, counted, values)
    told = document(findings)
    files = _written(findings, told, sheets, Path(out) if out is not None else folder / "results")
    return Read(findings, told, files)


def _left_out(observers: Sequence[Observer], without: Sequence[str], guessers: bool) -> list[str]:
    names = [each.name for each in observers]
    for name in without:
        if name not in names:
            raise UsageError(f"no observer {name!r} to leave out; there are {', '.join(names)}")
    return [each.name for each in observers if each.name in without or (guessers and each.guesses)]


def _written(findings: Findings, document: Document, sheets: Sequence[Sheet], out: Path) -> dict[str, Path]:
    make_folders(out, [out])
    answered = table(sheets, findings.key)
    summary = json.dumps(_summary(findings), ensure_ascii=False, allow_nan=False, indent=1)
    by_attack = {(label,): each for label, each in findings.attacks.items()}
    contents = {
        "study.json": summary.encode(errors="backslashreplace"),
        "answers.parquet": encode_parquet(answered),
        "answers.csv": to_csv(answered),
        "attacks.csv": to_csv(_flat(by_attack, ["attack"])),
        "images.csv": to_csv(_flat(findings.images, ["attack", "id"])),
        "observers.csv": to_csv(_observers(findings)),
    }
    for each in findings.curves:
        if each.scale is not None:
            name = "".join(c if c.isalnum() else "-" for c in each.metric.key)
            contents[f"calibration-{name}.json"] = each.scale.to_json().encode()
    for name, content in contents.items():
        write_whole(out / name, content)
    write_sheet(document, out / "study.html", kind="study")
    return {"page": out / "study.html"} | {name: out / name for name in contents}


def _summary(findings: Findings) -> dict[str, Any]:
    key = findings.key
    return finite(
        {
            "kind": KIND,
            "format": FORMAT,
            "limen": __version__,
            "study": key.hash,
            "model": key.model,
            "design": asdict(key.design),
            "false_alarms": asdict(findings.alarms),
            "slips": asdict(findings.slips),
            "attacks": [{"attack": label, **asdict(each)} for label, each in findings.attacks.items()],
            "images": [
                {"attack": label, "id": image, **asdict(each)}
                for (label, image), each in findings.images.items()
            ],
            "observers": [asdict(each) for each in findings.observers],
            "left_out": list(findings.left_out),
            "curves": [
                {
                    "metric": each.metric.key,
                    "why_none": each.why or None,
                    **({} if each.curve is None else asdict(each.curve)),
                }
                for each in findings.curves
            ],
            "warnings": list(findings.warnings),
        }
    )


def _flat(found: dict[Any, Noticed], names: Sequence[str]) -> pa.Table:
    """What was noticed, a row each."""
    rows = []
    for labels, each in found.items():
        row = dict(zip(names, labels, strict=True)) | {
            "people": each.people,
            "photographs": each.images,
            "answers": each.answers,
        }
        for name in ("yes", "share", "d_prime"):
            figure = getattr(each, name)
            row |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        rows.append(finite(row))
    return pa.Table.from_pylist(rows)


def _observers(findings: Findings) -> pa.Table:
    rows = [
        {
            "observer": each.name,
            "answers": each.answers,
            "of": each.of,
            "yes_altered": each.altered.value,
            "yes_identical": each.alarms.value,
            "right_checks": each.checks.value,
            "ms": each.ms,
            "away": each.away,
            "guesses": "; ".join(each.guesses),
            "left_out": each.name in findings.left_out,
        }
        for each in findings.observers
    ]
    return pa.Table.from_pylist([finite(row) for row in rows])
