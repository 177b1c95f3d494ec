from __future__ import annotations

import numpy as np
import pytest

from limen.runs import create_or_resume, open_run, summarize


def test_both_denominators_and_distances_over_correct_successes(tmp_path, manifest, row, pixels):
    rows = [
        row("right-fooled", 0, l2=1.0, psnr=np.inf, seconds=1.0),
        row("right-fooled-too", 1, l2=4.0, forwards=11),
        row("right-fooled-three", 2, l2=2.5),
        row("right-held", 3, success=False),
        row("wrong-anyway", 4, clean_prediction=0, l2=0.0),
    ]
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", rows, {each["id"]: pixels(0) for each in rows})
    fgsm, ddn = summarize(open_run(tmp_path))
    assert (ddn.label, ddn.images, ddn.correct) == ("ddn", 5, 4)
    assert ddn.success_all == pytest.approx(4 / 5)
    assert ddn.success_correct == pytest.approx(3 / 4)
    assert ddn.success_interval == (pytest.approx(1 / 4), 1.0)
    assert ddn.medians["l2"] == pytest.approx(2.5)
    assert ddn.means["l2"] == pytest.approx(7.5 / 3)
    assert ddn.medians["psnr"] == pytest.approx(0.25)
    assert ddn.means["psnr"] == pytest.approx(0.25)
    assert ddn.forwards == pytest.approx((4 * 5 + 11) / 5)
    assert ddn.seconds == pytest.approx(0.6)
    assert (fgsm.label, fgsm.images, fgsm.correct) == ("fgsm:eps=0.1", 0, 0)
    assert (fgsm.success_all, fgsm.success_correct, fgsm.success_interval, fgsm.forwards) == (None,) * 4
    assert fgsm.seconds is None
    assert set(fgsm.medians.values()) == set(fgsm.means.values()) == {None}


def test_an_attack_that_fools_nothing_has_no_distances(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("a", success=False)], {"a": pixels(0)})
    ddn = summarize(open_run(tmp_path))[1]
    assert (ddn.success_all, ddn.success_correct) == (0.0, 0.0)
    assert set(ddn.medians.values()) == {None}
