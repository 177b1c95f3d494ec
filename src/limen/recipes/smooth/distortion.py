"""Success and distortion of all attacks on the model that they attack: Table 1 of the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from limen import catalog
from limen.document import Cell, Document, Group, Table, near_one, number, percent
from limen.recipes.recipe import Reproduction, Request, Showing, kind_of
from limen.recipes.smooth.bench import Smooth, cell, columns, facts, notes, run
from limen.recipes.smooth.comparison import (
    CW,
    DATA_SETS,
    IN_THE_PAPER,
    LOWER_MAD,
    PAPER,
    SMOOTH_CW,
    TABLE_1,
    Entry,
    Printed,
    entries,
)
from limen.runs import Comparison, Figures, compare, figures

_DISTANCES = ("l2", "mad", "ssim")

_Figures = Mapping[str, Figures]

_NOTES = (
    "Which budgets the paper's grids hold it does not say. Here those of FGSM and I-FGSM go up to what it "
    "states for Table 3, or beyond, and those of PGD2 and qPGD2 to twice that on ImageNet and MNIST.",
    "The second group has each attack at its best: C&W and sC&W with another first multiplier, learning rate "
    "and patience, I-FGSM, PGD2 and qPGD2 with a stop at the first success. Smoothing is the same.",
)


def table_1(request: Request, showing: Showing) -> Reproduction:
    """Success probability and mean distortion, and sC&W against C&W image by image."""
    dataset = catalog.data(request.data)
    kind = kind_of(request, dataset)
    smooth = run(request, dataset, entries(kind, request), showing)
    measured = {
        setting: {each.title: _figures(smooth, each) for each in group}
        for setting, group in smooth.groups.items()
    }
    pairs = {setting: _pair(smooth, group) for setting, group in smooth.groups.items()}
    sheet = Document(
        f"Success and distortion, {DATA_SETS[kind]}",
        f"{PAPER} Table 1",
        facts(smooth, request),
        [_attacks(smooth, kind, measured), _pairs(kind, measured, pairs), notes(smooth, request, *_NOTES)],
    )
    records = [*_records(smooth, kind, measured), *_compared(pairs)]
    return Reproduction(sheet, records)


def _figures(smooth: Smooth, entry: Entry) -> _Figures:
    found = smooth.outcomes(entry)
    return {distance: figures(found, distance) for distance in _DISTANCES}


def _pair(smooth: Smooth, group: tuple[Entry, ...]) -> Mapping[str, Comparison]:
    both = {each.title: smooth.outcomes(each) for each in group if each.title in (CW, SMOOTH_CW)}
    return {distance: compare(both[SMOOTH_CW], both[CW], distance) for distance in ("mad", "l2")}


def _attacks(smooth: Smooth, kind: str, measured: Mapping[str, Mapping[str, _Figures]]) -> Table:
    networks = TABLE_1[kind]
    groups = [
        Group(
            setting,
            [
                [
                    Cell(each.title, each.shown()),
                    *(_printed(of.get(each.title), setting) for of in networks.values()),
                    *_measured(measured[setting][each.title]),
                ]
                for each in group
            ],
        )
        for setting, group in smooth.groups.items()
    ]
    columns = ("Success", "Mean L2", "Median MAD", "Mean SSIM")
    return Table(
        "Success probability and distortion",
        "The share of correctly classified images that are fooled, and the distortion of these, with 95 % "
        "bootstrap intervals over images. An attack with a budget is run over a grid of them: an image is "
        "fooled if it is under any, with the least distortion of those that fool it. MAD is the most "
        "apparent distortion; 0 is unseen.",
        ("Attack", *(f"Paper, {network}" for network in networks), *columns),
        groups,
    )


def _printed(printed: Printed | None, setting: str) -> Cell:
    if printed is None or setting != IN_THE_PAPER:
        return Cell("–")
    return Cell(percent(printed.success), f"L2 {printed.mean:.2f}")


def _measured(measured: _Figures) -> list[Cell]:
    return [
        cell(measured["l2"].success, percent),
        cell(measured["l2"].mean),
        cell(measured["mad"].median),
        cell(measured["ssim"].mean, near_one),
    ]


def _pairs(
    kind: str,
    measured: Mapping[str, Mapping[str, _Figures]],
    pairs: Mapping[str, Mapping[str, Comparison]],
) -> Table:
    rows = [
        [
            Cell(f"Paper, {network}"),
            Cell("–"),
            Cell(percent(LOWER_MAD) if kind == "imagenet" else "–"),
            Cell("–"),
            Cell(f"{percent(of[SMOOTH_CW].success)} / {percent(of[CW].success)}"),
            Cell(f"{of[SMOOTH_CW].mean:.2f} / {of[CW].mean:.2f}"),
            Cell("–"),
        ]
        for network, of in TABLE_1[kind].items()
    ]
    for setting, pair in pairs.items():
        smooth, rough = measured[setting][SMOOTH_CW], measured[setting][CW]
        rows.append(
            [
                Cell(setting),
                Cell(str(pair["mad"].images), f"{pair['mad'].ties} ties in MAD"),
                cell(pair["mad"].share, percent),
                cell(pair["l2"].share, percent),
                Cell(f"{percent(smooth['l2'].success.value)} / {percent(rough['l2'].success.value)}"),
                Cell(f"{number(smooth['l2'].mean.value)} / {number(rough['l2'].mean.value)}"),
                Cell(f"{number(smooth['mad'].median.value)} / {number(rough['mad'].median.value)}"),
            ]
        )
    return Table(
        "sC&W against C&W, image by image",
        "The share of the images fooled by both on which sC&W has the lower MAD, and the lower L2, with 95 "
        "% Wilson intervals; then the figures of the table above side by side, sC&W first. The paper says "
        "93 % of ImageNet's images, not on which network.",
        ("Setting", "Both fool", "Lower MAD", "Lower L2", "Success", "Mean L2", "Median MAD"),
        [Group("", rows)],
    )


def _records(
    smooth: Smooth, kind: str, measured: Mapping[str, Mapping[str, _Figures]]
) -> Iterator[dict[str, object]]:
    for setting, group in smooth.groups.items():
        for each in group:
            found = measured[setting][each.title]
            yield {
                "setting": setting,
                "attack": each.title,
                "spec": each.spec(smooth.budgets),
                "images": found["l2"].images,
                **columns("success", found["l2"].success),
                **columns("mean_l2", found["l2"].mean),
                **columns("median_mad", found["mad"].median),
                **columns("mean_ssim", found["ssim"].mean),
                **(_beside(kind, each.title) if setting == IN_THE_PAPER else {}),
            }


def _beside(kind: str, title: str) -> dict[str, float]:
    found = {}
    for network, of in TABLE_1[kind].items():
        found |= {f"{network}_success": of[title].success, f"{network}_mean_l2": of[title].mean}
    return found


def _compared(pairs: Mapping[str, Mapping[str, Comparison]]) -> Iterator[dict[str, object]]:
    for setting, pair in pairs.items():
        row: dict[str, object] = {"setting": setting, "attack": f"{SMOOTH_CW} against {CW}"}
        for distance, found in pair.items():
            row |= {"images": found.images, f"ties_{distance}": found.ties}
            row |= columns(f"lower_{distance}", found.share)
        yield row
