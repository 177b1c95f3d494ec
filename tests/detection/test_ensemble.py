"""The ensemble: what it learns, what it draws, and sealwatch's trainer as the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from limen.detection import Ensemble, ensemble, train_ensemble
from limen.detection.features import sealwatch
from limen.errors import UsageError


def pairs(count: int, features: int = 30, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Originals, and the same with noise and a shift of every third feature."""
    generator = np.random.default_rng(seed)
    clean = generator.normal(size=(count, features))
    moved = shift * (np.arange(features) % 3 == 0)
    return clean, clean + 0.5 * generator.normal(size=(count, features)) + moved


def accuracy(found: Ensemble, clean: np.ndarray, attacked: np.ndarray) -> float:
    return float((1 - found.decide(clean).mean() + found.decide(attacked).mean()) / 2)


def theirs(clean: np.ndarray, attacked: np.ndarray, **options):
    """Sealwatch's ensemble, and its out-of-bag error."""
    trainer = sealwatch().ensemble_classifier.FldEnsembleTrainer(clean, attacked, verbose=0, **options)
    made, history = trainer.train()
    return made, min(each["oob_error"] for each in history)


def test_it_errs_as_sealwatchs_does():
    clean, attacked = pairs(150, shift=0.6)
    fresh = pairs(2000, shift=0.6, seed=99)
    mine, (oracle, error) = train_ensemble(clean, attacked), theirs(clean, attacked, seed=0)
    rates = [(oracle.predict(each) > 0).mean() for each in fresh]
    assert accuracy(mine, *fresh) == pytest.approx((1 - rates[0] + rates[1]) / 2, abs=0.03)
    assert mine.error == pytest.approx(error, abs=0.04)


def test_it_scores_as_sealwatchs_does():
    clean, attacked = pairs(150, shift=0.6)
    fresh = np.concatenate(pairs(500, shift=0.6, seed=99))
    oracle, error = theirs(clean, attacked, seed=0, d_sub=15, L=200)
    mine = train_ensemble(clean, attacked, dimension=15)
    confidence = (1 + oracle.predict_confidence(fresh)) / 2
    assert np.corrcoef(mine.scores(fresh), confidence)[0, 1] > 0.98
    assert np.abs(mine.scores(fresh) - confidence).mean() < 0.05
    assert mine.error == pytest.approx(error, abs=0.04)


def test_the_out_of_bag_error_tells_the_error_on_others():
    found = train_ensemble(*pairs(300, shift=0.5))
    assert 1 - accuracy(found, *pairs(3000, shift=0.5, seed=1)) == pytest.approx(found.error, abs=0.05)
    assert 0.05 < found.error < 0.4


def test_what_is_alike_is_told_apart_by_chance_only():
    found = train_ensemble(*np.random.default_rng(0).normal(size=(2, 80, 20)))
    fresh = np.random.default_rng(1).normal(size=(2, 1000, 20))
    assert accuracy(found, *fresh) == pytest.approx(0.5, abs=0.05)  # over four standard deviations
    assert found.error == pytest.approx(0.5, abs=0.15)


def test_who_is_in_every_bag_is_undecided_and_a_coin_decides():
    clean, attacked = pairs(40, shift=20.0)
    found = [train_ensemble(clean, attacked, seed=seed, learners=1, dimension=10).error for seed in range(40)]
    # A single learner has seen 63 % of the pairs; of the others it gets all right.
    assert np.mean(found) == pytest.approx(0.63 / 2, abs=0.03)
    assert np.std(found) > 0.03  # without coins, 0.02 / 2 of the draw of the bag


