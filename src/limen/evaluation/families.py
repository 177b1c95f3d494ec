"""Families of models, such as one training with many seeds, and what each of their models says of data."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from limen import catalog
from limen.classifier import Classifier
from limen.data import Dataset, batches, numbered_as
from limen.data.memory import held
from limen.errors import RunError, UsageError, reason
from limen.evaluation.cleans import classify
from limen.evaluation.ledger import Progress
from limen.models import read_metadata
from limen.runs import Settings
from limen.runs.files import encode_parquet, write_whole, writing
from limen.spec import Spec
from limen.user_code import named_by

OnSkip = Callable[[str, str], None]
"""Told the name of an image that is left out, and the reason."""

_NAMED = re.compile(r"([\w .-]+)=(.+)", re.DOTALL)
_NUMBERED = re.compile(r"\d+\.safetensors")
_CHUNK = 512
_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("id", "group"), pa.string()),
        **dict.fromkeys(("label", "prediction"), pa.int64()),
        "confidence": pa.float64(),
        "right": pa.bool_(),
    }
)


@dataclass(frozen=True)
class Family:
    """Models that were made the same way.

    Attributes:
        name: What to call them.
        models: The spec of each.
        seeds: The seed of each, where its file tells it.
        source: The folder or pattern of the files that name the models; empty where the user names them.
    """

    name: str
    models: tuple[str, ...]
    seeds: tuple[int | None, ...]
    source: str = ""

    def named(self, trust: Iterable[str | Path] = ()) -> AbstractContextManager[None]:
        """While the models are made, run no code that only their files name, but in files of `trust`."""
        return named_by(self.source, trust) if self.source else nullcontext()


def family_of(text: str) -> Family:
    """The models that a text names.

    Args:
        text: A folder that `limen train --models` wrote, a pattern of weights' files, or the spec of one
            model; before it, a name and an equals sign if you like, as in `PGD=families/pgd`.

    Raises:
        UsageError: If there are no such models, or a file does not say what network it is of.
    """
    found = _NAMED.fullmatch(text)
    name, what = (found[1].strip(), found[2]) if found else ("", text)
    folder = Path(what)
    if os.path.isdir(what):
        paths = [each for each in folder.glob("*.safetensors") if _NUMBERED.fullmatch(each.name)]
        paths.sort(key=lambda path: int(path.stem))
    elif what.endswith(".safetensors") and ":" not in what:
        paths = [Path(each) for each in sorted(glob.glob(what))]
    else:
        return Family(name or what, (what,), (None,))
    if not paths:
        raise UsageError(f"{what}: no models here; limen train --models 50 --out DIR makes them")
    told = [read_metadata(path) for path in paths]
    models = tuple(_spec(path, each) for path, each in zip(paths, told, strict=True))
    return Family(name or folder.name or what, models, tuple(map(_seed, told)), what)


def _spec(path: Path, told: dict[str, str]) -> str:
    if "model" not in told:
        raise UsageError(
            f"{path}: does not say what network it is of; write a spec, such as MODEL,weights={path}"
        )
    spec = Spec.parse(told["model"], argument=True)
    values = [(key, each) for key, each in spec.values if key != "weights"]
    return str(replace(spec, values=(*values, ("weights", (str(path),)))))


def _seed(told: dict[str, str]) -> int | None:
    try:
        return int(json.loads(told["settings"])["seed"])
    except (KeyError, TypeError, ValueError):
        return None


def judgements(
    spec: str,
    dataset: Dataset,
    folder: Path,
    *,
    device: str = "cpu",
    batch_size: int = 32,
    limit: int | None = None,
    progress: Progress | None = None,
    on_skip: OnSkip = lambda image_id, reason: None,
) -> pa.Table:
    """What a model says of each image; what was computed before is read from the folder.

    Args:
        spec: The model.
        dataset: The images, of which each has a group.
        folder: Where the answers are kept, for these weights and this data.
        device: Where to compute.
        batch_size: Images side by side.
        limit: Only so many first images; None for all.
        progress: Told the spec, finished images and all images.
        on_skip: Told of images that cannot be used.

    Returns:
        The columns `id`, `group`, `label`, `prediction`, `confidence` and `right`: whether the prediction is
        the label, or another class that the image shows.

    Raises:
        UsageError: If a label is none of the model's classes, or an image has no group.
        DataError: If a class of the data is none of the model's by its name.
        RunError: If the folder cannot be written, or what is there cannot be read.
    """
    classifier = catalog.model(spec, device)
    numbered = numbered_as(dataset, classifier.class_names)
    known = (classifier.fingerprint(), dataset.spec, dataset.fingerprint())
    place = folder / hashlib.sha256(repr(known).encode()).hexdigest()[:16]
    total = len(dataset) if limit is None else min(limit, len(dataset))
    parts = []
    for start in range(0, total, _CHUNK):
        cut = range(start, min(start + _CHUNK, total))
        path = place / f"{cut.start:08d}-{cut.stop:08d}.parquet"
        if not path.is_file():
            judged = _judge(classifier, numbered, cut, batch_size, on_skip)
            with writing(place):
                place.mkdir(parents=True, exist_ok=True)
            write_whole(path, encode_parquet(judged))
        parts.append(_read(path))
        if progress is not None:
            progress(spec, cut.stop, total)
    return pa.concat_tables([_SCHEMA.empty_table(), *parts])


def in_memory(dataset: Dataset) -> Dataset:
    """The data set, whose images are read once for all models if they fit into memory."""
    return held(dataset, fixed=True)


def _judge(
    classifier: Classifier, dataset: Dataset, cut: range, batch_size: int, on_skip: OnSkip
) -> pa.Table:
    parts = [_SCHEMA.empty_table()]
    for batch in batches(dataset, cut, batch_size, on_skip):
        if batch.groups is None:
            raise UsageError(
                f"{dataset.spec}: names no groups; fairness needs that of each image, such as the column "
                "group of csv: has it"
            )
        clean = classify(classifier, dataset.spec, batch, Settings()).columns
        labels, predictions = clean["label"], clean["clean_prediction"]
        answers = {
            "id": clean["id"],
            "group": clean["group"],
            "label": labels,
            "prediction": predictions,
            "confidence": clean["clean_confidence"],
            "right": [label == prediction for label, prediction in zip(labels, predictions, strict=True)],
        }
        parts.append(pa.table(answers, _SCHEMA))
    return pa.concat_tables(parts)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, schema=_SCHEMA)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read as a model's answers ({reason(error)}); remove it, then run again"
        ) from error
