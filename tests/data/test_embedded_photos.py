from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from limen.data import DataError, demo
from limen.data import embedded_photos as module
from limen.data.embedded_photos import PHOTOS
from limen.errors import UnknownNameError, UsageError


def overlap(a, b) -> bool:
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])


@pytest.mark.parametrize("name", PHOTOS)
def test_training_and_test_views_come_from_disjoint_pixels(name, monkeypatch):
    photo, opened = PHOTOS[name], module.Image.open

    def views(split, painted):
        """Views of the photograph with some boxes painted over."""

        def open_painted(file):
            image = opened(file).convert("RGB")
            for box in painted:
                image.paste((255, 0, 255), box)
            return image

        module._boxes.cache_clear()
        monkeypatch.setattr(module.Image, "open", open_painted)
        drawn = [module.draw_view(name, split, np.random.default_rng(seed)) for seed in range(8)]
        module._boxes.cache_clear()
        return np.stack(drawn)

    assert not any(overlap(a, b) for a in photo.train for b in photo.test)
    for split, own, other in (("train", photo.train, photo.test), ("test", photo.test, photo.train)):
        assert np.array_equal(views(split, ()), views(split, other))
        assert not np.array_equal(views(split, ()), views(split, own))


@pytest.mark.parametrize("name", PHOTOS)
def test_both_parts_lie_in_the_photograph_and_hold_the_largest_view(name):
    path = module.importlib.resources.files("skimage") / "data" / PHOTOS[name].file
    with Image.open(path) as image:
        width, height = image.size
    for left, top, right, bottom in (*PHOTOS[name].train, *PHOTOS[name].test):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert min(right - left, bottom - top) >= module._SCALE[1] * min(width, height)


def test_a_sample_is_a_colour_view_on_the_8_bit_lattice_named_after_its_photograph():
    dataset = demo("photos", count=15)
    sample = dataset.load(13)
    assert sample.id == "bricks-0001"
    assert dataset.class_names[sample.label] == "bricks"
    assert sample.image.shape == (3, 96, 96)
    assert torch.equal(sample.image, sample.image.mul(255).round() / 255)
    assert len(set(dataset.ids)) == len(dataset) == 15


def test_views_have_structure_and_differ():
    dataset = demo("photos", count=120)
    images = torch.stack([dataset.load(index).image for index in range(120)])
    assert images.flatten(1).std(1).min() > 0.01
    assert len(images.unique(dim=0)) == 120


def test_a_view_depends_on_seed_and_position_alone():
    few, many = demo("photos", count=3), demo("photos")
    assert many.load(2).image.equal(few.load(2).image)
    assert few.load(2).image.equal(few.load(2).image)
    redrawn = few.redraw(1)
    assert not redrawn.load(2).image.equal(few.load(2).image)
    assert redrawn.ids == few.ids


def test_splits_and_specs_differ():
    train = demo("photos", split="train", count=12)
    assert train.spec == "demo:photos,split=train,count=12"
    assert not train.load(0).image.equal(demo("photos", count=12).load(0).image)


def test_a_wrong_name_or_count_is_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'photos'"):
        demo("photo")
    with pytest.raises(UsageError, match="count is 0; expected an integer from 1 to 1,000,000"):
        demo("photos", count=0)


def test_a_photograph_that_scikit_image_lacks_is_one_error(monkeypatch, tmp_path):
    module._boxes.cache_clear()
    monkeypatch.setattr(module.importlib.resources, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match=r"scikit-image's photograph cannot be read \(.*\); reinstall it"):
        module.draw_view(next(iter(PHOTOS)), "train", np.random.default_rng(0))
    module._boxes.cache_clear()
