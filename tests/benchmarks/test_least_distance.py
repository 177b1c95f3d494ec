"""The benchmarks of least distances and of ensembles find what is known, and keep what they have found."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch import nn

from ..second_device import second_device

ORDERS = {"l1": 1.0, "l2": 2.0, "linf": torch.inf}


@pytest.fixture
def linear(script, monkeypatch):
    """A linear network of two classes, six images, and how far each is from the boundary in each norm."""
    random = torch.Generator().manual_seed(0)
    layer = nn.Linear(3 * 16 * 16, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=random))
        layer.bias.zero_()
    network = nn.Sequential(nn.Flatten(), layer)
    images = torch.randint(90, 166, (6, 3, 16, 16), generator=random).float() / 255
    with torch.no_grad():
        logits = network(images)
    normal = (layer.weight[0] - layer.weight[1]).detach()
    dual = {"l1": torch.inf, "l2": 2, "linf": 1}
    least = {name: (logits[:, 0] - logits[:, 1]).abs() / normal.norm(p=dual[name]) for name in ORDERS}
    common = script("common")
    monkeypatch.setattr(common, "load_network", lambda _: network)
    monkeypatch.setattr(common, "load_images", lambda *_: common.Images(images, logits.argmax(1)))
    return images, logits.argmax(1), least


def rows_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


@pytest.mark.parametrize("name", ["least_distance", "libraries"])
def test_another_device_gives_the_same(script, linear, tmp_path, capsys, name):
    benchmark, tables = script(name), []
    of_one = {
        "least_distance": ["--norms", "l2", "--passes", "6", "--libraries", "limen", "--attacks", "ddn"],
        "libraries": ["--attacks", "ddn", "--libraries", "--steps", "3", "--repeats", "1"],
    }
    for device in ("cpu", "meta"):
        kept = ["--kept", str(tmp_path / device)] if name == "least_distance" else []
        with second_device():
            benchmark.main([*of_one[name], *kept, "--network", "cifar_resnet", "--device", device])
        rows = rows_of(capsys.readouterr().out)
        tables.append([[*row[:1], *row[-6:]] for row in rows])  # without seconds
    assert len(tables[0]) > 2
    assert tables[0] == tables[1]


@pytest.mark.parametrize("order", ORDERS)
def test_least_distances_are_those_of_a_linear_network_and_are_kept(
    script, linear, monkeypatch, tmp_path, capsys, order
):
    benchmark = script("least_distance")
    arguments = ["--norms", order, "--passes", "60", "--libraries", "limen", "--kept", str(tmp_path)]
    benchmark.main(arguments)
    _, _, *rows = rows_of(capsys.readouterr().out)
    medians = [float(row[5]) for row in rows]
    assert all(row[4] == "6/6" for row in rows)
    # One image more is asked about by the classifier itself, once.
    assert all(float(row[2]) < 61 and float(row[3]) <= 60 for row in rows)
    # In L1 a single value counts, which few steps only come near to.
    near = 0.3 if order == "l1" else 0.02
    assert min(medians) == pytest.approx(float(np.median(linear[2][order])), rel=near)
    monkeypatch.setattr(benchmark, "measured", lambda *_: pytest.fail("it was kept"))
    benchmark.main(arguments)
    assert rows_of(capsys.readouterr().out)[2:] == rows


def test_an_image_that_is_not_fooled_is_infinitely_far(script):
    cells = script("least_distance").cells(np.array([1.0, np.inf, 3.0, np.inf, np.inf]))
    assert cells == ["2/5", "inf", "2"]


def test_the_best_of_limen_is_held_against_the_best_of_others(script):
    found = {
        ("limen", "a"): {"x": np.array([1.0, 2.0, 3.0])},
        ("limen", "b"): {"x": np.array([0.3, 1.5, np.inf])},
        ("adv-lib", "a"): {"x": np.array([3.0, 3.0, np.inf])},
    }
    assert script("least_distance").ahead(found, "x") == "0.500 (image by image 0.500)"
    found["limen", "b"]["x"][0] = 1.2
    found["adv-lib", "a"]["x"][:] = 1.5, 3.0, np.inf
    assert script("least_distance").ahead(found, "x") == "0.500 (image by image 0.800)"
    assert (
        script("least_distance").ahead({k: v for k, v in found.items() if k[0] == "limen"}, "x") == "no peer"
    )


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")
def test_an_image_is_robust_if_nothing_within_the_budget_fools_the_network(script, linear, monkeypatch):
    benchmark = script("ensemble")
    brief = functools.partial(benchmark.autoattack, steps=10, targets=1, squares=5)
    monkeypatch.setattr(benchmark, "autoattack", brief)
    images, labels, least = linear
    eps = float(least["linf"].median(0).values) * 1.01
    meter = script("libraries").Metered(script("common").load_network("any"))
    wrong = torch.cat([labels[:5], 1 - labels[5:]])
    run = benchmark.limen(meter, eps, "linf", lattice=None)
    told = benchmark.withstood(run, meter, images, wrong, eps, "linf")
    assert told["right"].tolist() == [True] * 5 + [False]
    expected = (least["linf"] > eps) & torch.tensor(told["right"])
    assert told["robust"].tolist() == expected.tolist()
    assert 0 < expected.sum() < 5
    beyond = benchmark.withstood(run, meter, images, wrong, eps / 2, "linf")
    assert beyond["robust"].sum() > told["robust"].sum()
