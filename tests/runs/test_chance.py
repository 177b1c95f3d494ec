"""A share of correct answers is called chance where a binomial test cannot tell it from guessing."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from limen.report import write_page
from limen.runs import clean_warning, create_or_resume, near_chance, open_run


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


@pytest.mark.parametrize("wrong", [5, 3, 1, 0])
def test_a_run_whose_clean_images_tell_nothing_says_so_and_its_page_too(
    tmp_path, manifest, row, pixels, wrong
):
    rows = [row(str(place), place, label=1, clean_prediction=int(place >= wrong)) for place in range(6)]
    with create_or_resume(tmp_path, manifest) as run:
        for label in ("ddn", "fgsm:eps=0.1"):
            run.write(label, rows, {each["id"]: pixels(0) for each in rows})
        run.write_originals({each["id"]: pixels(0) for each in rows})
    warning = clean_warning(open_run(tmp_path))
    # 2 classes: of 6 images, 3 right are no surprise, 5 happen in 11 % and 6 in 2 %.
    said = f"only {6 - wrong} of 6 images as they are labelled, no better than by chance among 2 classes"
    assert (warning is not None and said in warning) == (wrong >= 1)
    assert (said in write_page([tmp_path]).read_text(encoding="utf-8")) == (wrong >= 1)
