"""`limen attack`, from specs to run and page, and every mistake that its user can make."""

from __future__ import annotations

import importlib.metadata
import resource
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from limen.analysis import rows_of, table
from limen.errors import LimenWarning
from limen.runs import Run, open_run

MODEL = ("--model", "python:nets.py:lamp")
DATA = ("--data", "folder:photos")
FGSM = ("--attack", "fgsm:eps=0.1")
OUT = ("--out", "run")
ALL = ("attack", *MODEL, *DATA, *FGSM, *OUT)


def plain(text: str) -> str:
    """An error of typer's, whose box breaks lines, as one line."""
    return " ".join(text.replace("│", " ").split())


def shares(run: Run, statistic: str) -> list[tuple[float, int]]:
    """A share of each attack, and over how many images it is."""
    rows = rows_of(table({"run": run}), statistic=statistic)
    return [(row["value"], row["images"]) for row in rows]


def test_a_run_fools_the_model_and_leaves_run_and_page(limen, workshop):
    result = limen(*ALL)
    assert result.exit_code == 0, result.stderr
    run = open_run(workshop / "run")
    assert shares(run, "clean accuracy") == shares(run, "success") == [(1.0, 8)]
    assert run.manifest.model.spec == "python:nets.py:lamp"
    assert "fgsm:eps=0.1" in result.stdout
    assert "100\N{NO-BREAK SPACE}%" in result.stdout
    assert "page run/report.html" in result.stdout.replace(str(workshop) + "/", "")
    assert (workshop / "run" / "report.html").stat().st_size > 1000
    assert "fgsm:eps=0.1: 8 of 8 images" in result.stderr


def test_limit_no_report_and_float_pixels_are_obeyed(limen, workshop):
    result = limen(*ALL, "--limit", 3, "--no-report", "--lattice", "none", "--seed", 7, "--batch-size", 2)
    assert result.exit_code == 0, result.stderr
    run = open_run(workshop / "run")
    assert run.table().num_rows == 3
    assert run.manifest.settings.lattice is None
    assert run.manifest.settings.seed == 7
    assert not (workshop / "run" / "report.html").exists()
    assert "page" not in result.stdout


def test_the_same_command_again_repeats_nothing_and_further_attacks_are_added(limen, workshop):
    limen(*ALL, "--limit", 3)
    before = {path: path.stat().st_mtime_ns for path in (workshop / "run").rglob("*.png")}
    assert limen(*ALL, "--attack", "fgsm:eps=0.2").exit_code == 0
    run = open_run(workshop / "run")
    assert shares(run, "clean accuracy") == [(1.0, 8)] * 3  # each, and both together
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_grid_of_budgets_becomes_an_attack_a_budget(limen, workshop):
    arguments = ("attack", *MODEL, *DATA, *OUT, "--no-report", "--attack")
    assert limen(*arguments, "fgsm:eps=0.1").exit_code == 0
    result = limen(*arguments, "fgsm:eps=0.01,0.1,0.2")
    assert result.exit_code == 0, result.stderr
    run = open_run(workshop / "run")
    assert run.manifest.labels == ("fgsm:eps=0.1", "fgsm:eps=0.01", "fgsm:eps=0.2")
    # Each budget, and all together.
    assert shares(run, "clean accuracy") == [(1.0, 8)] * 4
    assert "fgsm:eps=0.2: 8 of 8 images" in result.stderr


def test_other_settings_than_the_runs_are_refused_and_nothing_is_lost(limen, workshop):
    limen(*ALL)
    result = limen(*ALL, "--seed", 1)
    assert result.exit_code == 2
    assert (
        "run: the run there has other settings (seed: 0 in the run, 1 now); choose another --out"
        in result.stderr
    )
    assert open_run(workshop / "run").table().num_rows == 8


def test_a_foreign_folder_is_not_touched(limen, workshop):
    (workshop / "run").mkdir()
    (workshop / "run" / "thesis.tex").write_text("mine")
    result = limen(*ALL)
    assert result.exit_code == 2
    assert "not empty and not a run; choose another --out" in result.stderr
    assert [path.name for path in (workshop / "run").iterdir()] == ["thesis.tex"]


