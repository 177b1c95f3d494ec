from __future__ import annotations

import json

import pytest
import torch

from limen import models
from limen.classifier import ModelError
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.training import train_network


def test_a_network_is_trained_from_specs_into_a_file_that_the_demo_loads(tmp_path):
    out = tmp_path / "new" / "digits.safetensors"
    history = train_network("demo:digits", "demo:digits,count=400", out, epochs=2)
    classifier = models.demo("digits", weights=out)
    assert history[-1].accuracy > 0.7
    assert classifier.class_names == tuple("0123456789")
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    metadata = models.read_metadata(out)
    assert metadata["data"] == "demo:digits,split=train,count=400"
    assert json.loads(metadata["settings"])["epochs"] == 2
    assert float(metadata["accuracy"]) == pytest.approx(history[-1].accuracy, abs=1e-4)


def test_seeds_decide_the_weights(tmp_path):
    prints = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / f"{name}.safetensors"
        train_network("demo:digits", "demo:digits,count=32", out, epochs=1, seed=seed)
        prints.append(models.demo("digits", weights=out).fingerprint())
        torch.rand(3)
    assert prints[0] == prints[1] != prints[2]


def test_an_interrupted_training_goes_on_from_its_checkpoint(tmp_path):
    def interrupt(epoch):
        if epoch.number == 1:
            raise KeyboardInterrupt

    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    train_network("demo:digits", "demo:digits,count=64", whole, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        train_network("demo:digits", "demo:digits,count=64", parts, epochs=2, progress=interrupt)
    assert not parts.exists()
    seen = []
    train_network("demo:digits", "demo:digits,count=64", parts, epochs=2, progress=seen.append)
    assert [epoch.number for epoch in seen] == [2]
    assert parts.read_bytes()[:8] == whole.read_bytes()[:8]
    ours, theirs = models.read_weights(parts), models.read_weights(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    ("model", "data", "out", "error", "message"),
    [
        ("demo:digit", "demo:digits", "a.safetensors", UnknownNameError, "did you mean 'demo:digits'"),
        ("demo:digits", "demo:digits", "a.pth", UsageError, "give it that suffix|give the file that suffix"),
        ("demo:digits", "demo:photos,count=12", "a.safetensors", ModelError, "1, 28, 28|channels"),
        ("demo:digits", "demo:digit", "a.safetensors", UsageError, "did you mean"),
        ("demo:digits", "npz:a.npz", "a.safetensors", LimenError, r"a\.npz"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_error(tmp_path, model, data, out, error, message):
    with pytest.raises(error, match=message):
        train_network(model, data, tmp_path / out, epochs=1)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LimenError, match="file"):
        train_network("demo:digits", "demo:digits,count=32", tmp_path / "file" / "a.safetensors", epochs=1)
