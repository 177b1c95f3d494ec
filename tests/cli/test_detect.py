"""`limen detect`: a detector from a run, and its word on a folder."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from limen.detection import read_detector
from limen.images import read_image

LABEL = "fgsm:eps=0.06"


@pytest.fixture
def folder(run) -> Path:
    """Originals and attacked images of the run, under other names."""
    made = Path("unknown")
    for kind, label in (("clean", "original"), ("changed", LABEL.replace(":", "-"))):
        (source,) = [each for each in (run / "images").iterdir() if each.name.startswith(label[:4])]
        for number, path in enumerate(sorted(source.iterdir())):
            (made / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, made / kind / f"{number}.png")
    return made


@pytest.fixture
def detector(run, limen) -> Path:
    trained = limen("detect", "--train", "run", "--attack", LABEL, "--out", "fgsm.detector")
    assert trained.exit_code == 0
    return Path("fgsm.detector")


def test_a_run_teaches_a_detector(run, limen):
    result = limen("detect", "--train", "run", "--attack", LABEL, "--out", "one", "--seed", 2)
    assert result.exit_code == 0
    origin = read_detector("one").origin
    assert (origin.attack, origin.seed, origin.features, origin.colour) == (LABEL, 2, "spam", "luma")
    assert f"trained on {origin.pairs} pairs of {LABEL}" in result.stdout
    assert "detector one" in result.stdout
    limen("detect", "--train", "run", "--attack", LABEL, "--out", "two", "--colour", "channels")
    assert read_detector("two").origin.colour == "channels"


def test_each_file_has_a_line_with_score_and_verdict(folder, detector, limen):
    result = limen("detect", folder, "--detector", detector, "--csv", "found.csv")
    assert result.exit_code == 0
    with open("found.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    files = sorted(folder.rglob("*.png"))
    assert [row["file"] for row in rows] == [each.as_posix() for each in files]
    known = read_detector(detector)
    for path, row in zip(files, rows, strict=True):
        (score,), (attacked,) = known.judge(read_image(path)[None])
        assert float(row["score"]) == float(score)
        assert (row["attacked"], row["format"], row["height"]) == (str(bool(attacked)).lower(), "PNG", "96")
        (line,) = [
            each for each in result.stdout.splitlines() if f" {path.relative_to(folder).as_posix()} " in each
        ]
        assert ("not attacked" in line) == (not attacked)
        assert "96×96" in line
    changed = [row["attacked"] for row in rows if "changed" in row["file"]]
    assert changed.count("true") >= len(changed) - 1
    assert "csv found.csv" in result.stdout
    said = " ".join(result.stdout.split())
    assert f"{sum(row['attacked'] == 'true' for row in rows)} of {len(rows)} images" in said
    assert "lossy" not in said
    assert "another size" not in said


def test_what_cannot_be_read_is_named_and_the_rest_is_judged(folder, detector, limen):
    (folder / "broken.png").write_bytes(b"no image")
    result = limen("detect", folder, "--detector", detector)
    assert result.exit_code == 0
    assert "skipped unknown/broken.png: not an image" in result.stderr
    assert "clean/0.png" in result.stdout


def test_lossy_formats_and_other_sizes_get_a_word(folder, detector, limen):
    with Image.open(folder / "clean" / "0.png") as image:
        image.save(folder / "photo.jpg")
        image.crop((0, 0, 50, 40)).save(folder / "small.png")
    result = limen("detect", folder, "--detector", detector)
    said = " ".join(result.stdout.split())
    assert "1 in a lossy format: the detector was trained on images stored without loss" in said
    assert "JPEG, lossy" in said
    assert "1 of another size than the 96×96 pixels" in said


def test_a_folder_of_which_nothing_can_be_read_is_a_failure(detector, limen):
    Path("bad").mkdir()
    Path("bad/broken.png").write_bytes(b"no image")
    result = limen("detect", "bad", "--detector", detector)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "bad: none of its images could be read" in result.stderr


def test_a_broken_detector_is_a_failure(folder, limen):
    Path("broken").write_bytes(b"x" * 100)
    result = limen("detect", folder, "--detector", "broken")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: broken: cannot be used as a detector")


def test_a_csv_that_cannot_be_written_is_a_failure(folder, detector, limen):
    result = limen("detect", folder, "--detector", detector, "--csv", "nowhere/found.csv")
    assert result.exit_code == 1
    assert "nowhere/found.csv: cannot be written" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give FOLDER and --detector FILE"),
        (("unknown",), "give FOLDER and --detector FILE"),
        (("--detector", "x"), "give FOLDER and --detector FILE"),
        (("unknown", "--detector", "x", "--attack", LABEL), "--attack and --out are of --train"),
        (("unknown", "--train", "run", "--out", "x"), "--train makes a detector"),
        (("--train", "run"), "--train needs --out"),
        (("--train", "run", "--out", "x"), "has 2 attacks; name one"),
        (("--train", "run", "--out", "x", "--attack", "pgd"), "unknown attack 'pgd'"),
        (("--train", "nowhere", "--out", "x"), "nowhere"),
        (("--train", "run", "--out", "x", "--features", "dctr"), "dctr"),
    ],
)
def test_wrong_arguments_are_refused(run, limen, arguments, said):
    result = limen("detect", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("x").exists()


def test_a_missing_folder_is_a_wrong_argument(detector, limen):
    result = limen("detect", "nowhere", "--detector", detector)
    assert (result.exit_code, result.stderr) == (2, "error: nowhere: no such folder\n")
