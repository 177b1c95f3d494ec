"""Total variation minimisation: its optimum, its published patch in plain Python, and its random numbers."""

from __future__ import annotations

import importlib

import cvxpy
import numpy as np
import pytest
import torch
from torch import Tensor

from limen import defenses
from limen.defenses.split_bregman import minimise
from limen.seeds import content_seeds, draw, sample_seeds

from .photographs import photographs

MODULE = importlib.import_module("limen.defenses.total_variation")
WEIGHT = 0.03


def masks(images: Tensor, drop: float = 0.5) -> Tensor:
    return torch.rand(images.shape, generator=torch.Generator().manual_seed(7)) >= drop


def objective(u: np.ndarray, image: np.ndarray, kept: np.ndarray, weight: float = WEIGHT) -> float:
    """Of one channel (H, W)."""
    right = np.diff(u, axis=1, append=u[:, -1:])
    down = np.diff(u, axis=0, append=u[-1:])
    return np.hypot(right, down).sum() + (kept * (u - image) ** 2).sum() / (2 * weight)


@pytest.mark.parametrize(("sides", "weight"), [((10, 7), 0.03), ((6, 11), 0.2)])
def test_run_to_convergence_it_reaches_the_solvers_optimum(sides, weight):
    images = photographs(*sides, count=1).double()
    kept = masks(images)
    found = minimise(images, kept, weight, tolerance=1e-9, most=4000)
    for place in np.ndindex(1, 3):
        image, mask = images[place].numpy(), kept[place].numpy().astype(float)
        u = cvxpy.Variable(image.shape)
        fidelity = cvxpy.sum_squares(cvxpy.multiply(mask, u - image)) / (2 * weight)
        # What cvxpy calls tv leaves the last row and column out; repeated, they are flat.
        extended = cvxpy.bmat([[u, u[:, -1:]], [u[-1:, :], u[-1:, -1:]]])
        cvxpy.Problem(cvxpy.Minimize(cvxpy.tv(extended) + fidelity)).solve(solver="CLARABEL")
        least = objective(u.value, image, mask, weight)
        assert objective(found[place].numpy(), image, mask, weight) <= least * (1 + 1e-5)
        assert np.sqrt(np.mean((found[place].numpy() - u.value)[mask > 0] ** 2)) < 1e-3


def test_as_it_stops_it_has_gone_most_of_the_way():
    images = photographs(64)
    kept = masks(images)
    stopped, best = minimise(images, kept, WEIGHT), minimise(images, kept, WEIGHT, tolerance=1e-6, most=500)
    start = images * kept
    for place in np.ndindex(4, 3):
        of = [
            objective(each[place].numpy(), images[place].numpy(), kept[place].numpy())
            for each in (best, stopped, start)
        ]
        assert of[0] <= of[1] < 1.35 * of[0]
        assert of[1] < 0.3 * of[2]


def published(image: np.ndarray, kept: np.ndarray, weight: float, eps: float, most: int) -> np.ndarray:
    """Guo et al.'s loop over (H, W, C), statement by statement."""
    rows, columns, channels = image.shape
    u, before = image.copy(), image.copy()
    dx, dy, bx, by, z = (np.zeros_like(image) for _ in range(5))
    lam, rmse, passes = 2 * weight, np.inf, 0
    while passes < most and rmse > eps:
        for _ in range(10):
            for k in range(channels):
                for r in range(rows):
                    for c in range(columns):
                        inner, neighbours = z[r, c, k], 0
                        for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                            if 0 <= r + down < rows and 0 <= c + right < columns:
                                inner += u[r + down, c + right, k]
                                neighbours += 1
                        if kept[r, c, k]:
                            u[r, c, k] = (lam * inner + weight * image[r, c, k]) / (weight + neighbours * lam)
                        else:
                            u[r, c, k] = inner / 4
        for k in range(channels):
            for r in range(rows):
                for c in range(columns):
                    ux = 0 if c == columns - 1 else u[r, c + 1, k] - u[r, c, k]
                    uy = 0 if r == rows - 1 else u[r + 1, c, k] - u[r, c, k]
                    tx, ty = ux + bx[r, c, k], uy + by[r, c, k]
                    s = np.hypot(tx, ty)
                    dx[r, c, k], dy[r, c, k] = (s * lam * t / (s * lam + 1) for t in (tx, ty))
                    bx[r, c, k] += ux - dx[r, c, k]
                    by[r, c, k] += uy - dy[r, c, k]
                    z[r, c, k] = bx[r, c, k] + by[r, c, k] - dx[r, c, k] - dy[r, c, k]
                    if r > 0:
                        z[r, c, k] += dy[r - 1, c, k] - by[r - 1, c, k]
                    if c > 0:
                        z[r, c, k] += dx[r, c - 1, k] - bx[r, c - 1, k]
        rmse = np.sqrt(((u - before) ** 2).mean())
        before, passes = u.copy(), passes + 1
    return u