def test_bad_images_in_a_folder_are_reported_skipped_and_counted(limen, workshop, photo):
    photos = workshop / "photos" / "dark"
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(photos / "deep.png")
    photo(photos / "print.jpg", 100, mode="CMYK")
    whole = (photos / "0.png").read_bytes()
    (photos / "torn.png").write_bytes(whole[: len(whole) // 2])
    result = limen(*ALL)
    assert result.exit_code == 0, result.stderr
    assert "skipped dark/deep.png" in result.stderr
    assert "16-bit; convert it to 8-bit RGB" in result.stderr
    assert "CMYK; convert it to 8-bit RGB" in result.stderr
    assert "torn.png: cannot be read" in result.stderr
    run = open_run(workshop / "run")
    assert {image.id for image in run.manifest.skipped} == {
        "dark/deep.png",
        "dark/print.jpg",
        "dark/torn.png",
    }
    assert run.table().num_rows == 8


def test_of_many_bad_images_the_first_are_named_and_the_rest_counted(limen, workshop):
    for number in range(7):
        (workshop / "photos" / "dark" / f"x{number}.png").write_bytes(b"no image")
    result = limen(*ALL, "--no-report")
    assert result.exit_code == 0, result.stderr
    assert "skipped dark/x4.png" in result.stderr
    assert "skipped dark/x5.png" not in result.stderr
    assert "skipped 7 images in all; run.json names the others" in result.stderr


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        (
            ("--attack", "fgsm:epss=1"),
            2,
            "attack spec 'fgsm:epss=1': unknown parameter 'epss'; did you mean 'eps'?",
        ),
        (
            ("--attack", "fgsm:eps=big"),
            2,
            "attack spec 'fgsm:eps=big': eps must be number, not 'big'. fgsm accepts",
        ),
        (("--attack", "pgd_l2:steps=5,6"), 2, "steps takes one value for all images"),
        (("--attack", "fgms"), 2, "attack spec 'fgms': unknown attack 'fgms'; did you mean 'fg"),
        (("--attack", "fgsm:eps=-1"), 2, "attack spec 'fgsm:eps=-1': eps"),
        (("--model", "pyton:nets.py:lamp"), 2, "unknown model 'pyton'; did you mean 'python'?"),
        (
            ("--model", "python:nets.py"),
            2,
            "python:nets.py names nothing in a file; write python:FILE.py:NAME",
        ),
        (("--model", "python:nets.py:lump"), 2, "unknown function in nets.py 'lump'; did you mean 'lamp'?"),
        (("--model", "python:nots.py:lamp"), 1, "nots.py: no such file"),
        (("--model", "python:nets.py:broken"), 1, "the model raised RuntimeError"),
        (("--model", "python:nets.py:nan"), 1, "the model returned NaN or infinite logits for 8 of 8 images"),
        (("--model", "python:nets.py:one_logit"), 1, "expected (N, K) logits of K >= 2 classes"),
        (("--model", "python:nets.py:training_mode"), 2, "is a batch norm without running statistics"),
        (("--data", "folder:fotos"), 2, "data spec 'folder:fotos': fotos: no such folder"),
        (("--data", "folder"), 2, "data spec 'folder': folder needs PATH: write folder:PATH"),
        (("--data", "folder:empty"), 1, "empty: no images; expected one folder a class"),
        (("--data", "folder:sizes"), 1, "add size=224 (or another size) to resize all images"),
        (("--data", "folder:three"), 2, "image 'c/0.png' has label 2, but the model has 2 classes"),
        (("--data", "folder:photos,classes=classes.txt"), 1, "class 'light' is not in classes.txt"),
        (("--data", "npz:hwc.npz"), 1, "x has shape (2, 8, 8, 3); floats are (N, C, H, W)"),
        (("--data", "npz:bytes.npz"), 1, "x reaches from 0 to 255; scale it to [0, 1], or store uint8"),
        (("--data", "npz:nan.npz"), 1, "x reaches from nan to nan; scale it to [0, 1]"),
        (("--data", "npz:chw.npz"), 1, "expected uint8 of shape (N, H, W, C)"),
        (("--device", "cuda"), 2, "this torch sees no CUDA device; use cpu"),
        (("--device", "gpu"), 2, "unknown device 'gpu'"),
        (("--targeted",), 2, "names no target classes; say which to aim at"),
        (("--limit", "0"), 2, "--limit"),
        (("--batch-size", "0"), 2, "--batch-size"),
        (("--lattice", "256"), 2, "'256' is not one of '255', 'none'"),
        (("--atack", "ddn"), 2, "--atack"),
    ],
)
def test_a_mistake_is_one_clear_message_and_an_exit_code(limen, workshop, photo, changed, code, message):
    if changed[-1] == "cuda":
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("has a CUDA device")
    lay_traps(workshop, photo)
    result = (
        limen(*ALL, *changed) if changed[0] != "--attack" else limen("attack", *MODEL, *DATA, *OUT, *changed)
    )
    assert result.exit_code == code, result.stderr
    assert message in plain(result.stderr)
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def lay_traps(folder: Path, photo: Callable[..., None]) -> None:
    (folder / "empty").mkdir()
    (folder / "classes.txt").write_text("dark\nbright\n")
    photo(folder / "sizes" / "a" / "0.png", 100, size=16)
    photo(folder / "sizes" / "a" / "1.png", 100, size=17)
    for name in "abc":
        photo(folder / "three" / name / "0.png", 100)
    labels = np.array([0, 1])
    floats = np.full((2, 8, 8, 3), 0.5, np.float32)
    channels_first = floats.transpose(0, 3, 1, 2)
    np.savez(folder / "hwc.npz", x=floats, y=labels)
    np.savez(folder / "bytes.npz", x=np.stack([channels_first[0] * 0, channels_first[0] * 510]), y=labels)
    np.savez(folder / "nan.npz", x=channels_first * np.nan, y=labels)
    np.savez(folder / "chw.npz", x=channels_first.astype(np.uint8), y=labels)


