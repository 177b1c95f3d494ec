from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import label as components

from limen import catalog
from limen.data import batches, demo
from limen.data.scenes.scene import GROUPS, draw_scene
from limen.data.scenes.shapes import SHAPES, Pose, coverage
from limen.errors import UsageError

POSE = Pose(0.5, 0.48, area=0.2, angle=0.3, stretch=1.1)


@pytest.fixture(scope="module")
def some():
    """A batch of 140 small scenes."""
    (batch,) = batches(demo("scenes", count=140, size=32), range(140), 140, pytest.fail)
    return batch


@pytest.mark.parametrize("shape", SHAPES)
def test_every_outline_covers_the_area_asked_for(shape):
    assert coverage(shape, POSE, 128).mean() == pytest.approx(0.2, rel=0.01)


def test_an_edge_covers_the_share_of_a_pixel_that_geometry_says():
    side = np.sqrt(0.2)
    pose = Pose(0.5, 0.5, area=0.2, angle=np.pi / 4, stretch=1)
    edge = (0.5 - side / 2) * 50
    row = coverage("square", pose, 50)[25]
    assert row[int(edge)] == pytest.approx(1 - edge % 1, abs=1 / 8)
    assert row[: int(edge)].max() == 0
    assert row[int(edge) + 1 : 25].min() == 1


@pytest.mark.parametrize(("shape", "holes"), [("ring", 1), ("disc", 0), ("star", 0), ("crescent", 0)])
def test_an_outline_is_one_piece_with_its_holes(shape, holes):
    mask = coverage(shape, POSE, 96) >= 0.5
    assert components(mask).max() == 1
    assert components(~mask, connectivity=1).max() == 1 + holes


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), shape=st.sampled_from([*SHAPES]), group=st.sampled_from([*GROUPS]))
def test_the_mask_lies_inside_of_the_image_and_is_where_the_class_changes_it(seed, shape, group):
    pixels, mask = draw_scene(shape, group, 48, np.random.default_rng(seed))
    assert 0.1 < mask.mean() < 0.22
    edge = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert not edge.any()
    others = [draw_scene(each, group, 48, np.random.default_rng(seed)) for each in SHAPES]
    # Beyond every outline, its shadow and its rounded edge, nothing tells the class.
    reach = 1 + int(48 * 0.17)
    near = torch.from_numpy(np.any([each for _, each in others], axis=0))[None].float()
    far = torch.nn.functional.max_pool2d(near, 2 * reach + 1, 1, reach)[0].numpy() == 0
    assert all((pixels[far] == each[far]).all() for each, _ in others)
    for each, other in others:
        if (other != mask).any():
            assert (pixels[other ^ mask] != each[other ^ mask]).any()


def test_classes_come_in_turn_and_samples_have_masks_and_groups(some):
    dataset = demo("scenes", count=140, size=32)
    assert dataset.class_names == tuple(sorted(SHAPES))
    assert len(dataset.class_names) >= 6
    assert some.labels.tolist() == [index % 7 for index in range(140)]
    assert some.masks.shape == (140, 1, 32, 32)
    assert some.masks.dtype == torch.bool
    assert set(some.groups) == {"day", "night"}
    assert len(set(some.ids)) == 140
    assert len(some.images.unique(dim=0)) == 140
    assert some.images.equal(some.images.mul(255).round() / 255)


def test_night_is_darker_with_an_object_that_stands_out_less(some):
    night = torch.tensor([group == "night" for group in some.groups])
    grey, masks = some.images.mean(1, keepdim=True), some.masks.float()
    foreground = (grey * masks).sum((1, 2, 3)) / masks.sum((1, 2, 3))
    background = (grey * (1 - masks)).sum((1, 2, 3)) / (1 - masks).sum((1, 2, 3))
    contrast = (foreground - background).abs()
    assert grey[night].mean() < 0.7 * grey[~night].mean()
    assert contrast[night].mean() < 0.7 * contrast[~night].mean()
    assert GROUPS["night"].clutter[0] >= GROUPS["day"].clutter[1]


def test_neither_colour_nor_light_tells_the_class(some):
    """The means of the foreground's colour differ between classes no more than by chance."""
    colours = (some.images * some.masks).sum((2, 3)) / some.masks.sum((2, 3))
    between = torch.stack([colours[some.labels == label].mean(0) for label in range(7)]).std(0)
    assert (between < 2 * colours.std(0) / np.sqrt(20)).all()


def test_a_scene_depends_on_seed_split_and_position_alone():
    few, many = demo("scenes", count=3, size=32), demo("scenes", size=32)
    assert len(many) == 1200
    for a, b, same in [
        (few, many, True),
        (few, few.redraw(0), True),
        (few, few.redraw(1), False),
        (few, demo("scenes", split="train", count=3, size=32), False),
    ]:
        assert a.load(2).image.equal(b.load(2).image) == same
        assert a.load(2).mask.equal(b.load(2).mask) == same
    assert few.redraw(1).ids == few.ids


@pytest.mark.parametrize("size", [33, 224])
def test_a_scene_has_the_same_things_in_the_same_places_at_every_size(size):
    small, large = demo("scenes", size=64), demo("scenes", size=size)
    for index in range(7):
        a, b = small.load(index), large.load(index)
        assert b.image.shape == (3, size, size)
        assert a.group == b.group
        shrunk = torch.nn.functional.interpolate(b.mask[None].float(), (64, 64), mode="area")[0] >= 0.5
        assert (shrunk == a.mask).float().mean() > 0.95


@pytest.mark.parametrize(
    ("share", "count", "least", "most"), [(0.0, 8, 0, 0), (0.1, 100, 3, 20), (1.0, 8, 8, 8)]
)
def test_the_share_of_night_is_as_asked_for(share, count, least, most):
    dataset = demo("scenes", split="train", count=count, size=32, share=share)
    assert least <= sum(dataset.load(index).group == "night" for index in range(count)) <= most


def test_a_spec_names_a_set_and_sets_that_differ_have_other_fingerprints():
    spec = "demo:scenes,split=train,count=9,size=32,share=0.1"
    assert catalog.data(spec).spec == spec
    specs = ("", ",split=train", ",size=32", ",share=0.1", ",count=9")
    assert len({catalog.data(f"demo:scenes{each}").fingerprint() for each in specs}) == len(specs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("count=0", "count is 0; expected an integer from 1 to 1,000,000"),
        ("size=31", "size must be from 32 to 224, not 31"),
        ("size=0", "size must be from 32 to 224, not 0"),
        ("size=225", "not 225"),
        ("share=1.5", r"share must be from 0 to 1, not 1\.5"),
    ],
)
def test_numbers_out_of_range_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        catalog.data(f"demo:scenes,{options}")


def test_other_sets_have_no_options_of_the_scenes():
    with pytest.raises(UsageError, match="demo:photos has no size and no share; only demo:scenes has"):
        demo("photos", size=64, share=0.1)
