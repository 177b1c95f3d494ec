"""Folders of unknown files before a detector."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from limen.detection import Detector, Origin, Unreadable, Verdict, image_files, judge_files, train_detector
from limen.errors import UsageError
from limen.images import read_image


@pytest.fixture(scope="module")
def detector() -> Detector:
    grey = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0)).mul(9).round() / 255
    return train_detector(grey, 1 - grey * 3, Origin(features="spam", colour="luma"), learners=25)


@pytest.fixture
def folder(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (4, 20, 16, 3), dtype=np.uint8)
    (tmp_path / "more").mkdir()
    (tmp_path / ".hidden").mkdir()
    Image.fromarray(noise[0]).save(tmp_path / "b.png")
    Image.fromarray(noise[1]).save(tmp_path / "a.JPG", "JPEG")
    Image.fromarray(noise[2]).convert("L").save(tmp_path / "more" / "c.bmp")
    Image.fromarray(noise[3]).save(tmp_path / "more" / "d.webp")
    Image.fromarray(noise[3]).save(tmp_path / ".hidden" / "e.png")
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_files_are_judged_in_the_order_of_their_names_one_by_one(folder, detector):
    files = image_files(folder)
    assert [each.relative_to(folder).as_posix() for each in files] == [
        "a.JPG",
        "b.png",
        "more/c.bmp",
        "more/d.webp",
    ]
    found = list(judge_files(detector, files))
    for path, verdict in zip(files, found, strict=True):
        assert isinstance(verdict, Verdict)
        (score,), (attacked,) = detector.judge(read_image(path)[None])
        assert (verdict.path, verdict.size) == (path, (20, 16))
        assert (verdict.score, verdict.attacked) == (float(score), bool(attacked))
    assert [each.format for each in found] == ["JPEG", "PNG", "BMP", "WEBP"]
    assert [each.lossy for each in found] == [True, False, False, True]


def test_what_cannot_be_judged_is_named_with_the_reason(folder, detector):
    Image.new("RGB", (3, 9)).save(folder / "small.png")
    Image.new("RGBA", (9, 9)).save(folder / "clear.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    reasons = {
        each.path.name: each.reason
        for each in judge_files(detector, image_files(folder))
        if isinstance(each, Unreadable)
    }
    said = {
        "small.png": "9×3 pixels",
        "clear.png": "transparent",
        "broken.png": "not an image",
        "pipe.png": "pipe",
        "gone.png": "no such file",
    }
    assert reasons.keys() == said.keys()
    for name, words in said.items():
        assert words in reasons[name]
        assert str(folder) not in reasons[name]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no images.*\.png"):
        image_files(tmp_path)
    with pytest.raises(UsageError, match="no such folder"):
        image_files(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_opened_is_one_error(folder, monkeypatch):
    def denied(path, pattern):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(folder), "rglob", denied)
    with pytest.raises(UsageError, match=r"cannot be opened \(Permission denied\)"):
        image_files(folder)
