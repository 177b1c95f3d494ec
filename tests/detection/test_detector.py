"""Detectors: what they tell apart, and what becomes of them on disk."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

import limen
from limen.detection import Detector, DetectorError, Origin, read_detector, train_detector, write_detector
from limen.errors import RunError, UsageError
from limen.images import quantize


def photographs(split: str, count: int) -> Tensor:
    dataset = limen.catalog.data(f"demo:photos,split={split}")
    return torch.stack([dataset.load(place).image for place in range(count)])


def noisy(images: Tensor, strength: float = 0.03) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return quantize((images + strength * noise).clamp(0, 1))


ORIGIN = Origin(features="spam", colour="luma", attack="noise", model="none", data="demo:photos", seed=4)


@pytest.fixture(scope="module")
def clean() -> Tensor:
    return photographs("train", 24)


@pytest.fixture(scope="module")
def detector(clean) -> Detector:
    return train_detector(clean, noisy(clean), ORIGIN)


@pytest.fixture
def file(detector, tmp_path) -> Path:
    write_detector(tmp_path / "noise.safetensors", detector)
    return tmp_path / "noise.safetensors"


def test_strong_noise_is_detected(detector):
    fresh = photographs("test", 40)
    assert detector(noisy(fresh)).float().mean() > 0.9
    assert detector(fresh).float().mean() < 0.2
    assert (detector(fresh) == (detector.scores(fresh) > 0.5)).all()
    assert detector.scores(noisy(fresh)).mean() - detector.scores(fresh).mean() > 0.6


def test_clean_images_are_told_from_clean_ones_by_chance_only():
    images = photographs("train", 120)[torch.randperm(120, generator=torch.Generator().manual_seed(1))]
    guess = train_detector(images[:40], images[40:80], ORIGIN, learners=100)
    called = guess(images[80:])
    right = int((~called[:20]).sum() + called[20:].sum())
    assert 10 <= right <= 30  # of Binomial(40, ½), all but 0.1 %


def test_it_says_what_it_was_trained_on(detector):
    origin = detector.origin
    assert (origin.attack, origin.pairs, origin.size, origin.seed) == ("noise", 24, (96, 96), 4)
    assert origin.error == detector.ensemble.error < 0.2
    assert origin.versions["limen"] == limen.__version__
    assert set(origin.versions) == {"limen", "sealwatch"}


def test_scores_are_of_the_images_kind_and_of_each_image_alone(detector):
    fresh = noisy(photographs("test", 6), 0.01)
    scores = detector.scores(fresh)
    assert (scores.dtype, scores.shape) == (torch.float32, (6,))
    assert detector.scores(fresh.double()).dtype == torch.float64
    assert detector(fresh).dtype == torch.bool
    alone = torch.cat([detector.scores(fresh[[place]]) for place in range(6)])
    assert (alone == scores).all()
    assert (detector.scores(fresh.flip(0)).flip(0) == scores).all()
    assert detector.scores(fresh[:0]).shape == (0,)
    # Other sizes are judged, too.
    assert detector.scores(fresh[:, :, :50, :70]).shape == (6,)


def test_training_takes_pairs_of_images(clean):
    with pytest.raises(UsageError, match="differ in shape"):
        train_detector(clean, clean[:5])
    with pytest.raises(UsageError, match="1 pairs"):
        train_detector(clean[:1], clean[:1])


def test_the_same_seed_makes_the_same_file_and_another_seed_another(detector, clean, file, tmp_path):
    write_detector(tmp_path / "again", train_detector(clean, noisy(clean), ORIGIN))
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    write_detector(tmp_path / "other", train_detector(clean, noisy(clean), replace(ORIGIN, seed=5)))
    assert (tmp_path / "other").read_bytes() != file.read_bytes()


def test_one_that_was_read_scores_equal(detector, file):
    found, fresh = read_detector(file), noisy(photographs("test", 10), 0.01)
    assert found.origin == detector.origin
    assert (found.scores(fresh) == detector.scores(fresh)).all()
    assert (found(fresh) == detector(fresh)).all()
    assert len(set(detector.scores(fresh).tolist())) > 3


def test_an_older_file_stays_whole_where_none_can_be_written(detector, file, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    whole, newer = file.read_bytes(), replace(detector, origin=replace(detector.origin, seed=9))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="no space left"):
        write_detector(file, newer)
    assert file.read_bytes() == whole
    assert [*file.parent.iterdir()] == [file]


def test_a_folder_that_is_none_is_refused(detector, tmp_path):
    (tmp_path / "no folder").write_text("a file")
    with pytest.raises(RunError, match="no folder"):
        write_detector(tmp_path / "no folder" / "x", detector)


def changed(file: Path, arrays: dict | None = None, **origin: object) -> None:
    """Write the file anew with other arrays, or another origin."""
    found = load_file(file)
    text = safe_metadata(file) | origin
    save_file({**found, **(arrays or {})}, file, {"limen.detector": json.dumps(text)})


def safe_metadata(file: Path) -> dict:
    length = int.from_bytes(file.read_bytes()[:8], "little")
    return json.loads(json.loads(file.read_bytes()[8 : 8 + length])["__metadata__"]["limen.detector"])


def first(file: Path, name: str, value: float) -> dict:
    array = load_file(file)[name].copy()
    array.flat[0] = value
    return {name: array}


def huge(file: Path) -> None:
    header = json.dumps({"weights": {"dtype": "F64", "shape": [2**40, 2**20], "data_offsets": [0, 2**63]}})
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode())


HOSTILE = {
    "empty": (lambda file: file.write_bytes(b""), "cannot be used"),
    "truncated": (lambda file: file.write_bytes(file.read_bytes()[:-9]), "cannot be used"),
    "text": (lambda file: file.write_text("hello" * 99), "cannot be used"),
    "pickle": (lambda file: file.write_bytes(pickle.dumps(Path)), "cannot be used"),
    "missing": (lambda file: file.unlink(), "no such file"),
    "folder": (lambda file: (file.unlink(), file.mkdir()), "no such file"),
    "pipe": (lambda file: (file.unlink(), os.mkfifo(file)), "no such file"),
    "huge header": (lambda file: file.write_bytes(b"\xff" * 7 + b"\x7f{}"), "cannot be used"),
    "huge array": (huge, "cannot be used"),
    "other weights": (lambda file: save_file({"a": np.zeros(3)}, file), "holds no detector"),
    "no JSON": (lambda file: save_file({}, file, {"limen.detector": "{"}), "not valid JSON"),
    "deep JSON": (lambda file: save_file({}, file, {"limen.detector": "[" * 10**5}), "not valid JSON"),
    "list": (lambda file: save_file({}, file, {"limen.detector": "[]"}), "not a detector"),
    "newer": (lambda file: changed(file, format=2), "upgrade Limen"),
    "no format": (lambda file: changed(file, format="1"), "not a detector"),
    "features": (lambda file: changed(file, features="srm2"), "unknown features 'srm2'"),
    "colour": (lambda file: changed(file, colour="red"), "colour is 'red'"),
    "pairs": (lambda file: changed(file, pairs="many"), "pairs is 'many': expected a valid integer"),
    "few pairs": (lambda file: changed(file, pairs=1), "out of range"),
    "seed": (lambda file: changed(file, seed=-1), "out of range"),
    "error": (lambda file: changed(file, error=2.0), "out of range"),
    "size": (lambda file: changed(file, size=[96]), "size lacks value 1"),
    "further array": (lambda file: changed(file, {"more": np.zeros(2)}), "expected the arrays"),
    "dtype": (lambda file: changed(file, {"weights": np.zeros((25, 5), "f4")}), "F32"),
    "dimensions": (lambda file: changed(file, {"thresholds": np.zeros((25, 1))}), "expected F64 of 1"),
    "learners": (lambda file: changed(file, {"thresholds": np.zeros(3)}), "are not those of"),
    "no learner": (lambda file: changed(file, {"subspaces": np.zeros((0, 5), "i4")}), "cannot be"),
    "too many": (lambda file: changed(file, {"subspaces": np.zeros((501, 5), "i4")}), "501 learners"),
    "too wide": (lambda file: changed(file, {"subspaces": np.zeros((25, 687), "i4")}), "687 of 686"),
    "NaN": (lambda file: changed(file, first(file, "weights", np.nan)), "not finite"),
    "infinite": (lambda file: changed(file, first(file, "thresholds", np.inf)), "not finite"),
    "negative": (lambda file: changed(file, first(file, "subspaces", -1)), "rising numbers below 686"),
    "twice": (lambda file: changed(file, first(file, "subspaces", 685)), "rising numbers below 686"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_broken_or_hostile_file_is_one_clear_error(name, file):
    spoil, said = HOSTILE[name]
    spoil(file)
    with pytest.raises(DetectorError, match=said) as caught:
        read_detector(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_cut_anywhere_is_refused(file):
    whole = file.read_bytes()
    for length in range(0, len(whole), len(whole) // 50):
        file.write_bytes(whole[:length])
        with pytest.raises(DetectorError):
            read_detector(file)
    file.write_bytes(whole)
    read_detector(file)