def test_missing_options_are_named(limen):
    result = limen("attack")
    assert result.exit_code == 2
    assert "Missing option '--model'" in plain(result.stderr)


def test_a_full_disk_ends_the_run_with_what_was_finished_kept(limen, workshop):
    assert limen(*ALL, "--limit", 4, "--no-report").exit_code == 0
    # A limit on the size of a file stands in for a full disk: both make a write fail halfway.
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, unlimited[1]))
    try:
        result = limen(*ALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert result.exit_code == 1, result.stderr
    assert "What was finished before is kept: the same command resumes there" in result.stderr
    assert "Traceback" not in result.stderr
    assert open_run(workshop / "run").table().num_rows == 4
    assert limen(*ALL).exit_code == 0
    assert open_run(workshop / "run").table().num_rows == 8


def test_defences_stand_before_the_model_in_the_order_given_and_are_said_everywhere(limen, workshop):
    (workshop / "dim.py").write_text("def dim(images, by: float = 0.5):\n    return images * by\n")
    chain = ("--defense", "python:dim.py:dim,by=0.8", "--defense", "bilateral:radius=2")
    result = limen(*ALL, *chain)
    assert result.exit_code == 0, result.stderr
    # Written as one chain, it is the same run.
    assert limen(*ALL, "--defense", "python:dim.py:dim,by=0.8+bilateral:radius=2").exit_code == 0
    said = "python:dim.py:dim,by=0.8, then bilateral:radius=2"
    assert f"the model is behind {said}" in result.stdout
    assert said in (workshop / "run" / "report.html").read_text()
    model = open_run(workshop / "run").manifest.model
    assert [each.label for each in model.defenses] == ["python:dim.py:dim,by=0.8", "bilateral:radius=2"]
    bare = limen(*ALL)
    assert bare.exit_code == 2
    assert f"defenses: '{said}' in the run, '' now" in bare.stderr


def test_the_same_attack_written_in_another_way_is_not_run_again(limen, workshop):
    first = ("attack", *MODEL, *DATA, *OUT, "--no-report", "--attack")
    assert limen(*first, "ifgsm:eps=0.1,steps=3").exit_code == 0
    again = limen(*first, "ifgsm:steps=3,eps=0.1,early_stop=false")
    assert again.exit_code == 0, again.stderr
    run = open_run(workshop / "run")
    assert run.manifest.labels == ("ifgsm:eps=0.1,steps=3",)
    assert run.table().num_rows == 8


def test_an_attack_of_ones_own_runs_from_the_command_line(limen, workshop):
    (workshop / "mine.py").write_text(
        "import limen\ndef mine(steps=2):\n    return limen.attacks.ddn(steps=steps)\n"
    )
    result = limen("attack", *MODEL, *DATA, *OUT, "--attack", "python:mine.py:mine,steps=3")
    assert result.exit_code == 0, result.stderr
    assert open_run(workshop / "run").manifest.labels == ("python:mine.py:mine,steps=3",)
    (workshop / "mine.py").write_text("import limen\ndef mine(steps=2):\n    return limen.attacks.fgsm()\n")
    result = limen("attack", *MODEL, *DATA, *OUT, "--attack", "python:mine.py:mine,steps=3")
    assert result.exit_code == 2
    assert "is not the one of this name in the run (its file has changed)" in result.stderr


def test_attacks_of_other_libraries_stand_beside_limens_own_in_one_run_and_page(limen, workshop):
    (workshop / "mine.py").write_text(
        "def lift(model, images, labels, eps: float = 0.2): return images + eps\n"
    )
    labels = [
        "foolbox:LinfPGD,eps=0.1,steps=3",
        "foolbox:LinfPGD,eps=0.3,steps=3",
        "torchattacks:CW,c=20,steps=5",
        "python:mine.py:lift,eps=0.3",
        "fgsm:eps=0.3",
    ]
    specs = ["foolbox:LinfPGD,eps=0.1,0.3,steps=3", *labels[2:]]
    named = [word for spec in specs for word in ("--attack", spec)]
    command = ("attack", "--model", "demo:digits", "--data", "demo:digits,count=6", *named, *OUT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)  # of values outside [0, 1], which a lift makes
        result = limen(*command)
    assert result.exit_code == 0, result.stderr
    run = open_run("run")
    assert list(run.manifest.labels) == labels
    records = run.table().to_pandas().set_index("attack")
    assert (records.clean_prediction == records.label).all()
    assert records.loc[labels[1]].success.mean() > records.loc[labels[0]].success.mean()
    assert not records.loc[labels[3]].success.any()
    assert (records.loc[labels[1]].linf.dropna() <= 0.3 + 1e-6).all()
    assert (records.loc[labels[1]].backwards == 3).all()
    identity = run.manifest.attacks[0].identity
    assert identity.parameters["foolbox"] == importlib.metadata.version("foolbox")
    page = Path("run", "report.html").read_text(encoding="utf-8")
    assert all(label in page for label in labels)
