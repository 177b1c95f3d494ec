"""Planted failures are found and named; a sound network raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import limen
from limen import user_code
from limen.catalog import attack as attack_named
from limen.catalog import behind, chain
from limen.document import Charts, Notes, Table
from limen.errors import LimenError, UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.indicators import INDICATORS, findings, indicator, summary
from limen.evaluation.indicators.describe import NOTHING
from limen.evaluation.indicators.of_path import incomplete_optimisation
from limen.evaluation.indicators.of_rivals import no_growth_with_steps
from limen.images import straight_through
from limen.runs import Stored, create_or_resume, open_run

SIDE, CLASSES, COUNT = 8, 3, 6
PGD, PGD_LABEL = "pgd_linf:eps=20/255,steps=40", "pgd_linf:eps=20/255"


def prototypes() -> Tensor:
    """An image for each class, (K, 3, SIDE, SIDE)."""
    drawn = torch.rand(CLASSES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    return 0.5 + 0.16 * (drawn - 0.5)


def images() -> np.ndarray:
    """Noisy views of the classes in turn, (N, SIDE, SIDE, 3) uint8."""
    noise = torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(6)) - 0.5
    views = prototypes()[torch.arange(COUNT) % CLASSES] + 0.02 * noise
    return (255 * views).round().byte().permute(0, 2, 3, 1).numpy()


class Sound(nn.Module):
    """A smooth network whose classes lie a few levels apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3 * SIDE**2, CLASSES), nn.Linear(CLASSES, CLASSES)
        means = prototypes().flatten(1)
        centred = means - means.mean(0)
        with torch.no_grad():
            self.first.weight.copy_(centred / centred.square().sum(1, keepdim=True))
            self.first.bias.copy_(-self.first.weight @ means.mean(0))
            self.last.weight.copy_(4 * torch.eye(CLASSES))
            self.last.bias.zero_()

    def forward(self, batch):
        return self.last(torch.tanh(self.first(batch.flatten(1))))


class Turned(torch.autograd.Function):
    """The image, with a gradient of the other sign."""

    @staticmethod
    def forward(ctx, batch):
        return batch.clone()

    @staticmethod
    def backward(ctx, *gradients):
        return -gradients[0]


class Planted(Sound):
    """A sound network in which something is done to the images or to the answers."""

    def __init__(self, before: Callable = lambda batch: batch, after: Callable = lambda logits: logits):
        super().__init__()
        self.before, self.after = before, after

    def forward(self, batch):
        return self.after(super().forward(self.before(batch)))


def rounded(batch):
    return (batch * 31).round() / 31


def detached(batch):
    return straight_through(batch.flip(3), batch)


def passed_through(batch):
    return straight_through(batch, rounded(batch))


def optimised(batch):
    with torch.enable_grad():
        own = batch.detach().requires_grad_()
        torch.autograd.grad(own.sum(), own)
    return batch


PLANTED = {
    "rounding": (Planted(rounded), {"rounding", "zero_gradients", "unavailable_gradients"}),
    "rounding straight through": (
        Planted(lambda batch: straight_through(batch, rounded(batch))),
        {"rounding"},
    ),
    "saturation": (Planted(after=lambda logits: 1e4 * logits), {"saturation"}),
    "randomness": (Planted(lambda batch: batch + 0.03 * torch.randn_like(batch)), {"random_answers"}),
    "roughness": (Planted(lambda batch: batch + 0.5 * torch.sin(3000 * batch)), {"unstable_predictions"}),
    "sign": (
        Planted(Turned.apply),
        {"misleading_gradients", "aimless_gradients", "unconstrained_failure", "black_box_stronger"},
    ),
    "detached": (
        Planted(lambda batch: batch.detach() + 0 * batch),
        {"zero_gradients", "unavailable_gradients"},
    ),
    "nowhere": (Planted(lambda batch: batch.detach()), {"no_gradient"}),
    "root": (Planted(after=lambda logits: logits + (0 * logits).sqrt()), {"nonfinite_gradients"}),
    "batch": (Planted(after=lambda logits: logits - 0.5 * logits.mean(0)), {"batch_dependence"}),
    "waves": (Planted(lambda batch: batch + 0.05 * torch.sin(300 * batch)), {"aimless_gradients"}),
    "another gradient": (Planted(detached), {"misleading_gradients"}),
    "softmax": (Planted(after=lambda logits: logits.softmax(1)), {"probabilities"}),
    "autograd": (Planted(optimised), {"autograd_in_forward"}),
}
"""What is done to a network, and the indicators that name it."""