def test_both_images_of_a_pair_are_in_a_bag_or_neither_is(monkeypatch):
    clean = np.arange(20.0)[:, None] + np.zeros(12)
    bags = []

    def watched(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        bags.append(sorted(one[:, 0]))
        assert (other[:, 0] - one[:, 0] == 100).all()
        return np.ones(one.shape[1])

    monkeypatch.setattr(ensemble, "direction", watched)
    train_ensemble(clean, clean + 100, dimension=5)
    assert 25 <= len(bags) < 100
    assert all(len(bag) == 20 and 5 < len(set(bag)) < 20 for bag in bags)
    assert len({tuple(bag) for bag in bags}) == len(bags)


def test_votes_are_counted_alike():
    clean, attacked = pairs(40, shift=1.0)
    found = train_ensemble(clean, attacked, dimension=7)
    learners = zip(found.subspaces, found.weights, found.thresholds, strict=True)
    votes = [attacked[:, which] @ weights > above for which, weights, above in learners]
    assert found.scores(attacked) == pytest.approx(np.mean(votes, axis=0))
    assert found.subspaces.shape == found.weights.shape == (len(found.thresholds), 7)
    assert (np.diff(found.subspaces, axis=1) > 0).all()
    assert len({tuple(row) for row in found.subspaces}) > 20


def test_learners_are_added_until_the_error_has_settled():
    clear = train_ensemble(*pairs(60, shift=9.0), dimension=10)
    assert clear.error == 0
    assert 25 <= len(clear.thresholds) < 100
    hard = train_ensemble(*pairs(25, shift=0.2), dimension=10)
    assert 25 < len(hard.thresholds) <= 500
    assert len(train_ensemble(*pairs(25, shift=0.2), dimension=10, learners=30).thresholds) == 30


def test_the_size_of_the_subspaces_is_that_of_least_error():
    clean, attacked = pairs(60, shift=0.5)
    found = train_ensemble(clean, attacked, learners=60)
    size = found.subspaces.shape[1]
    for other in (7, 14, 21):
        assert found.error <= train_ensemble(clean, attacked, learners=60, dimension=other).error
    same = train_ensemble(clean, attacked, learners=60, dimension=size)
    assert (same.weights == found.weights).all()


def test_the_seed_alone_decides():
    clean, attacked = pairs(30, shift=0.5)
    first = train_ensemble(clean, attacked, seed=3, learners=30)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    again = train_ensemble(clean, attacked, seed=3, learners=30)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    other = train_ensemble(clean, attacked, seed=4, learners=30)
    assert (first.weights == again.weights).all()
    assert (first.thresholds == again.thresholds).all()
    assert first.weights.shape != other.weights.shape or (first.weights != other.weights).any()


def test_a_score_does_not_depend_on_the_batch():
    found = train_ensemble(*pairs(30, shift=0.3), learners=40)
    fresh = np.concatenate(pairs(50, shift=0.3, seed=1))
    together = found.scores(fresh)
    assert len(set(together)) > 5
    for place in range(0, 100, 7):
        assert found.scores(fresh[place : place + 1])[0] == together[place]
    assert (found.scores(np.asfortranarray(fresh)[::-1]) == together[::-1]).all()
    assert found.scores(fresh[:0]).shape == (0,)


def test_a_tie_is_settled_by_a_coin_that_knows_seed_and_image_only():
    def tied(seed: int) -> Ensemble:
        weights = np.array([[1.0], [-1.0]])
        return Ensemble(np.zeros((2, 1), np.int32), weights, np.zeros(2), 0.5, seed)

    images = np.random.default_rng(0).random((400, 1)) + 0.1
    decided = tied(0).decide(images)
    assert (tied(0).scores(images) == 0.5).all()
    assert 150 < decided.sum() < 250
    assert (tied(0).decide(images[::-1]) == decided[::-1]).all()
    assert 100 < (tied(1).decide(images) != decided).sum() < 300


def test_features_that_are_constant_or_equal_do_no_harm():
    clean, attacked = pairs(20, shift=2.0)
    clean[:, 5:20] = attacked[:, 5:20] = 0.25
    assert accuracy(train_ensemble(clean, attacked), clean, attacked) > 0.9
    same = train_ensemble(clean, clean, learners=25)
    assert accuracy(same, clean, clean) == 0.5


@pytest.mark.parametrize(
    ("clean", "attacked", "options", "said"),
    [
        (np.zeros((3, 4)), np.zeros((4, 4)), {}, "trained on pairs"),
        (np.zeros(3), np.zeros(3), {}, "trained on pairs"),
        (np.zeros((1, 4)), np.zeros((1, 4)), {}, "1 pairs of 4 features are too few"),
        (np.zeros((3, 0)), np.zeros((3, 0)), {}, "3 pairs of 0 features"),
        (np.full((3, 4), np.nan), np.zeros((3, 4)), {}, "NaN"),
        (np.zeros((3, 4)), np.zeros((3, 4)), {"learners": 0}, "learners must be at least 1"),
        (np.zeros((3, 4)), np.zeros((3, 4)), {"dimension": 5}, "from 1 to 4"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(clean, attacked, options, said):
    with pytest.raises(UsageError, match=said):
        train_ensemble(clean, attacked, **options)
