"""Superpixels, against scikit-image's own call, connected components of scipy, and what merging promises."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage import data
from skimage.color import rgb2lab
from skimage.segmentation import slic

from limen.errors import LimenError, UnknownNameError, UsageError
from limen.structure import SUPERPIXELS, superpixels
from limen.structure.merging import merged, neighbours

room = importlib.import_module("limen.structure.superpixels")

METHODS = tuple(SUPERPIXELS)
LEAST_COLOUR = 4.0


def photograph(side: int = 64, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    pixels = data.astronaut()[20 : 20 + side, 180 : 180 + side]
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].to(dtype) / 255


def lab_of(images: torch.Tensor) -> np.ndarray:
    return rgb2lab(images[0].double().permute(1, 2, 0).numpy())


def least_difference(labels: np.ndarray, lab: np.ndarray) -> float:
    """The least difference of mean colours of two neighbours, region by region."""
    means = np.stack([lab[labels == each].mean(0) for each in range(labels.max() + 1)])
    return min((float(np.linalg.norm(means[i] - means[j])) for i, j in neighbours(labels).T), default=np.inf)


def connected(labels: np.ndarray, structure: np.ndarray | None = None) -> bool:
    return all(ndimage.label(labels == each, structure)[1] == 1 for each in range(labels.max() + 1))


def gapless(labels: torch.Tensor, count: int) -> bool:
    return labels.unique().tolist() == list(range(count))


@pytest.mark.parametrize("size", [3.0, 5.0, 8.0])
def test_slic_is_that_of_scikit_image_in_cielab(size):
    images = photograph()
    images[..., 0, 0], images[..., 0, 1] = (
        0,
        1,
    )  # scikit-image stretches RGB to [0, 1]; here it is there already
    pixels = images[0].double().permute(1, 2, 0).numpy()
    wanted = slic(pixels, n_segments=round(64 * 64 / size**2), compactness=20, start_label=0)
    made = superpixels(images, size=size)
    assert np.array_equal(made.labels[0].numpy(), wanted)
    assert made.counts.tolist() == [wanted.max() + 1]


def test_slic_follows_colour_more_the_less_compact_it_is():
    images = photograph()

    def spread(compactness: float) -> float:
        """The mean squared difference from the mean colour of the superpixel."""
        labels = superpixels(images, compactness=compactness).labels[0].numpy()
        return sum(
            np.square(channel - ndimage.mean(channel, labels, range(labels.max() + 1))[labels]).mean()
            for channel in np.moveaxis(lab_of(images), -1, 0)
        )

    assert spread(20) < 0.8 * spread(500)


@pytest.mark.parametrize("method", METHODS)
def test_labels_have_no_gaps_and_counts_count_them(method):
    images = torch.cat([photograph(), photograph().flip(3)])
    made = superpixels(images, method)
    assert made.labels.shape == (2, 64, 64)
    assert made.labels.dtype == made.counts.dtype == torch.int64
    assert all(gapless(*each) for each in zip(made.labels, made.counts.tolist(), strict=True))
    asked = 64 * 64 / 25
    assert ((0.5 * asked < made.counts) & (made.counts < 1.2 * asked)).all()


@pytest.mark.parametrize(("method", "corners"), [("slic", False), ("lsc", True)])
@pytest.mark.parametrize("merge", [0.0, LEAST_COLOUR])
def test_superpixels_are_connected(method, corners, merge):
    labels = superpixels(photograph(), method, merge=merge).labels[0].numpy()
    assert connected(labels, np.ones((3, 3)) if corners else None)


def test_seeds_gives_fewer_than_asked():
    assert superpixels(photograph(), "seeds").counts.item() < 64 * 64 / 25


@pytest.mark.parametrize("side", [4, 5, 8])
def test_lsc_keeps_small_superpixels(side):
    count = superpixels(photograph(), "lsc", size=side).counts.item()
    assert 0.7 < count / (64 * 64 / side**2) < 1.2


@pytest.mark.parametrize("method", METHODS)
def test_edges_of_the_image_are_followed(method):
    halves = torch.zeros(1, 3, 60, 60)
    halves[..., 27:] = 1
    labels = superpixels(halves, method).labels[0]
    assert not set(labels[:, :27].unique().tolist()) & set(labels[:, 27:].unique().tolist())


@pytest.mark.parametrize("method", METHODS)
def test_float32_and_float64_of_an_8_bit_image_give_the_same_superpixels(method):
    exact = photograph(dtype=torch.float64)
    for images in (exact.float(), exact + 1e-7 * (exact < 0.5), (exact * 255).float() * (1 / 255)):
        assert torch.equal(superpixels(images, method).labels, superpixels(exact, method).labels)


@pytest.mark.parametrize("method", METHODS)
def test_grey_is_rgb_of_equal_channels(method):
    grey = photograph().mean(1, keepdim=True)
    assert torch.equal(
        superpixels(grey, method).labels, superpixels(grey.expand(-1, 3, -1, -1), method).labels
    )


@pytest.mark.parametrize("method", METHODS)
def test_an_images_superpixels_depend_on_no_other_image(method):
    images = torch.cat([photograph(), photograph().flip(2), torch.full((1, 3, 64, 64), 0.5)])
    together = superpixels(images, method, merge=2)
    room._kept.labels.clear()
    alone = [superpixels(images[[place]], method, merge=2).labels for place in (2, 0, 1)]
    assert torch.equal(together.labels, torch.cat([alone[1], alone[2], alone[0]]))


def test_one_image_in_several_rows_and_calls_is_cut_once(monkeypatch):
    cut, images, original = [], photograph(32).flip(3), SUPERPIXELS["slic"]
    monkeypatch.setattr(room, "_kept", room._Kept(2**20))
    monkeypatch.setitem(SUPERPIXELS, "slic", lambda *given: cut.append(1) or original(*given))
    first = superpixels(images.expand(3, -1, -1, -1))
    assert torch.equal(first.labels[:1], superpixels(images).labels)
    assert len(cut) == 1
    superpixels(images, size=6)
    superpixels(images.flip(2))
    assert len(cut) == 3


def test_what_is_kept_is_bounded_and_what_was_not_asked_for_longest_goes_first(monkeypatch):
    first, second, third = (torch.full((1, 3, 32, 32), value) for value in (0.2, 0.4, 0.6))
    monkeypatch.setattr(room, "_kept", kept := room._Kept(2 * 32 * 32))  # one byte a pixel
    superpixels(first)
    superpixels(second)
    oldest, newest = kept.labels
    superpixels(first)
    superpixels(third)
    assert oldest in kept.labels
    assert newest not in kept.labels
    assert kept.bytes == sum(labels.nbytes for labels in kept.labels.values()) == 2 * 32 * 32
    assert superpixels(torch.full((1, 3, 100, 100), 0.5)).counts == 400
    assert kept.bytes == 0


@settings(max_examples=60)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))),
    st.sampled_from([1.0, 2.0, 2.5, 5.0, 50.0]),
    st.sampled_from([2.0, 10.0, 40.0, 1000.0]),
)
def test_merging_keeps_its_promises_on_any_image(pixels, size, least):
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].double() / 255
    plain, made = superpixels(images, size=size), superpixels(images, size=size, merge=least)
    before, after = plain.labels[0].numpy(), made.labels[0].numpy()
    assert gapless(made.labels[0], made.counts.item())
    assert made.counts <= plain.counts
    assert connected(before)
    assert connected(after)
    assert least_difference(after, lab_of(images)) >= least - 1e-9
    # Regions are unions of superpixels.
    assert len(np.unique(np.stack([before, after]).reshape(2, -1), axis=1).T) == before.max() + 1


def test_merging_by_less_than_any_difference_merges_nothing():
    labels = superpixels(photograph()).labels[0].numpy()
    lab = lab_of(photograph())
    assert np.array_equal(merged(labels, lab, least_difference(labels, lab) / 2), labels)


def test_a_gradient_becomes_several_regions():
    ramp = torch.linspace(0, 1, 120).expand(1, 3, 30, 120)
    labels = superpixels(ramp, merge=LEAST_COLOUR).labels[0].numpy()
    lab = lab_of(ramp)
    ranges = [np.ptp(lab[..., 0][labels == each]) for each in range(labels.max() + 1)]
    assert labels.max() + 1 >= 10
    assert max(ranges) < 4 * LEAST_COLOUR


def test_two_colours_become_two_regions():
    halves = torch.zeros(1, 1, 40, 40)
    halves[..., 20:] = 0.5
    assert superpixels(halves, merge=2).labels[0].tolist() == [[0] * 20 + [1] * 20] * 40


def test_no_images_give_no_superpixels():
    made = superpixels(torch.zeros(0, 3, 8, 9))
    assert made.labels.shape == (0, 8, 9)
    assert made.counts.shape == (0,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (40, 5), (12, 10)])
@pytest.mark.parametrize("size", [1.0, 1.5, 4.0, 100.0])
def test_slic_cuts_images_of_any_shape(shape, size):
    images = torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(0))
    made = superpixels(images, size=size)
    assert gapless(made.labels[0], made.counts.item())


OPENCV = """
import torch
from limen.errors import UsageError
from limen.structure import superpixels