ATTACKED = {"sign": "pgd_linf:eps=40/255,steps=20", "nowhere": "square:eps=8/255,steps=5"}
"""By which attack, where it is another."""


def measured(
    folder, module: nn.Module, *attacks: str, options: str = "", defense: str | None = None, **settings
) -> Stored:
    """A run on the network's own answers, and its indicators."""
    net = limen.Classifier(module, ask=False)
    net = net if defense is None else behind(net, chain(defense))
    pixels = images()
    with torch.no_grad():
        labels = Sound()(limen.images.from_uint8(pixels)).argmax(1).numpy()
    dataset = limen.data.from_arrays("views", pixels, labels)
    made = [attack_named(each) for each in attacks]
    manifest = describe_run(net, dataset, made, model_spec="planted", metrics=(), **settings)
    with create_or_resume(folder, manifest) as writer:
        run_attacks(net, dataset, made, writer, metrics=())
    what = EVALUATIONS.make(f"indicators:draws=8,queries=60{options}")
    return evaluate(open_run(folder), what, classifier=net)


def found_in(stored: Stored) -> set[str]:
    return {each.indicator for each in findings(stored) if each.found}


quiet = pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")


@quiet
@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_in_a_network_is_found_and_named(name, tmp_path):
    module, expected = PLANTED[name]
    stored = measured(tmp_path / "run", module, ATTACKED.get(name, PGD))
    assert expected <= found_in(stored)
    said = " ".join(stored.document().blocks[0].items)
    for key in expected:
        assert INDICATORS[key].title in said
        assert INDICATORS[key].advice in said


@pytest.mark.parametrize(
    "attack", [PGD, "apgd_l2:eps=1,steps=20", "ddn:steps=20", "square:steps=300,eps=16/255"]
)
def test_a_sound_network_raises_no_alarm(attack, tmp_path):
    stored = measured(tmp_path / "run", Sound(), attack)
    assert found_in(stored) == set()
    first, *_ = stored.document().blocks
    assert first == Notes("What was found", [NOTHING])


def test_too_few_steps_are_found(tmp_path):
    stored = measured(
        tmp_path / "run", Sound(), "pgd_linf:eps=12/255,steps=4,step_size=1/255,random_start=false"
    )
    assert "incomplete_optimisation" in found_in(stored)


@quiet
def test_steps_that_are_too_short_are_found(tmp_path):
    spec = "pgd_linf:eps=12/255,steps=5,step_size=0.05/255,random_start=false"
    stored = measured(tmp_path / "run", Sound(), spec)
    assert {"steps_unseen", "unconstrained_failure"} <= found_in(stored)


def test_a_defence_that_attacks_did_not_see_is_found(tmp_path):
    stored = measured(tmp_path / "run", Sound(), "ddn:steps=20", options=",defense=bit_depth:bits=5")
    assert {"transfer_failure", "rounding"} <= found_in(stored)


def test_successes_that_files_do_not_hold_are_found(tmp_path):
    stored = measured(tmp_path / "run", Sound(), "ddn:steps=30", lattice=None)
    assert "silent_success" in found_in(stored)


def test_an_attack_that_knows_of_a_defence_is_made_again_as_it_was(tmp_path):
    options = ",only=transfer_failure,only=silent_success,only=unconstrained_failure,only=rounding"
    stored = measured(tmp_path / "run", Sound(), PGD, options=options, defense="bit_depth:bits=6", adaptive=1)
    assert found_in(stored) == {"rounding"}
    transfer = next(each for each in findings(stored) if each.indicator == "transfer_failure")
    assert transfer.images > 0


def test_targets_are_what_an_attack_is_after(tmp_path):
    stored = measured(tmp_path / "run", Sound(), PGD, targeted=True, aim="least_likely")
    assert found_in(stored) == set()
    rows = [row for row in stored.records().to_pylist() if row["look"] == 0]
    assert len(rows) > 0
    assert all(row["margin"] < 0 for row in rows)


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Stored:
    return measured(tmp_path_factory.mktemp("two") / "run", Planted(Turned.apply), PGD, "ddn:steps=5")


@quiet
def test_a_table_has_a_row_for_each_attack_and_indicator(two):
    table = summary(two)
    assert table.column_names == ["attack", "indicator", "found", "images", "count", "value"]
    assert table.num_rows == 2 * len(INDICATORS)
    assert table["indicator"].to_pylist() == [*INDICATORS] * 2
    for row, each in zip(table.to_pylist(), findings(two), strict=True):
        told = each.attack, each.indicator, each.found, each.images, each.count, each.value
        assert tuple(row.values())[:5] == told[:5]
        assert row["value"] == pytest.approx(each.value, nan_ok=True)


