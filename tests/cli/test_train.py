"""`limen train` writes weights that a model spec can name."""

from __future__ import annotations

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
    assert "epoch 2: loss" in result.stderr
    assert "epoch 3" not in result.stderr
    assert "weights  d.safetensors" in result.stdout
    assert len(catalog.model("demo:digits,weights=d.safetensors").class_names or ()) == 10


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
