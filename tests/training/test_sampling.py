from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from limen.data import Dataset, from_arrays
from limen.errors import UsageError
from limen.training import SAMPLINGS, Settings, balanced, shuffled, train, weighted
from limen.training.reading import Plan, Share, read

from .networks import equal, linear


def dataset(weights=None, groups=None, labels=(0, 1, 0, 1)) -> Dataset:
    pixels = np.arange(4 * 4, dtype=np.uint8).reshape(4, 2, 2, 1) * 15
    made = from_arrays("four", pixels, np.array(labels), groups=groups)
    return replace(made, weights=None if weights is None else torch.tensor(weights, dtype=torch.float64))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_draws_follow_the_weights():
    weights = [1.0, 0.0, 2.0, 5.0]
    drawn = Counter(weighted(dataset(weights), seeded(), count=20_000).order)
    assert 1 not in drawn
    expected = [20_000 * weight / 8 for weight in (1.0, 2.0, 5.0)]
    assert chisquare([drawn[place] for place in (0, 2, 3)], expected).pvalue > 0.01


def test_draws_of_data_without_weights_are_even():
    drawn = Counter(weighted(dataset(), seeded(), count=20_000).order)
    assert chisquare([drawn[place] for place in range(4)]).pvalue > 0.01
    assert len(weighted(dataset(), seeded()).order) == 4


def test_balanced_draws_have_each_group_equally_often_and_its_samples_too():
    uneven = dataset(groups=["a", "a", "a", "b"])
    assert len(balanced(uneven, seeded(), by="group").order) == 4
    counts = Counter(balanced(uneven, seeded(), count=12_000).order)
    expected = [2000, 2000, 2000, 6000]
    assert chisquare([counts[place] for place in range(4)], expected).pvalue > 0.01


def test_groups_may_be_labels_or_pairs():
    four = dataset(groups=["a", "a", "a", "b"], labels=(0, 1, 0, 1))
    counts = {
        by: Counter(SAMPLINGS.make(f"balanced:by={by},count=12000")(four, seeded()).order)
        for by in ("label", "both")
    }
    assert chisquare([counts["label"][place] for place in range(4)]).pvalue > 0.01
    # The pairs are (0, a) twice, (1, a) and (1, b).
    assert chisquare([counts["both"][place] for place in range(4)], [2000, 4000, 2000, 4000]).pvalue > 0.01


def test_what_cannot_be_drawn_is_one_clear_error():
    with pytest.raises(UsageError, match="not every sample belongs to a group"):
        balanced(dataset(), seeded())
    for weights in ([0.0] * 4, [1.0, -1.0, 1.0, 1.0], [1.0, np.inf, 1.0, 1.0]):
        with pytest.raises(UsageError, match="weights of samples must be finite"):
            weighted(dataset(weights), seeded())
    with pytest.raises(UsageError, match="count is 0"):
        Settings(epochs=1, sampling="weighted:count=0")
    with pytest.raises(UsageError, match="unknown sampling"):
        Settings(epochs=1, sampling="evenly")


def test_data_with_weights_is_drawn_by_them_unless_something_else_is_asked_for():
    uneven = dataset([0.0, 0.0, 3.0, 0.0])

    def order(spec: str | None) -> list[int]:
        return list(Plan.of_epoch(uneven, 0, 2, Share(), (), spec).order)

    assert order(None) == [2, 2, 2, 2]
    assert order("shuffled") == list(shuffled(uneven, seeded()).order)
    assert sorted(order("shuffled")) == [0, 1, 2, 3]


def test_literal_draws_multiply_the_gradient_by_the_weight():
    """One draw of one sample of weight 3 is one step of thrice the length."""
    one = dataset([0.0, 0.0, 3.0, 0.0])
    nets = []
    for spec, rate in (("weighted:count=1", 0.3), ("weighted:count=1,literal=true", 0.1)):
        net = linear(values=4, classes=2)
        plain = f"sgd:learning_rate={rate},momentum=0,weight_decay=0"
        train(net, one, one, Settings(1, 1, plain, "constant", sampling=spec))
        nets.append(net)
    for name, value in nets[0].module.state_dict().items():
        torch.testing.assert_close(nets[1].module.state_dict()[name], value, rtol=1e-5, atol=1e-7)
    assert not equal(nets[0], linear(values=4, classes=2))


def test_factors_reach_the_process_that_has_the_sample():
    uneven = dataset([1.0, 2.0, 4.0, 8.0])
    for rank in range(2):
        plan = Plan.of_epoch(uneven, 0, 4, Share(rank, 2), (), "weighted:literal=true")
        for _, lesson in read(plan, 0, 0, None):
            wanted = [float(uneven.weights[index]) for index in lesson.indices]
            assert lesson.weights.tolist() == wanted