@quiet
def test_the_document_opens_with_what_was_found_and_shows_all_that_was_looked_for(two):
    notes, table, charts = two.document().blocks
    assert isinstance(notes, Notes)
    assert isinstance(table, Table)
    assert isinstance(charts, Charts)
    assert sum("Gradients mislead" in each for each in notes.items) == 1
    assert [group.title for group in table.groups] == ["The model", PGD_LABEL, "ddn:steps=5"]
    of_model = [each.title for each in INDICATORS.values() if each.of == "model"]
    assert [row[0].text for row in table.groups[0].rows] == of_model
    objective, success, gradient = charts.charts
    assert [line.series for line in success.lines] == [PGD_LABEL, "ddn:steps=5"]
    assert len(success.lines[0].x) == 42
    assert gradient.log_y
    assert len(objective.lines) == 2


def test_no_attack_is_made_again_to_ask_the_model_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("limen.evaluation.indicators.measure.Trial", None)
    stored = measured(tmp_path / "run", Sound(), PGD, options=",only=rounding,only=saturation")
    assert [each.indicator for each in findings(stored)] == ["rounding", "saturation"]
    assert stored.records()["look"].null_count == stored.records().num_rows


@quiet
def test_indicators_can_be_chosen_and_images_counted(tmp_path):
    stored = measured(tmp_path / "run", Sound(), PGD, options=",only=rounding,only=silent_success,images=2")
    assert [each.indicator for each in findings(stored)] == ["rounding", "silent_success"]
    assert len(set(stored.records()["id"].to_pylist())) == 2
    for options, says in (("only=luck", "unknown indicator 'luck'"), ("images=0", "images is 0")):
        with pytest.raises(UsageError, match=says):
            measured(tmp_path / options, Sound(), PGD, options=f",{options}")


OWN = """
import torch

from limen.evaluation.indicators import indicator

HOW = {"says": "On {count} of {images}, by {value} of {threshold}.", "advice": "Look."}


@indicator("short", "Changes are short", threshold=0.1, over="mean", **HOW)
def short(trial, most: float = 1.0):
    length = (trial.outcome.images - trial.subject.originals).flatten(1).norm(dim=1)
    return torch.where(trial.fools, (length <= most).float(), torch.nan)


@indicator("grey", "Images are grey", of="model", **HOW)
def grey(subject):
    return subject.of_images(subject.originals.std(1).flatten(1).amax(1) == 0)


@indicator("rounding", "Rounds", **HOW)
def twice(trial):
    return trial.unknown()


@indicator("all", "All at once", **HOW)
def together(trial):
    return trial.outcome.images.mean()


@indicator("broken", "Broken", **HOW)
def broken(trial):
    raise KeyError("nothing there")


def plain(trial):
    return trial.unknown()
"""


@pytest.fixture
def own(tmp_path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return f"python:{tmp_path}/own.py"


@quiet
def test_an_indicator_of_ones_own_is_measured_told_and_read_again(own, tmp_path, monkeypatch):
    options = f",only=saturation,also={own}:short,,most=0.5,also={own}:grey"
    stored = measured(tmp_path / "run", Sound(), PGD, options=options)
    first, second, third = findings(stored)
    assert [first.indicator, second.indicator, third.indicator] == ["saturation", "short:most=0.5", "grey"]
    assert (second.title, second.about.threshold, second.advice) == (
        "Changes are short (most=0.5)",
        0.1,
        "Look.",
    )
    assert third.about.of == "model"
    assert third.evidence == "On 0 of 6, by 0 of 0."
    assert summary(stored)["indicator"].to_pylist() == ["saturation", "short:most=0.5", "grey"]
    assert any(name.startswith("file of the indicator") for name in stored.header.notes)
    table = next(each for each in stored.document().blocks if isinstance(each, Table))
    assert [row[0].text for group in table.groups for row in group.rows][1] == "Images are grey"
    monkeypatch.setattr(user_code, "_loaded", {})  # as in another process
    with pytest.raises(LimenError, match=r"names code in .*own.py, which would run with all your rights"):
        findings(stored)
    assert findings(stored, trust=[tmp_path / "own.py"])[2].evidence == third.evidence


@quiet
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("plain", r"plain is no indicator; put @limen.evaluation.indicators.indicator\(…\) above it"),
        ("twice", "two indicators are called rounding; leave one out, or give it another key"),
        (
            "together",
            r"indicator all gives \(\) for 6 images; it must give a tensor \(n,\), a number per image",
        ),
        ("broken", r"own.py: broken\(\) raised KeyError"),
        ("missing", "unknown function in .*own.py 'missing'"),
    ],
    ids=["plain", "twice", "together", "broken", "missing"],
)
def test_what_is_no_indicator_is_one_clear_error(own, tmp_path, name, says):
    with pytest.raises(LimenError, match=says):
        measured(tmp_path / "run", Sound(), PGD, options=f",only=rounding,also={own}:{name}")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"over": "some"}, "unknown over 'some'"),
        ({"of": "data"}, "unknown of 'data'"),
        (
            {"says": "{share}"},
            r"says='{share}' cannot be filled in \(KeyError\('share'\)\); its fields may be",
        ),
    ],
)
def test_an_indicator_that_cannot_be_told_is_refused_where_it_is_made(how, says):
    with pytest.raises(UsageError, match=says):
        indicator("odd", "Odd", **{"says": "", "advice": "", **how})(lambda trial: trial.unknown())


