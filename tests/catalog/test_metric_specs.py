"""Metrics by their specs: with options, in records, and as parameters of other things."""

from __future__ import annotations

import pytest
import torch

from limen import catalog
from limen.attacks import fgsm
from limen.catalog.kinds import known_metric, measuring
from limen.catalog.table import Catalog
from limen.classifier import Classifier
from limen.errors import UsageError
from limen.evaluation import describe_run
from limen.metrics import METRICS, Metric
from limen.runs import MetricColumn
from limen.weights import WeightsError

FILE = '''
from limen.attacks import fgsm
from limen.metrics import Metric
from limen.runs import MetricColumn

def greatest(first, second, scale: float = 1.0, floor: float = 0.0):
    "The greatest change."
    return (scale * (first - second).abs().amax((1, 2, 3))).clamp_min(floor)

class Nearness:
    """How near images are."""

    unit, higher_is_better, least_side = "px", True, 5

    def __call__(self, first, second):
        return -(first - second).abs().mean((1, 2, 3))

nearness = Nearness()

told = Metric(MetricColumn("told", "Told", higher_is_better=True), greatest, 9, "a ruler", False)

def guided(metric: Metric | str = "ssim", eps: float = 0.1):
    return fgsm(eps=eps)
guided.budget = "eps"
'''


def graded(a, b, power: int = 2, root: bool = False):
    """A mean of powers."""
    mean = (a - b).abs().pow(power).mean((1, 2, 3))
    return mean ** (1 / power) if root else mean


GRADED = Metric(MetricColumn("graded", "Graded", about="A mean of powers."), graded, least_side=4)
TABLE = Catalog("metric", {"graded": GRADED}, argument=False, takes=2, calls=measuring, finish=known_metric)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(FILE)
    return "my.py"


def test_a_metric_without_options_is_the_one_of_the_table():
    assert catalog.metric("ssim") is METRICS["ssim"]
    assert TABLE.make("graded") is GRADED
    assert TABLE.make("graded:power=2,root=false") is GRADED  # as by default


def test_options_change_the_values_and_are_the_metrics_key():
    made = TABLE.make("graded:power=4,root=true")
    a, b = torch.rand(2, 3, 3, 8, 8, dtype=torch.float64)
    expected = (a - b).pow(4).mean((1, 2, 3)) ** 0.25
    torch.testing.assert_close(made(a, b), expected)
    torch.testing.assert_close(made.cost(a, b), expected)
    assert made.column.key == made.identity.label == "graded:power=4,root=true"
    assert made.column.title == "Graded (power=4,root=true)"
    assert (made.least_side, made.column.about) == (4, "A mean of powers.")
    assert TABLE.make("graded:root=true,power=4").column == made.column
    assert MetricColumn(made.column.key, "x").in_memory == "graded:power=4,root=true_in_memory"


def test_options_are_typed_and_listed():
    assert list(map(str, TABLE.entry("graded").parameters)) == [
        "power: int = 2",
        "root: true | false = false",
    ]
    with pytest.raises(UsageError, match=r"power must be int, not 'two'. graded accepts power: int = 2"):
        TABLE.make("graded:power=two")
    with pytest.raises(UsageError, match=r"^metric spec 'ssim:window=7': ssim accepts no parameters"):
        catalog.metric("ssim:window=7")


def test_a_users_function_has_its_options_in_its_key_too(file):
    plain = catalog.metric(f"python:{file}:greatest")
    scaled = catalog.metric(f"python:{file}:greatest,scale=3")
    assert (plain.column.key, scaled.column.key) == ("greatest", "greatest:scale=3")
    assert plain.column.code == scaled.column.code == scaled.identity.code
    assert len(scaled.identity.code) == 64
    assert scaled.identity.label == f"python:{file}:greatest,scale=3"
    a, b = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.25)
    assert (plain(a, b).tolist(), scaled(a, b).tolist()) == ([0.25] * 2, [0.75] * 2)


def test_a_users_metric_keeps_what_it_says_of_itself_and_takes_its_functions_options(file):
    metric = catalog.metric(f"python:{file}:told,floor=0.5")
    assert (metric.column.key, metric.column.title) == ("told:floor=0.5", "Told (floor=0.5)")
    assert (metric.least_side, metric.needs, metric.differentiable) == (9, "a ruler", False)
    image = torch.zeros(1, 3, 9, 9)
    assert (metric(image, image).tolist(), metric.cost(image, image).tolist()) == ([0.5], [-0.5])


@pytest.mark.parametrize(
    ("spec", "label"),
    [("ssim", None), ("mad", "mad"), ("python:my.py:greatest,,scale=2", "python:my.py:greatest,scale=2")],
)
def test_a_metric_is_a_parameter_of_an_attack(file, spec, label):
    attack = catalog.attack(f"python:{file}:guided,metric={spec}")
    assert attack.identity.parameters["metric"] == (label or "ssim")
    assert attack.identity.label == f"python:{file}:guided,{f'metric={spec},' if label else ''}eps=0.1"
    assert catalog.attack(attack.identity.label).identity == attack.identity


def test_a_metric_that_a_parameter_names_is_refused_with_its_own_reason(file):
    with pytest.raises(UsageError, match="metric spec 'sism': unknown metric 'sism'; did you mean 'ssim'"):
        catalog.attack(f"python:{file}:guided,metric=sism")


@pytest.mark.parametrize(
    "key", ["graded:", "graded::a", "Graded:power=1", "graded:a\nb", ":a", "graded power"]
)
def test_other_keys_are_refused(key):
    with pytest.raises(UsageError, match="cannot name the column of a metric"):
        MetricColumn(key, "x")


def test_a_metric_without_its_weights_is_one_error_before_anything_is_measured(monkeypatch, tmp_path):
    monkeypatch.setenv("LIMEN_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("LIMEN_OFFLINE", "1")
    for spec in ("lpips", "lpips:network=squeeze", "dists", "pieapp:stride=6"):
        with pytest.raises(WeightsError, match=r"is not at hand.*Put it into"):
            catalog.metric(spec)
    linear = Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)))
    with pytest.raises(WeightsError, match=r"alexnet.* is not at hand"):
        describe_run(linear, catalog.data("demo:digits,count=2"), [fgsm()], metrics=[METRICS["lpips"]])


def test_an_object_says_how_its_metric_is_shown_as_a_function_does(file):
    made = catalog.metric(f"python:{file}:nearness")
    column = made.column
    assert (column.key, column.unit, column.higher_is_better, made.least_side) == ("nearness", "px", True, 5)
    assert column.about == "How near images are."
