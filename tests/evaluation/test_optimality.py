"""The ranking of a run's attacks, from records made by hand and from a real run."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import limen
from limen import catalog
from limen.analysis import distance_of, ranking, share
from limen.document import Table
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.optimality_blocks import costs_of, ranked_of
from limen.evaluation.optimality_tables import Cost, by_metric
from limen.runs import Run, create_or_resume, open_run

SPECS = ("ddn:steps=8", "fgsm:eps=0.05,0.1,0.3", "fgm:eps=0.5")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    classifier, dataset = catalog.model("demo:digits"), limen.data.demo("digits", count=12)
    attacks = [catalog.attack_or_grid(spec) for spec in SPECS]
    folder = tmp_path_factory.mktemp("optimality") / "run"
    with create_or_resume(folder, describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return open_run(folder)


def expected(run: Run, key: str, end: float) -> dict[str, float]:
    """The optimality by a loop over the records."""
    metric = next(each for each in run.manifest.metrics if each.key == key)
    found: dict[str, dict[str, float]] = {name: {} for name in run.manifest.families()}
    names = {label: name for name, labels in run.manifest.families().items() for label in labels}
    for row in run.table().to_pylist():
        if row["clean_prediction"] == row["label"]:
            value = distance_of(metric, np.array(row[key], float)) if row["success"] else np.inf
            own = found[names[row["attack"]]]
            own[row["id"]] = min(own.get(row["id"], np.inf), float(value))
    least = {image: min(each[image] for each in found.values()) for image in next(iter(found.values()))}
    most = sum(max(end - each, 0) for each in least.values())
    return {name: sum(max(end - each, 0) for each in of.values()) / most for name, of in found.items()}


def test_the_ranking_is_what_a_loop_over_the_records_finds(run):
    ranked = ranked_of(evaluate(run, EVALUATIONS.make("optimality")))
    keys = [each.metric.key for each in ranked]
    assert {"l0", "l1", "l2", "linf", "ssim", "mad", "noticed", "ciede2000"} >= {*keys}
    assert {"l2", "linf", "ssim"} <= {*keys}
    for found in ranked:
        assert found.names == ("ddn:steps=8", "fgsm", "fgm:eps=0.5")
        values = dict(zip(found.names, (each.value for each in found.optimality), strict=True))
        assert values == pytest.approx(expected(run, found.metric.key, found.end))


def test_costs_are_those_of_all_budgets(run):
    stored = evaluate(run, EVALUATIONS.make("optimality"))
    rows = [row for row in run.table().to_pylist() if row["clean_prediction"] == row["label"]]
    passes = {}
    for row in rows:
        if row["attack"].startswith("fgsm"):
            passes[row["id"]] = passes.get(row["id"], 0) + row["forwards"] + row["backwards"]
    cost = costs_of(stored)["fgsm"]
    assert (cost.passes, cost.most) == (np.mean([*passes.values()]), max(passes.values()))


def test_attacks_that_took_more_than_was_allowed_are_told_where_their_figure_stands(run):
    document = evaluate(run, EVALUATIONS.make("optimality:passes=9,metric=l2")).document()
    table = next(block for block in document.blocks if block.title.startswith("Optimality"))
    notes = {row[0].text: row[0].note for row in table.groups[0].rows}
    assert notes["ddn:steps=8"].startswith("took up to 1")
    assert notes["fgm:eps=0.5"] == ""
    assert "leads" in {row[1].note for row in table.groups[0].rows}


def test_the_first_table_says_who_leads_and_that_of_a_metric_ranks_them(run):
    stored = evaluate(run, EVALUATIONS.make("optimality:metric=l2"))
    (found,), (who, by_l2) = (
        ranked_of(stored),
        [
            block
            for block in stored.document().blocks
            if isinstance(block, Table) and block.title in ("Who leads", "By L₂")
        ],
    )
    ((metric, leader, value, *_),) = who.groups[0].rows
    assert (metric.text, leader.text) == ("L₂", found.names[found.order[0]])
    assert (value.value, value.low, value.high) == tuple(
        getattr(found.optimality[found.order[0]], end) for end in ("value", "low", "high")
    )
    assert [row[0].text for row in by_l2.groups[0].rows] == [found.names[place] for place in found.order]
    fooled = np.sort(found.distances[found.order[0]][np.isfinite(found.least)])
    assert by_l2.groups[0].rows[0][2].value == fooled[len(fooled) // 2]


def test_of_many_attacks_all_but_the_best_are_folded(run):
    found = ranked_of(evaluate(run, EVALUATIONS.make("optimality:metric=l2")))[0]
    many = {f"{place}": found.distances[place % 3] * (1 + place) for place in range(14)}
    costs = dict.fromkeys(many, Cost(share(np.ones(3, bool)), 8.0, 9, 0.1))
    table = by_metric(ranking(many, found.metric, draws=9), costs, 8)
    assert [(group.title, len(group.rows), group.folded) for group in table.groups] == [
        ("", 8, False),
        ("6 further attacks", 6, True),
    ]
    assert table.groups[0].rows[0][0].note == "took up to 9 passes"


def test_an_attack_that_has_not_begun_is_left_out_and_told(run, tmp_path):
    copy = open_run(shutil.copytree(run.directory, tmp_path / "run"))
    classifier, dataset = catalog.model("demo:digits"), limen.data.demo("digits", count=12)
    attacks = [catalog.attack_or_grid(spec) for spec in (*SPECS, "deepfool")]
    with create_or_resume(copy.directory, describe_run(classifier, dataset, attacks)):
        pass
    stored = evaluate(open_run(copy.directory), EVALUATIONS.make("optimality:metric=l2"))
    assert ranked_of(stored)[0].names == ("ddn:steps=8", "fgsm", "fgm:eps=0.5")
    assert ranked_of(stored)[0].fooled > 0
    assert "Not begun, and left out: deepfool." in stored.document().blocks[-1].items


def test_images_in_memory_count_if_asked(run, tmp_path):
    stored = evaluate(run, EVALUATIONS.make("optimality:floats=true,metric=l2"))
    assert ranked_of(stored)[0].end == np.max(
        ranked_of(stored)[0].least[np.isfinite(ranked_of(stored)[0].least)]
    )
    with pytest.raises(UsageError, match="fsim is not in the run's records"):
        evaluate(run, EVALUATIONS.make("optimality:floats=true,metric=fsim"))


def test_a_metric_that_the_run_lacks_is_measured(run):
    (found,) = ranked_of(evaluate(run, EVALUATIONS.make("optimality:metric=fsim")))
    assert found.metric.key == "fsim"
    assert found.fooled > 0


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("optimality:metric=psnr", "no metric has a distance of 0"),
        ("optimality:passes=0", "passes is 0; expected 1 or more"),
        ("optimality:metric=sim", "did you mean 'ssim'"),
    ],
)
def test_what_cannot_be_ranked_is_refused(run, spec, says):
    with pytest.raises(UsageError, match=says):
        evaluate(run, EVALUATIONS.make(spec))
