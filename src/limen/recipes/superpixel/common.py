"""What the recipes of this paper share: its attacks, what success is counted over, and what pages say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict

import pyarrow as pa
import pyarrow.compute as pc

from limen.analysis import detection, wilson
from limen.analysis.detection import Scores
from limen.document import Block, Document
from limen.recipes import blocks as of_any
from limen.recipes.bench import RIGHT, Bench, Ran, Row, facts
from limen.recipes.blocks import Rows
from limen.recipes.entries import Entry
from limen.recipes.recipe import records
from limen.spec import value_text, write_spec

FGM, I_FGM, MI_FGM = "FGM", "I-FGM", "MI-FGM"
SA_FGM, SAI_FGM, M_SAI_FGM = "SA-FGM", "SAI-FGM", "M-SAI-FGM"

ATTENTION = "cam:relu=false,enlarge=nearest"
"""How the paper's program draws its attention; `cam` is what the text says."""

ATTACKS = (FGM, SA_FGM, I_FGM, SAI_FGM, MI_FGM, M_SAI_FGM)
"""All attacks, in the order of Table 1."""

DELTAS = (4, 8, 16)
"""The budgets that all are run under: those of Figure 4, of which Table 1 has the last."""

Printed = Mapping[str, float]
"""What the paper prints of a figure, by column of the records, such as `paper`."""

Count = tuple[int, int]
"""How many images an attack fools, of how many that count."""

Counts = defaultdict[tuple, Count]
"""Such counts by what they are of; none of no image where nothing was counted."""

_FACTORIES = {
    FGM: "sa_fgm",
    SA_FGM: "sa_fgm",
    I_FGM: "sai_fgm",
    SAI_FGM: "sai_fgm",
    MI_FGM: "m_sai_fgm",
    M_SAI_FGM: "m_sai_fgm",
}
_GUIDED = (SA_FGM, SAI_FGM, M_SAI_FGM)


def attack(
    name: str, deltas: Sequence[float], attention: str | None, title: str = "", **options: object
) -> Entry:
    """An attack of the paper under these budgets, side by side.

    Args:
        name: What the paper calls it.
        deltas: Its budgets δ, in levels of 8 bits.
        attention: Spec of what tells where the model looks; None for the whole image.
        title: What to call it, if not by its name.
        **options: Further options of one that is guided by superpixels.

    Example:
        >>> attack("I-FGM", [4], "cam").spec
        'sai_fgm:delta=4,superpixels=none,attention=none,random_start=false'
    """
    made = _FACTORIES[name]
    if name in _GUIDED:
        options = {"attention": attention, **options}
    else:
        options = {"superpixels": None, "attention": None}
        if made != "sa_fgm":
            options["random_start"] = False
    budgets = tuple(value_text(float(each)) for each in deltas)
    return Entry(title or name, write_spec(made, [("delta", budgets), *options.items()]))


def attacked(bench: Bench, attention: str | None) -> list[Ran]:
    """The run that Table 1 and Figure 4 share: all attacks under all budgets."""
    return bench.attacked("superpixel-attacks", {"": [attack(each, DELTAS, attention) for each in ATTACKS]})


def counted(table: pa.Table, *keys: str) -> Counts:
    """By the values of these columns, how many images are fooled, of those right without an attack."""
    right = table.filter(RIGHT).select([*keys, "success"])
    found = right.group_by([*keys]).aggregate([("success", "sum"), ("success", "count")])
    counts: Counts = defaultdict(lambda: (0, 0))
    for row in found.to_pylist():
        counts[tuple(row[key] for key in keys)] = row["success_sum"], row["success_count"]
    return counts


def rate(ran: Ran, count: Count, printed: Printed | None = None, **columns: object) -> Row:
    """The row of a share of images, with Wilson's interval."""
    found = {"statistic": "success", **columns, **asdict(wilson(*count)), "images": count[1]}
    return ran.row(**found, **(printed or {}))