def path(margins: list[float]) -> dict[str, np.ndarray]:
    return {"margin": np.array(margins), "climb": np.zeros(len(margins), int)}


def test_optimisation_is_complete_where_the_best_of_the_last_looks_gains_little():
    rising, done = (
        [-20.0 + step for step in range(15)],
        [-20.0 + 9 * min(step, 3) for step in range(4)] + [7.0] * 12,
    )
    success = torch.tensor([False, False, True])
    trial = SimpleNamespace(
        paths=[path(rising), path([value - 9 for value in done]), path(rising)],
        outcome=SimpleNamespace(success=success),
        subject=SimpleNamespace(originals=torch.zeros(3, 1, 1, 1)),
    )
    fall = incomplete_optimisation(trial)
    assert fall[:2].tolist() == pytest.approx([9 / 14, 0])  # of 14, the last ten looks gain nine
    assert fall[2].isnan()


def test_success_that_falls_as_steps_are_added_is_counted():
    half = torch.tensor([True, True, False])
    trial = SimpleNamespace(
        identity=limen.identity.Identity("made", {"steps": 8}),
        fools_source=torch.tensor([True, False, False]),
        subject=SimpleNamespace(originals=torch.zeros(3, 1, 1, 1)),
        varied=lambda changes: half if changes == {"steps": 4} else None,
    )
    values = no_growth_with_steps(trial).numpy()
    assert values.tolist() == [0, 1, 0]
    each = INDICATORS["no_growth_with_steps"].judge("made", values.astype(float))
    assert (each.found, each.images, each.count) == (True, 3, 1)
    assert "33.3\N{NO-BREAK SPACE}% of the images more" in each.evidence


def on_real(folder, net: limen.Classifier, dataset, attacks: list[str]) -> Stored:
    made = [attack_named(each) for each in attacks]
    with create_or_resume(
        folder, describe_run(net, dataset, made, model_spec="a real network", metrics=())
    ) as writer:
        run_attacks(net, dataset, made, writer, limit=3, metrics=())
    return evaluate(open_run(folder), EVALUATIONS.make("indicators:draws=10,queries=20"), classifier=net)


@pytest.mark.parametrize(
    ("name", "budget"), [pytest.param("photos", "4/255", marks=pytest.mark.data), ("digits", "40/255")]
)
def test_an_embedded_network_raises_no_alarm(name, budget, tmp_path):
    net, dataset = limen.catalog.model(f"demo:{name}"), limen.data.demo(name, count=6)
    stored = on_real(tmp_path / "run", net, dataset, [f"pgd_linf:eps={budget},steps=40"])
    assert found_in(stored) == set()


@pytest.mark.data
@pytest.mark.parametrize(
    ("net", "data", "budget"),
    [
        ("mnist_cnn", "mnist", "76/255"),
        ("cifar_resnet", "cifar10", "4/255"),
        ("cifar_robust", "cifar10", "8/255"),
    ],
)
def test_a_real_network_raises_no_alarm(net, data, budget, nets, real_data, tmp_path):
    classifier = limen.Classifier(getattr(nets, net)())
    dataset = limen.catalog.data(f"{data}:{real_data / data}")
    stored = on_real(tmp_path / "run", classifier, dataset, [f"pgd_linf:eps={budget},steps=40"])
    assert found_in(stored) == set()
