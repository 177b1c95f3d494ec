"""Success behind defences, against one image and one defence after the other."""

from __future__ import annotations

import functools

import pyarrow.compute as pc
import pytest
import torch

import limen
from limen import catalog
from limen.attacks import Attack
from limen.defenses import Defended, bit_depth, jpeg, resize, total_variation
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.adaptive_attack import AdaptiveAttack
from limen.evaluation.shields import SWEEPS, read_shields
from limen.images import from_uint8
from limen.runs import Run, create_or_resume, open_run
from limen.seeds import sample_seeds

PGD, DDN = "pgd_l2:eps=1.5,steps=10", "ddn:steps=10"


@pytest.fixture(scope="module")
def net() -> limen.Classifier:
    return catalog.model("demo:digits")


@pytest.fixture(scope="module")
def run(tmp_path_factory, net) -> Run:
    dataset, folder = limen.data.demo("digits", count=16), tmp_path_factory.mktemp("run") / "run"
    attacks = [catalog.attack(label) for label in (PGD, DDN)]
    with create_or_resume(folder, describe_run(net, dataset, attacks, model_spec="demo:digits")) as writer:
        run_attacks(net, dataset, attacks, writer)
    return open_run(folder)


@pytest.fixture(scope="module")
def stored(run):
    spec = "defenses:defense=jpeg:quality=60,,10,defense=total_variation,adaptive=true,draws=2,seed=3"
    return evaluate(run, EVALUATIONS.make(spec))


def test_every_record_is_what_the_classifier_says_behind_the_defence(run, net, stored):
    rows = stored.records().filter(pc.field("mode") == "unaware").to_pylist()
    right = {row["id"] for row in run.table().to_pylist() if row["clean_prediction"] == row["label"]}
    assert len(rows) == len(right) * 2 * 3
    for row in rows:
        seeds = sample_seeds(3, [f"0:{row['id']}"])
        defense = {
            "jpeg": lambda images, row=row: jpeg(images, quality=int(row["strength"])),
            "total_variation": lambda images, seeds=seeds: total_variation(images, seeds=seeds),
        }[row["defense"]]
        pixels = run.original(row["id"]), run.image(row["attack"], row["id"])
        before, after = (net(defense(from_uint8(each[None]))).argmax(1).item() for each in pixels)
        assert (row["clean_prediction"], row["prediction"]) == (before, after)
        assert row["success"] == (after != row["label"])


def test_an_attack_that_knows_of_a_defence_is_made_anew_behind_it(net, run, stored):
    rows = stored.records().filter(
        (pc.field("mode") == "adaptive") & (pc.field("defense") == "jpeg") & (pc.field("attack") == PGD)
    )
    ids = rows.filter(pc.field("strength") == 10)["id"].to_pylist()
    images = torch.cat([from_uint8(run.original(image_id)[None]) for image_id in ids])
    labels = torch.tensor(rows.filter(pc.field("strength") == 10)["label"].to_pylist())
    defended = Defended(net, functools.partial(jpeg, quality=10))
    outcome = AdaptiveAttack(catalog.attack(PGD), 2)(defended, images, labels, ids=ids)
    expected = defended(outcome.images).argmax(1)
    agree = expected == torch.tensor(rows.filter(pc.field("strength") == 10)["prediction"].to_pylist())
    assert agree.float().mean() > 0.9  # a batch of others rounds otherwise


def test_knowing_of_a_defence_fools_more(stored):
    records = stored.records().filter(
        (pc.field("clean_prediction") == pc.field("label")) & (pc.field("defense") == "jpeg")
    )
    sums = {
        mode: pc.sum(records.filter(pc.field("mode") == mode)["success"]).as_py()
        for mode in ("unaware", "adaptive")
    }
    assert sums["adaptive"] > sums["unaware"]


def test_the_document_counts_the_images_that_are_right_behind_the_defence(stored):
    swept, single, charts, notes = stored.document().blocks
    assert swept.title == "jpeg"
    assert swept.columns == ("Attack", "quality 60", "quality 10")
    assert single.columns == ("Attack", "total_variation")
    records = stored.records().filter(pc.field("clean_prediction") == pc.field("label"))
    for place, strength in ((1, 60), (2, 10)):
        of = records.filter(
            (pc.field("attack") == PGD)
            & (pc.field("mode") == "unaware")
            & (pc.field("defense") == "jpeg")
            & (pc.field("strength") == strength)
        )
        (row,) = [r for r in swept.groups[0].rows if r[0].text == PGD and not r[0].note]
        assert row[place].value == pytest.approx(pc.mean(of["success"].cast("float64")).as_py())
        assert row[place].low <= row[place].value <= row[place].high
    (chart,) = charts.charts
    assert {line.name for line in chart.lines} == {PGD, DDN, f"{PGD}, adaptive", f"{DDN}, adaptive"}
    assert any("jpeg at quality" in item and "where it does" in item for item in notes.items)


def resize_by_3(images: torch.Tensor) -> torch.Tensor:
    return resize(images, factor=3)


def test_of_all_images_that_were_right_what_a_defence_spoils_counts_and_stands_beside_it(run, net):
    spec = "defenses:defense=bit_depth:bits=4,,1,defense=resize:factor=3,of=right"
    stored = evaluate(run, EVALUATIONS.make(spec))
    swept, single = stored.document().blocks[:2]
    right = [row for row in run.table().to_pylist() if row["clean_prediction"] == row["label"]]

    def expected(label: str, defense) -> float:
        of = [row for row in right if row["attack"] == (DDN if label == "no attack" else label)]
        seen = [
            run.original(row["id"]) if label == "no attack" else run.image(label, row["id"]) for row in of
        ]
        after = [net(defense(from_uint8(pixels[None]))).argmax(1).item() for pixels in seen]
        return sum(now != row["clean_prediction"] for now, row in zip(after, of, strict=True)) / len(of)

    coarse = functools.partial(bit_depth, bits=1)
    ways = (swept, 1, functools.partial(bit_depth, bits=4)), (swept, 2, coarse), (single, 1, resize_by_3)
    for table, place, defense in ways:
        for row in table.groups[0].rows:
            assert row[place].value == pytest.approx(expected(row[0].text, defense))
    assert expected("no attack", coarse) > 0
    assert [row[0].text for row in swept.groups[0].rows] == [PGD, DDN, "no attack"]
    assert "see the line no attack" in swept.caption