images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
refused = 0
for method in ("lsc", "seeds"):
    for height in (1, 2, 3, 5, 8, 13, 20, 40):
        for width in (1, 2, 4, 5, 7, 10, 31, 64):
            for size in (1, 1.5, 2, 3, 4, 5, 7, 10, 20, 60):
                try:
                    made = superpixels(images[..., :height, :width], method, size)
                except UsageError:
                    refused += 1
                    continue
                assert made.labels.max() + 1 == made.counts
print(refused)
"""


def test_opencv_is_never_given_what_crashes_it():
    done = subprocess.run([sys.executable, "-c", OPENCV], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert 0 < int(done.stdout) < 2 * 8 * 8 * 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0.9}, "size must be 1 or more"),
        ({"size": float("nan")}, "size must be"),
        ({"merge": -1}, "merge must be 0 or more"),
        ({"compactness": 0}, "compactness must be"),
        ({"method": "lsc", "size": 20}, "lsc: superpixels of 20 pixels do not fit 16×16"),
        ({"method": "seeds", "size": 1}, "seeds: 16×16 has no grid"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        superpixels(torch.zeros(1, 3, 16, 16), **options)


def test_an_unknown_method_and_other_channels_are_refused():
    with pytest.raises(UnknownNameError, match="superpixel method 'slick'; did you mean 'slic'"):
        superpixels(torch.zeros(1, 3, 16, 16), "slick")
    with pytest.raises(UsageError, match="1 or 3 channels; the images have 2"):
        superpixels(torch.zeros(1, 2, 16, 16))


@pytest.mark.parametrize("method", ["lsc", "seeds"])
def test_without_opencv_the_error_names_the_extra(method, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(LimenError, match=r"pip install limen\[superpixels\]"):
        superpixels(torch.full((1, 3, 32, 32), 0.25), method)


def test_opencvs_threads_are_left_as_they_were():
    import cv2

    before = cv2.getNumThreads()
    superpixels(photograph().flip(1), "lsc")
    assert cv2.getNumThreads() == before
