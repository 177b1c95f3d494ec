from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from limen import pictures


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_png_keeps_every_pixel():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert np.array_equal(decoded(pictures.to_png(Image.fromarray(pixels))), pixels)


def test_a_difference_is_signed_and_does_not_wrap():
    dark, bright = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
    assert pictures.difference(dark, bright).tolist() == [[[255] * 3]]
    assert pictures.difference(bright, dark).tolist() == [[[-255] * 3]]


def test_a_magnified_difference_is_around_mid_grey_and_saturates():
    change = np.array([[[0], [2], [-2], [100], [-100]]], np.int16)
    assert np.asarray(pictures.magnified(change, 8)).tolist() == [[128, 144, 112, 255, 0]]


def test_equal_images_lose_no_structure():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    lost = pictures.lost_structure(pixels, pixels)
    assert lost is not None
    assert np.abs(lost).max() < 1e-6


def test_structure_is_lost_only_near_the_change():
    before = np.random.default_rng(0).integers(50, 200, (60, 60, 1), dtype=np.uint8)
    after = before.copy()
    after[10:14, 10:14] = 255
    lost = pictures.lost_structure(before, after)
    assert lost is not None
    assert lost[12, 12] > 0.1
    # The window reaches five pixels to each side.
    assert np.abs(lost[20:, 20:]).max() < 1e-6


def test_the_map_at_the_middle_is_the_formula_of_the_index():
    generator = np.random.default_rng(1)
    a, b = generator.integers(0, 256, (2, 11, 11, 1)).astype(np.uint8)
    axis = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(axis, axis) / axis.sum() ** 2
    x, y = a[..., 0].astype(float), b[..., 0].astype(float)
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy, cov = (
        (weights * x * x).sum() - mx**2,
        (weights * y * y).sum() - my**2,
        (weights * x * y).sum() - mx * my,
    )
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    lost = pictures.lost_structure(a, b)
    assert lost is not None
    assert lost[5, 5] == pytest.approx(1 - index, abs=1e-5)


def test_an_image_below_the_window_has_no_map():
    tiny = np.zeros((10, 30, 3), np.uint8)
    assert pictures.lost_structure(tiny, tiny) is None


@pytest.mark.parametrize(("peak", "factor"), [(1, 64), (4, 16), (100, 1), (255, 1)])
def test_the_factor_makes_the_strongest_change_fill_the_range(peak: int, factor: int):
    assert pictures.common_factor([np.full((4, 4, 3), -peak, np.int16)]) == factor


def test_unchanged_pictures_do_not_move_the_factor():
    changed, equal = np.full((4, 4, 3), 4, np.int16), np.zeros((4, 4, 3), np.int16)
    assert pictures.common_factor([changed, equal, equal]) == pictures.common_factor([changed])


@pytest.mark.parametrize(("peak", "top"), [(0.07, 0.1), (0.02, 0.02), (0.021, 0.05), (0.9, 1.0), (1.7, 1.0)])
def test_the_scale_ends_at_a_round_value_above_the_peak(peak: float, top: float):
    assert pictures.common_top([np.full((4, 4), peak)]) == top


def test_several_pictures_share_the_scale_and_factor_of_a_typical_one():
    # Geometrically: between 0.01 and 0.1 lies 0.032, between 1 and 100 levels 10.
    assert pictures.common_top([np.full((4, 4), 0.01), np.full((4, 4), 0.1)]) == 0.05
    changes = [np.full((4, 4, 3), peak, np.int16) for peak in (1, 100)]
    assert pictures.common_factor(changes) == 8


def test_no_pictures_still_give_a_factor_and_a_scale():
    assert pictures.common_factor([]) == 1
    assert pictures.common_top([np.zeros((4, 4))]) == 1


def test_colours_brighten_with_the_value():
    picture = pictures.coloured(np.linspace(0, 0.1, 64)[None], 0.1).convert("L")
    assert np.all(np.diff(np.asarray(picture)[0].astype(int)) >= 0)
    assert np.asarray(picture)[0, -1] - np.asarray(picture)[0, 0] > 200


def test_a_lit_region_is_untouched_within_a_line_and_all_else_is_dark():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    region = np.zeros((12, 12), bool)
    region[4:8, 4:8] = True
    made = pictures.lit(pixels, region)
    line = pictures.outline(~region)
    assert np.array_equal(made[region], pixels[region])
    assert (made[line] == (0, 229, 255)).all()
    assert np.array_equal(made[~region & ~line], pixels[~region & ~line] // 4)
    assert np.array_equal(pictures.lit(pixels, np.ones((12, 12), bool)), pixels)
    assert np.array_equal(pictures.lit(pixels, np.zeros((12, 12), bool)), pixels // 4)


def test_stacked_pictures_keep_their_pixels_and_grey_ones_get_colour():
    grey, colour = np.full((64, 5, 1), 9, np.uint8), np.full((64, 5, 3), 7, np.uint8)
    made = pictures.stacked([grey, colour])
    assert made.shape == (64 + 2 + 64, 5, 3)
    assert (made[:64] == 9).all()
    assert (made[66:] == 7).all()
    assert np.array_equal(pictures.stacked([colour]), colour)
