"""How detectable attacks are by steganalysis: Table 2, and Table 4 with other superpixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from limen.document import Document
from limen.recipes.bench import Bench, Ran, Row
from limen.recipes.blocks import Rows, one, table
from limen.recipes.recipe import recipe
from limen.recipes.superpixel.common import (
    ATTENTION,
    FGM,
    I_FGM,
    SAI_FGM,
    Counts,
    attack,
    counted,
    detected,
    made_of,
    page,
    rate,
)
from limen.recipes.superpixel.robustness import DEFENSES, behind

DELTAS = (2, 4, 6, 8)
MERGES = (0, 2, 4)

TABLE_2 = {
    FGM: (94.32, 95.59, 96.28, 97.09),
    I_FGM: (94.11, 94.74, 95.45, 96.01),
    "SAI-FGM (β = 0)": (75.5, 82.1, 85.0, 87.2),
    "SAI-FGM (β = 2)": (72.4, 78.2, 82.0, 84.2),
    "SAI-FGM (β = 4)": (63.3, 72.1, 76.4, 80.9),
}
"""Table 2: detection rates in per cent by attack, over δ."""

_BEHIND = {
    "Resizing": DEFENSES["resize"].at(2),
    "JPEG": DEFENSES["jpeg"].at(55),
    "TVM": DEFENSES["total_variation"],
}
_COLUMNS = ("White box", "Detection", *_BEHIND)
TABLE_4 = {
    I_FGM: (99.40, 94.74, 46.05, 68.40, 44.60),
    "SLIC-adv": (98.90, 82.10, 82.17, 91.40, 82.00),
    "LSC-adv": (98.90, 82.75, 83.10, 91.80, 83.50),
    "SEEDS-adv": (98.75, 82.00, 81.65, 91.21, 81.70),
    "AVG": (95.95,),
    "MAX": (84.20,),
}
"""Table 4 in per cent, over `_COLUMNS`, and what Section 4.4 says of two ways to take the gradient."""

_RATE = (
    "A detection rate is 50 % for a guess; the lower it is, the harder an attack is to detect. It is the "
    "mean over repeated halves, with its 95 % interval, which is left out where all halves agree."
)
_DETECTORS = (
    "The detection rate is the balanced accuracy of an ensemble of Fisher discriminants on pairs of half the "
    "photographs that it was not trained on; pairs count that fool the model. The paper does not say which "
    "features and which rate it takes. With few images the detectors have seen little, and the figures say "
    "little."
)


def _told(features: str, repeats: int) -> str:
    return f"{features} features, {repeats} {'half' if repeats == 1 else 'halves'}"


def _table_2(records: pa.Table) -> Document:
    columns = {f"δ = {delta}": one("share", count=True, delta=float(delta)) for delta in DELTAS}
    caption = f"Each attack is shown to detectors of it at that budget. {_RATE}"
    made = table("Detection rate", caption, Rows(records.to_pylist()), columns)
    notes = (
        _DETECTORS,
        "Neighbours are merged until no mean colours in CIELAB are nearer than β. The paper's program does "
        "not merge at all, so how often it is done is open.",
    )
    return page(records, "Does steganalysis detect superpixel attacks?", "Table 2", [made], notes)


@recipe(describe=_table_2)
def superpixel_table_2(
    bench: Bench, *, features: str = "spam", repeats: int = 10, attention: str | None = ATTENTION
) -> pa.Table:
    """Detection by steganalysis (Dong et al., Table 2)."""
    entries = [attack(each, DELTAS, attention) for each in (FGM, I_FGM)]
    entries += [attack(SAI_FGM, DELTAS, attention, f"SAI-FGM (β = {each})", merge=each) for each in MERGES]
    ran = bench.attacked("superpixel-detection", {"": entries})
    found = detected(bench, ran, features, repeats)
    rows = (
        each.row(**found[label], delta=float(delta), paper=paper / 100)
        for each in ran
        for delta, label, paper in zip(DELTAS, each.labels, TABLE_2[each.entry.title], strict=True)
    )
    return made_of(ran, rows, attention, Detectors=_told(features, repeats))


def _table_4(records: pa.Table) -> Document:
    columns = {name: one("share", count=True, column=name) for name in _COLUMNS}
    caption = (
        "At δ = 4: the share of images fooled on the model itself, the detection rate, and the share fooled "
        f"behind resizing (γ = 2), JPEG (q = 55) and TVM. {_RATE}"
    )
    made = table("Attack and robustness by superpixels", caption, Rows(records.to_pylist()), columns)
    notes = (
        _DETECTORS,
        "AVG and MAX give a superpixel the mean or the greatest of the gradients of its pixels, where the "
        "method takes that of its value, the sum. The paper says their success on the model alone.",
    )
    return page(records, "Does it matter how superpixels are made?", "Table 4", [made], notes)


@recipe(describe=_table_4)
def superpixel_table_4(
    bench: Bench, *, features: str = "spam", repeats: int = 10, attention: str | None = ATTENTION
) -> pa.Table:
    """SLIC, LSC and SEEDS, on the model, detectors and behind defences (Dong et al., Table 4)."""
    superpixels = [
        attack(SAI_FGM, [4], attention, f"{each.upper()}-adv", superpixels=each)
        for each in ("slic", "lsc", "seeds")
    ]
    gradients = [
        attack(SAI_FGM, [4], attention, title, gradient=each)
        for title, each in (("AVG", "mean"), ("MAX", "max"))
    ]
    groups = {
        "Superpixels": [attack(I_FGM, [4], attention), *superpixels],
        "Gradient of a superpixel (SLIC)": gradients,
    }
    ran = bench.attacked("superpixel-methods", groups)
    plain, found = counted(ran[0].records, "attack"), detected(bench, ran, features, repeats)
    shielded = behind(bench, ran, [*_BEHIND.values()])
    rows = (row for each in ran for row in _measured(each, plain, found, shielded))
    return made_of(ran, rows, attention, Detectors=_told(features, repeats))


def _measured(ran: Ran, plain: Counts, found: Mapping[str, Row], shielded: Counts) -> Iterator[Row]:
    (label,) = ran.labels
    values = TABLE_4[ran.entry.title]
    printed = {name: {"paper": value / 100} for name, value in zip(_COLUMNS, values, strict=False)}
    yield rate(ran, plain[label,], printed["White box"], column="White box")
    yield ran.row(**found[label], **printed.get("Detection", {}), column="Detection")
    for name, sweep in _BEHIND.items():
        yield rate(ran, shielded[label, sweep.name, sweep.steps[0]], printed.get(name), column=name)
