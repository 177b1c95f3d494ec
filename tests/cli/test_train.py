"""`limen train` writes weights that a model spec can name."""

from __future__ import annotations

import re

from limen import catalog


def test_trained_weights_load_by_spec_and_do_what_was_printed(limen, workshop):
    arguments = (
        "--model",
        "demo:digits",
        "--data",
        "demo:digits,count=200",
        "--epochs",
        2,
        "--out",
        "d.safetensors",
    )
    result = limen("train", *arguments)
    assert result.exit_code == 0, result.stderr
    epochs = [line for line in result.stderr.splitlines() if line.startswith("epoch")]
    assert [line.split(":")[0] for line in epochs] == ["epoch 1", "epoch 2"]
    (accuracy,) = re.findall(r"accuracy (\S+),", epochs[1])
    files = ["weights  d.safetensors", "page     d.html"]
    assert result.stdout.splitlines() == [f"accuracy {accuracy}", *files]
    assert len(catalog.model("demo:digits,weights=d.safetensors").class_names or ()) == 10


def test_a_training_against_an_attack_keeps_the_best_a_page_and_logs(limen, workshop):
    what = ("--model", "demo:digits", "--data", "demo:digits,count=64", "--epochs", 2, "--batch-size", 16)
    how = (
        "--optimizer",
        "sgd:learning_rate=0.05",
        "--schedule",
        "cosine",
        "--augment",
        "crop:padding=1+flip",
    )
    attacked = ("--objective", "adversarial:attack=fgsm:eps=0.1,share=0.5", "--validate", "fgsm:eps=0.1")
    rest = (
        "--clip",
        5,
        "--workers",
        1,
        "--validate-count",
        20,
        "--log",
        "logs",
        "--out",
        "robust.safetensors",
    )
    result = limen("train", *what, *how, *attacked, *rest)
    assert result.exit_code == 0, result.stderr
    assert "under attack" in result.stderr
    assert re.match(r"accuracy \S+%, under attack \S+%\n", result.stdout)
    for line in ("weights  robust.safetensors", "best     robust.best.safetensors", "page     robust.html"):
        assert line in result.stdout
    page = (workshop / "robust.html").read_text(encoding="utf-8")
    for text in (
        "Limen training",
        "Training of demo:digits",
        "robust accuracy",
        "crop:padding=1+flip",
        "<svg",
    ):
        assert text in page
    assert list((workshop / "logs").iterdir())
    for name in ("robust", "robust.best"):
        assert catalog.model(f"demo:digits,weights={name}.safetensors").class_names == tuple("0123456789")


def test_the_seed_decides_what_is_learned(limen, workshop):
    def trained(name: str, seed: int) -> str:
        data = ("--model", "demo:digits", "--data", "demo:digits,count=20", "--epochs", 1)
        assert limen("train", *data, "--seed", seed, "--out", name).exit_code == 0
        return catalog.model(f"demo:digits,weights={name}").fingerprint()

    first = trained("first.safetensors", 1)
    assert trained("again.safetensors", 1) == first
    assert trained("other.safetensors", 2) != first


def test_mistakes_are_one_clear_message(limen, workshop):
    result = limen("train", "--out", "weights.pt")
    assert result.exit_code == 2
    assert "weights are written as .safetensors" in result.stderr
    result = limen("train", "--out", "w.safetensors", "--model", "demo:fotos", "--data", "demo:photos")
    assert result.exit_code == 2
    assert "did you mean 'photos'?" in result.stderr


def test_group_dro_learns_fixed_scenes_drawn_evenly_and_its_weights_are_shown(limen, workshop):
    what = ("--model", "demo:photos", "--data", "demo:scenes,size=32,count=14", "--epochs", 2, "--fixed")
    how = (
        "--objective",
        "group_dro:step_size=0.1",
        "--sampling",
        "balanced:count=16",
        "--out",
        "g.safetensors",
    )
    result = limen("train", *what, *how)
    assert result.exit_code == 0, result.stderr
    page = (workshop / "g.html").read_text(encoding="utf-8")
    for text in ("State of the objective", "weight of night", "balanced:count=16"):
        assert text in page, text
