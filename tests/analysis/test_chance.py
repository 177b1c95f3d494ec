"""A share of correct answers is called chance where a binomial test cannot tell it from guessing."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pytest
from scipy.stats import binomtest

from limen.analysis import clean_warning, near_chance


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("images", [8, 40, 300])
def test_the_test_is_scipys(classes, images):
    for correct in range(images + 1):
        expected = binomtest(correct, images, 1 / classes, alternative="greater").pvalue > 0.05
        assert near_chance(correct, images, classes) == expected


def test_nothing_is_said_of_images_too_few_to_tell():
    assert not near_chance(0, 0, 10)
    assert not near_chance(0, 4, 2)
    assert near_chance(0, 5, 2)


@pytest.mark.parametrize(("wrong", "names"), [(5, None), (3, "ab"), (1, "ab"), (0, "ab"), (4, "abcdefgh")])
def test_each_image_counts_once_and_classes_are_those_named_or_seen(wrong, names):
    # Of 6 images and 2 classes, 5 right are no surprise (11 %), 6 are (2 %); of 8 classes, 2 are none (18 %).
    ids = [*range(6), *range(6)]
    table = pa.table({"id": ids, "label": [1] * 12, "clean_prediction": [int(each >= wrong) for each in ids]})
    model = SimpleNamespace(class_names=names and tuple(names))
    manifest = SimpleNamespace(model=model, data=SimpleNamespace(class_names=None))
    warning = clean_warning(SimpleNamespace(table=lambda: table, manifest=manifest))
    classes = len(names or "ab")
    said = (
        f"only {6 - wrong} of 6 images as they are labelled, no better than by chance among {classes} classes"
    )
    assert (warning is not None and said in warning) == (wrong > 0)


def test_a_run_without_records_is_not_warned_of():
    table = pa.table({name: pa.array([], pa.int64()) for name in ("id", "label", "clean_prediction")})
    manifest = SimpleNamespace(
        model=SimpleNamespace(class_names=None), data=SimpleNamespace(class_names=None)
    )
    assert clean_warning(SimpleNamespace(table=lambda: table, manifest=manifest)) is None
