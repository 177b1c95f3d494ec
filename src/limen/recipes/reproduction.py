"""All recipes by name, and what `limen reproduce` writes: records first, then the page made from them."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from limen.analysis import to_csv
from limen.catalog import SALIENCY, Catalog, attack, metric, model
from limen.document import Document
from limen.errors import LimenError, UsageError
from limen.recipes.bench import Bench
from limen.recipes.dual import gradients, regions, salience
from limen.recipes.dual import robustness as dual_robustness
from limen.recipes.hua import charts as hua_charts
from limen.recipes.hua import fairness
from limen.recipes.hua import pictures as hua_pictures
from limen.recipes.hua import tables as hua_tables
from limen.recipes.pgap import attention, quality
from limen.recipes.recipe import Recipe, about, ready, saying
from limen.recipes.smooth import curves, tables, visibility
from limen.recipes.superpixel import ability, detectability, foreground, robustness
from limen.report.sheet import write_sheet
from limen.runs.files import write_whole, writing
from limen.runs.names import attack_folder
from limen.structure import saliency_maps
from limen.user_code import named_by

_ALL = (
    *(attention.pgap_table_1, quality.pgap_table_2, quality.pgap_table_3),
    *(attention.pgap_figure_5, quality.pgap_figure_6),
    *(tables.smooth_table_1, tables.smooth_table_2, tables.smooth_table_3, visibility.smooth_figure_4),
    *(curves.smooth_figure_5, curves.smooth_figure_6, curves.smooth_figure_7),
    *(ability.superpixel_table_1, detectability.superpixel_table_2),
    *(robustness.superpixel_table_3, detectability.superpixel_table_4),
    *(foreground.superpixel_figure_2, robustness.superpixel_figure_4, robustness.superpixel_figure_5),
    *(robustness.superpixel_figure_6, ability.superpixel_figure_8, foreground.superpixel_hill),
    *(salience.dual_figure_1, regions.dual_figure_2, salience.dual_figure_3),
    *(dual_robustness.dual_figure_4, dual_robustness.dual_figure_5, gradients.dual_figure_6),
    *(hua_tables.hua_table_3_1, hua_tables.hua_table_3_2),
    *(hua_pictures.hua_figure_3_1, hua_pictures.hua_figure_3_2, hua_charts.hua_figure_3_3),
    *(hua_pictures.hua_figure_3_4, hua_charts.hua_figure_3_5),
    *(fairness.hua_figure_4_1, fairness.hua_figure_4_2),
)

RECIPES = Catalog(
    "recipe",
    {re.sub(r"(?<=\d)_(?=\d)", ".", each.__name__).replace("_", "-"): each for each in _ALL},
    "limen.recipes",
    argument=False,
    takes=1,
    finish=ready,
)
"""The recipes that a spec can name; a user's own is a function of a bench, under `recipe`."""


def reproduce(spec: str, bench: Bench) -> tuple[Document, dict[str, Path]]:
    """Measure what a recipe is about, keep its records, and write the page that they make.

    Args:
        spec: The recipe with its options, such as `pgap-table-2:quality=0.99`.
        bench: What to measure on; the files are written to its `out`.

    Returns:
        What the page says, and the files by their endings: parquet, csv and html.

    Raises:
        UsageError: If the spec cannot be followed, or model, data and recipe do not fit.
        LimenError: If a file cannot be read or written.
    """
    made = RECIPES.make(spec)
    _try_named(made, bench)
    records = saying(made.measure(bench), recipe=spec)
    # Of a user's own, the name without the path to its file.
    identity = replace(made.identity, name=made.identity.name.rpartition(":")[2])
    stem = attack_folder(identity.label, taken=())
    files = {ending: bench.out / f"{stem}.{ending}" for ending in ("parquet", "csv", "html")}
    binary = io.BytesIO()
    pq.write_table(records, binary)
    with writing(bench.out):
        bench.out.mkdir(parents=True, exist_ok=True)
    write_whole(files["parquet"], binary.getvalue())
    plain = [field.name for field in records.schema if not pa.types.is_binary(field.type)]
    write_whole(files["csv"], to_csv(records.select(plain)))
    document = described(files["parquet"])
    write_sheet(document, files["html"])
    return document, files


def _try_named(recipe: Recipe, bench: Bench) -> None:
    """Make what options name that attacks do not, so that what is missing is told before hours of them."""
    makers: dict[str, Callable[[str], object]] = {
        "model": lambda spec: model(spec, bench.device),
        "robust": lambda spec: model(spec, bench.device),
        "judge": metric,
        "saliency": lambda spec: _looked(spec, bench),
        "imperceptible": attack,
        "pgd": attack,
    }
    for name, make in makers.items():
        value = recipe.identity.parameters.get(name)
        for spec in value if isinstance(value, tuple) else (value,):
            if isinstance(spec, str):
                make(spec)


def _looked(spec: str, bench: Bench) -> Tensor:
    """A saliency model's map of a ramp: it reads its weights when it first looks."""
    ramp = torch.linspace(0, 1, math.prod(bench.shape)).reshape(1, *bench.shape)
    return saliency_maps(SALIENCY.make(spec), ramp, bench.classifier)


def described(path: Path | str, trust: Iterable[str | Path] = ()) -> Document:
    """What the records of a recipe show, from their Parquet file alone.

    Args:
        path: The file.
        trust: The files of `python:FILE.py:NAME` that it may name as its recipe's; one that this process has
            run already need not be told.

    Raises:
        UsageError: If the file cannot be read, or holds no records of a recipe.
        LimenError: If code would run that only the file names.
    """
    try:
        records = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path}: cannot be read as the records of a recipe ({error})") from error
    spec = about(records).get("recipe")
    if not isinstance(spec, str):
        raise UsageError(f"{path}: not the records of a recipe, or damaged")
    with named_by(str(path), trust):
        recipe = RECIPES.make(spec)
    try:
        return recipe.describe(records)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, LimenError):
            raise
        raise UsageError(
            f"{path}: damaged, or of another version of {spec}; reproduce it again ({error!r})"
        ) from error
