"""Features against their definition written out, and what they must not depend on."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from limen.detection import FEATURES, feature_count, features
from limen.errors import LimenError, UsageError
from limen.images import from_uint8

STRAIGHT, DIAGONAL = ((0, 1), (0, -1), (1, 0), (-1, 0)), ((1, 1), (-1, -1), (1, -1), (-1, 1))


def images(*shape: int, seed: int = 0) -> Tensor:
    """Batch (N, C, H, W) whose neighbouring pixels differ by little, so that few differences are clipped."""
    steps = np.random.default_rng(seed).integers(-3, 4, shape)
    return torch.from_numpy((steps.cumsum(-1) // 2 + 128).clip(0, 255) / 255)


def pixels_of(batch: Tensor) -> np.ndarray:
    return (batch * 255).round().long().numpy()


def transcribed(plane: np.ndarray, conditional: bool = False) -> np.ndarray:
    """SPAM of second order, pixel by pixel, as Pevný et al. define it; or as a joint distribution."""
    means = []
    for directions in (STRAIGHT, DIAGONAL):
        tables = []
        for down, right in directions:
            counts = dict.fromkeys(itertools.product(range(-3, 4), repeat=3), 0)
            for i, j in np.ndindex(*plane.shape):
                path = [(i + k * down, j + k * right) for k in range(4)]
                if all(0 <= y < plane.shape[0] and 0 <= x < plane.shape[1] for y, x in path):
                    values = [int(plane[each]) for each in path]
                    steps = [a - b for a, b in itertools.pairwise(values)]
                    counts[tuple(max(-3, min(3, each)) for each in steps)] += 1
            totals = dict.fromkeys(counts, sum(counts.values()))
            if conditional:
                pairs = {triple: sum(counts[*triple[:2], last] for last in range(-3, 4)) for triple in counts}
                totals = {triple: pair or 1 for triple, pair in pairs.items()}
            # The last difference runs fastest.
            tables.append([counts[triple] / totals[triple] for triple in counts])
        means.append(np.mean(tables, axis=0))
    return np.concatenate(means)


@settings(max_examples=15, deadline=None)
@given(st.integers(4, 9), st.integers(4, 9), st.integers(0, 10**6))
def test_spam_is_what_its_definition_says(height, width, seed):
    batch = images(1, 1, height, width, seed=seed)
    plane = pixels_of(batch)[0, 0]
    assert features(batch)[0] == pytest.approx(transcribed(plane), abs=1e-12)
    probabilities = features(batch, "spam_conditional")[0]
    assert probabilities == pytest.approx(transcribed(plane, conditional=True), abs=1e-12)


def test_differences_beyond_three_are_clipped_and_not_dropped():
    edge = from_uint8(np.repeat([[0] * 6 + [255] * 6], 8, axis=0)[None, ..., None].astype(np.uint8))
    found = features(edge)[0]
    assert found == pytest.approx(transcribed(pixels_of(edge)[0, 0]), abs=1e-12)
    assert found[:343].sum() == pytest.approx(1)
    assert (found[:343] > 0).sum() == 7  # flat, and the edge first, second or third, up or down


@pytest.mark.parametrize("name", ["spam", "spam_conditional"])
@pytest.mark.parametrize("turned", [lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.mT])
def test_spam_knows_no_left_and_right(turned, name):
    batch = images(2, 3, 12, 15)
    assert features(turned(batch), name) == pytest.approx(features(batch, name), abs=1e-12)


def test_what_follows_two_differences_adds_up_to_one_where_they_occur():
    sums = features(images(1, 1, 60, 60), "spam_conditional").reshape(2, 49, 7).sum(-1)
    assert sums[sums > 0.99] == pytest.approx(np.ones((sums > 0.99).sum()))
    assert (sums > 0.99).sum() > 40
    assert sums.max() <= 1 + 1e-12


@pytest.mark.parametrize("name", FEATURES)
def test_there_are_as_many_as_announced_and_they_are_shares(name):
    found = features(images(1, 3, 24, 20), name)
    assert found.shape == (1, feature_count(name, "luma"))
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found > 0).sum() > 50


def test_srmq1_is_the_first_quantisation_of_srm():
    batch = images(1, 1, 16, 16)
    assert set(features(batch, "srmq1")[0]) <= set(features(batch, "srm")[0])


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
@example((1, 13, 5))  # a half
@example((2, 14, 6))
def test_the_luma_is_rounded_halves_up(colour):
    weights = (299, 587, 114)
    exact = sum(each * weight for each, weight in zip(colour, weights, strict=True))
    luma = exact // 1000 + (exact % 1000 >= 500)
    spot = luma + 1 if luma < 255 else 254  # near the luma, as greater differences are clipped
    base = np.full((6, 6, 3), colour, np.uint8)
    base[3, 3] = spot
    grey = np.where((np.indices((6, 6)) == 3).all(0), spot, luma).astype(np.uint8)[..., None]
    assert (features(from_uint8(base[None])) == features(from_uint8(grey[None]))).all()


def test_channels_stand_one_after_the_other_and_grey_counts_as_three():
    batch = images(2, 3, 10, 10)
    apart = [features(batch[:, [channel]]) for channel in range(3)]
    assert (features(batch, colour="channels") == np.concatenate(apart, axis=1)).all()
    grey = batch[:, :1]
    assert (features(grey, colour="channels") == np.tile(features(grey), 3)).all()


def test_features_depend_on_the_image_alone():
    batch = images(5, 3, 12, 9)
    together = features(batch)
    for place in range(5):
        assert (features(batch[[place]])[0] == together[place]).all()
    assert (features(batch.flip(0)) == together[::-1]).all()
    assert (features(batch.float()) == together).all()
    assert (together[0] != together[1]).any()


def test_images_are_rounded_to_8_bits():
    batch = images(1, 1, 8, 8)
    assert (features((batch + 0.4 / 255).clamp(0, 1)) == features(batch)).all()
    assert (features((batch + 0.6 / 255 * torch.eye(8)).clamp(0, 1)) != features(batch)).any()


def test_of_no_image_there_are_none():
    assert features(torch.zeros(0, 3, 8, 8)).shape == (0, 686)


@pytest.mark.parametrize(
    ("batch", "options", "said"),
    [
        (torch.zeros(1, 3, 3, 8), {}, "3×8 pixels; SPAM features need 4 a side"),
        (torch.zeros(1, 3, 7, 8), {"name": "srm"}, "need 8 a side"),
        (torch.zeros(1, 2, 8, 8), {}, "2 channels"),
        (torch.zeros(1, 3, 8, 8) + 2, {}, "scale them"),
        (torch.zeros(1, 3, 8, 8), {"name": "spom"}, "did you mean 'spam'"),
        (torch.zeros(1, 3, 8, 8), {"colour": "chroma"}, "unknown colour 'chroma'"),
    ],
)
def test_what_has_no_features_is_refused(batch, options, said):
    with pytest.raises(UsageError, match=said):
        features(batch, **options)


def test_without_sealwatch_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sealwatch", None)
    with pytest.raises(LimenError, match=r"pip install limen\[detection\]"):
        features(torch.zeros(1, 3, 8, 8))