@pytest.mark.parametrize("sides", [(10, 13), (12, 8)])
def test_the_literal_mode_is_the_published_patch(sides):
    images = photographs(*sides, count=2).double()
    seeds = sample_seeds(0, range(2))
    kept = draw(torch.rand, seeds, images.shape[1:], torch.float32) >= 0.5
    found = defenses.total_variation(images, seeds=seeds, literal=True)
    for place in range(2):
        arrays = [each[place].permute(1, 2, 0).numpy() for each in (images, kept)]
        expected = published(arrays[0] * arrays[1], arrays[1], 1 / WEIGHT, 0.01, 100)
        np.testing.assert_allclose(found[place].permute(1, 2, 0).numpy(), expected.clip(0, 1), atol=1e-12)


def test_the_literal_mode_darkens_the_border_and_the_other_does_not():
    images = photographs(96)
    kept = masks(images)
    border = torch.ones(96, 96, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    bright = (images > 0.5) & border & ~kept
    change = {
        literal: 255 * (minimise(images, kept, WEIGHT, literal=literal) - images)[bright].mean()
        for literal in (True, False)
    }
    assert change[True] < -50
    assert abs(change[False]) < 25


def test_a_sample_that_needs_more_passes_gets_them_without_the_others():
    images = torch.cat([photographs(40), torch.full((1, 3, 40, 40), 0.1)])
    kept = masks(images)
    whole = minimise(images, kept, WEIGHT, tolerance=1e-4)
    for place in range(len(images)):
        alone = minimise(images[place : place + 1], kept[place : place + 1], WEIGHT, tolerance=1e-4)
        torch.testing.assert_close(alone[0], whole[place], rtol=0, atol=1e-6)


def test_many_images_are_minimised_as_few(monkeypatch):
    images = photographs(20)
    expected = defenses.total_variation(images)
    monkeypatch.setitem(MODULE._AT_ONCE, "cpu", 1)
    assert torch.equal(defenses.total_variation(images), expected)


def test_without_seeds_an_image_has_the_draw_of_its_content():
    images = photographs(24)
    expected = defenses.total_variation(images, seeds=content_seeds(0, images))
    assert torch.equal(defenses.total_variation(images), expected)
    assert torch.equal(defenses.total_variation(images, seed=0), expected)
    other = defenses.total_variation(images, seed=1)
    assert ((other - expected).abs().flatten(1).mean(1) > 1e-3).all()


def test_with_seeds_the_content_and_the_seed_do_not_matter():
    image = photographs(24, count=1)
    seeds = sample_seeds(3, range(3))
    thrice = defenses.total_variation(image.repeat(3, 1, 1, 1), seeds=seeds)
    assert len({each.sum().item() for each in thrice}) == 3
    again = defenses.total_variation(image, seeds=seeds[1:2], seed=9)
    torch.testing.assert_close(again[0], thrice[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("whole_pixels", [False, True])
@pytest.mark.parametrize("drop", [0.0, 0.3, 0.9])
def test_the_share_that_is_dropped_and_whole_pixels(monkeypatch, drop, whole_pixels):
    monkeypatch.setattr(MODULE, "minimise", lambda images, kept, weight, literal: kept.to(images))
    kept = defenses.total_variation(photographs(64), drop=drop, whole_pixels=whole_pixels)
    assert 1 - kept.mean().item() == pytest.approx(drop, abs=0.01)
    assert (kept[:, :1] == kept).all() == (whole_pixels or drop == 0)
    assert drop == 0 or not torch.equal(kept[0], kept[1])
