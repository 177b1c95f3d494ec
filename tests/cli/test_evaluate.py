"""`limen evaluate` measures more of a run, keeps it there, and refuses what makes no sense."""

from __future__ import annotations

import pytest

from limen.runs import open_run, read_magnification


def test_magnified_pictures_are_kept_in_the_run_and_shown(limen, run):
    result = limen("evaluate", "run", "--magnify", "--images", "2")
    assert result.exit_code == 0, result.stderr
    assert "2 images magnified" in result.stdout
    pictured = read_magnification(open_run(run)).pictured
    assert len(pictured) == 2
    page = (run / "report.html").read_text(encoding="utf-8")
    assert all(f"Magnified original of {image_id}" in page for image_id in pictured)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--distance", "l3"), 2, "unknown distance 'l3'; did you mean 'l"),
        (("--against", "dnn:steps=8"), 2, "unknown attack 'dnn:steps=8'; did you mean 'ddn:steps=8'?"),
        (("--csv", "nowhere/figures.csv"), 1, "nowhere/figures.csv: cannot be written"),
        (("--layer", "4.body"), 2, "--layer belongs to --overlap, which is not given"),
        (("--batch-size", "32"), 2, "--batch-size belongs to --overlap, which is not given"),
        (("--magnify", "--batch-size", "32"), 2, "--batch-size belongs to --overlap, which is not given"),
        (("--images", "4"), 2, "--images belongs to --overlap or --magnify, which is not given"),
        (("--magnify", "--device", "gpu"), 2, "unknown device 'gpu'"),
        (("--overlap", "grad-cam"), 2, "'grad-cam' is not one of 'cam', 'gradcam', 'gradcam++'"),
        (("--overlap", "gradcam", "--layer", "4.bdy"), 2, "unknown layer '4.bdy'; did you mean '4.body'?"),
        (("--overlap", "gradcam", "--layer", "9"), 2, "layer '9' gives no feature map"),
        (("--overlap", "gradcam", "--limit", "0"), 2, "--limit"),
        (("--overlap", "gradcam", "--device", "gpu"), 2, "unknown device 'gpu'"),
    ],
)
def test_a_mistake_is_one_clear_message_and_an_exit_code(limen, run, arguments, code, message):
    result = limen("evaluate", "run", *arguments)
    assert result.exit_code == code, result.stderr
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr
    assert not (run / "evaluation").exists()
    assert not (run / "report.html").exists()