def images(rows: Rows) -> str:
    """Over how many images shares are, in words."""
    least, most = (f(row["images"] for row in rows) for f in (min, max))
    return f"{most} images" if least == most else f"{least} to {most} images"


def transferred(bench: Bench, ran: Sequence[Ran], models: Sequence[str]) -> Counts:
    """By classifier, None for the model itself, and label, how many images are fooled."""
    counts: Counts = defaultdict(lambda: (0, 0))
    if models:
        found = bench.evaluated(ran[0].run, write_spec("transfer", [("model", tuple(models))]), "transfer")
        counts = counted(found, "model", "attack")
    for key, count in counted(ran[0].records, "attack").items():
        counts[None, *key] = count
    return counts


def detected(bench: Bench, ran: Sequence[Ran], features: str, repeats: int) -> dict[str, Row]:
    """By label, the rate at which a detector of that attack detects it, and over how many pairs; or none."""
    spec = write_spec("detection", [("features", features), ("repeats", repeats)])
    found = bench.evaluated(ran[0].run, spec, "detection")
    return {label: _detection(found, label) for each in ran for label in each.labels}


def _detection(table: pa.Table, label: str) -> Row:
    if "shown" not in table.column_names:
        # No attack had pairs enough to train on.
        return {"statistic": "detection", "value": None, "low": None, "high": None, "images": 0}
    own = table.filter((pc.field("attack") == label) & (pc.field("shown") == label))
    accuracy = detection([*_scores(own)]).accuracy
    return {"statistic": "detection", **asdict(accuracy), "images": len(own["id"].unique())}


def _scores(own: pa.Table) -> Iterator[Scores]:
    for repeat in own["repeat"].unique():
        tested = own.filter(pc.field("repeat") == repeat)
        yield tested["original"].to_numpy(), tested["attacked"].to_numpy()


def made_of(ran: Sequence[Ran], rows: Iterable[Row], attention: str | None, **more: str) -> pa.Table:
    """Records with what every page of this paper, and with `more` this one, says of how they were made."""
    looked = "none: the whole image" if attention is None else attention.replace(",", ", ")
    return records(rows, facts={**facts(ran), "Attention": looked + _flat(ran), **more})


def _flat(ran: Sequence[Ran]) -> str:
    """Of how many images the attention is flat, so that these attacks had no mask; nothing where of none."""
    told = pa.concat_tables(
        each.records.filter(pc.field("attack").isin(each.labels)).select(["id", "unmasked"]) for each in ran
    )
    flat, images = (len(table["id"].unique()) for table in (told.filter(pc.field("unmasked")), told))
    if not flat:
        return ""
    return f"; flat on {flat} of {images} images, of which guided attacks could change all"


_ATTACKS = (
    "FGM, I-FGM and MI-FGM are the same rules without superpixels and mask, from the original: steps of "
    "a whole L2 length along the gradient, in the same δ. The paper does not write its own down.",
    "Where text and program of the paper differ, the guided attacks follow the program: they climb the "
    "logit margin, start at ±δ/2, and draw the attention without a ReLU and in blocks. The text's "
    "attention is attention=cam. The superpixels have sides of 5, as Figure 8 finds best; the program 4.",
    "Success is that of the stored 8-bit image. An attack that fails leaves the image as it was, so it "
    "fails before others and behind defences, too; the paper's would be perturbed.",
)


def page(
    table: pa.Table,
    title: str,
    number: str,
    blocks: Sequence[Block],
    more: Sequence[str] = (),
    common: Sequence[str] = _ATTACKS,
) -> Document:
    """A page of this paper: what differs in one recipe stands before what does in all alike."""
    notes = (
        *more,
        "The paper attacks Inception-v3 on 2000 images of ImageNet at 299×299 that it classifies correctly, "
        "also behind the defences. Here those images count that the classifier in question has right without "
        "an attack; shares have Wilson's 95 % intervals.",
        *common,
    )
    source = f"Dong et al., Robust superpixel-guided attentional adversarial attack, {number}"
    return of_any.page(table, title, source, blocks, notes)