def test_success_is_drawn_over_a_number_of_the_attacks_with_a_line_for_each_strength(tmp_path, net):
    dataset = limen.data.demo("digits", count=8)
    attacks = [catalog.attack(f"ddn:steps={steps}") for steps in (2, 20)]
    with create_or_resume(tmp_path / "run", describe_run(net, dataset, attacks)) as writer:
        run_attacks(net, dataset, attacks, writer)
    run = open_run(tmp_path / "run")
    spec = "defenses:defense=bit_depth:bits=4,,1,defense=average_pool"
    stored = evaluate(run, EVALUATIONS.make(spec), classifier=net)
    (block,) = [each for each in stored.document().blocks if each.title.startswith("Over steps: ")]
    by_bits, pooled = block.charts
    assert [line.name for line in by_bits.lines] == ["bits 4", "bits 1"]
    assert [line.name for line in pooled.lines] == ["average_pool"]
    swept = stored.document().blocks[0]
    for place, line in enumerate(by_bits.lines, start=1):
        assert line.x == (2, 20)
        assert line.y == tuple(row[place].value for row in swept.groups[0].rows)
    assert by_bits.lines[0].y != by_bits.lines[1].y


def test_without_adaptive_attacks_the_page_says_what_that_leaves_open(run):
    document = evaluate(run, EVALUATIONS.make("defenses:defense=bit_depth")).document()
    assert "says nothing of an attacker who does" in document.blocks[-1].items[0]


def test_a_sweep_stands_under_the_name_of_its_chain():
    shields = read_shields(["jpeg:quality=75,50+resize:factor=2", "bilateral"])
    assert [(each.name, each.parameter, each.strength) for each in shields] == [
        ("jpeg+resize:factor=2", "quality", 75),
        ("jpeg+resize:factor=2", "quality", 50),
        ("bilateral", "", None),
    ]
    assert [link.identity.label for link in shields[1].chain] == ["jpeg:quality=50", "resize"]
    assert len(read_shields(SWEEPS)) == 21 + 10 + 10 + 3 + 3 + 1 + 3


@pytest.mark.parametrize(
    ("specs", "complaint"),
    [
        (["jpeg:quality=75,50+resize:factor=2,3"], "several values are for one parameter"),
        (["jpeg", "jpeg"], "jpeg is given twice"),
        (["jpeg:quality=75,75"], "given twice at 75"),
        (["jpeg:subsampling=4:4:4,4:2:0"], "swept over a number"),
        (["jpg"], "did you mean 'jpeg'"),
        (["jpeg:quality=101"], "quality"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(specs, complaint):
    with pytest.raises(UsageError, match=complaint):
        read_shields(specs)


def test_what_a_chain_draws_comes_of_the_seed_and_the_image(net):
    (shield,) = read_shields(["total_variation+total_variation:drop=0.2"])
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    both = shield(images, ["a", "b"], 0)
    assert torch.equal(shield(images[1:], ["b"], 0), both[1:])
    assert not torch.equal(shield(images, ["a", "b"], 1), both)
    assert not torch.equal(shield(images, ["c", "b"], 0)[:1], both[:1])


def test_a_second_try_goes_straight_through_and_the_better_counts(net):
    (batch,) = limen.data.batches(catalog.data("demo:digits,count=6"), range(6), 6, print)
    defended = Defended(net, functools.partial(jpeg, quality=20))
    labels = defended(batch.images).argmax(1)
    eps = torch.tensor([0.05, 0.5, 1.0, 1.5, 2.0, 3.0])
    attack: Attack = limen.attacks.pgd_l2(eps=eps, steps=8)
    outcome = AdaptiveAttack(attack)(defended, batch.images, labels, ids=batch.ids)
    assert torch.equal(outcome.success, defended(outcome.images).argmax(1) != labels)
    lengths = limen.metrics.l2(outcome.images, batch.images)
    assert (lengths <= eps + 1e-5).all()
    assert 0 < int(outcome.success.sum()) < 6
    failed = ~outcome.success
    assert (outcome.steps[failed] == 16).all()
    assert (outcome.steps[~failed] >= 8).all()


def test_a_run_keeps_that_its_attacks_knew_of_the_defence(tmp_path, net):
    dataset, attack = limen.data.demo("digits", count=4), catalog.attack(PGD)
    defended = Defended(net, bit_depth)
    with pytest.raises(UsageError, match="knows of defences, but the model has none"):
        describe_run(net, dataset, [attack], adaptive=1)
    manifest = describe_run(defended, dataset, [attack], model_spec="demo:digits", adaptive=2)
    with create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(defended, dataset, [attack], writer)
    run = open_run(tmp_path / "run")
    assert run.manifest.settings.adaptive == 2
    for row in run.table().to_pylist():
        stored = from_uint8(run.image(PGD, row["id"])[None])
        assert row["success"] == (defended(stored).argmax(1).item() != row["label"])
    other = describe_run(defended, dataset, [attack], model_spec="demo:digits", adaptive=1)
    with pytest.raises(UsageError, match="adaptive"), create_or_resume(tmp_path / "run", other):
        pass
