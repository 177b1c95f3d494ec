from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import torch

from limen.data import DataError, batches, mnist
from limen.errors import UsageError


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def files(tmp_path):
    images = np.arange(2 * 28 * 28, dtype=np.uint8).reshape(2, 28, 28)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.array([7, 3], np.uint8))))
    return tmp_path


def test_plain_and_compressed_files_are_read(files):
    sample = mnist(files).load(1)
    assert sample.label == 3
    assert sample.image.shape == (1, 28, 28)
    assert sample.image[0, 0, 1].mul(255).item() == (784 + 1) % 256


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (b"\x80\x04pickle", "not an idx file"),
        (idx(np.zeros((2, 28, 28), np.uint8))[:-5], "holds 1563 bytes where 1568 belong"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "it would take 79228162458.9 EB of memory"),
        (idx(np.zeros((3, 28, 28), np.uint8)), "expected 3 integers"),
    ],
    ids=["empty", "pickle", "short", "huge", "images for labels"],
)
def test_a_broken_file_is_refused(files, content, message):
    (files / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=message):
        mnist(files)


def test_a_truncated_archive_is_refused(files):
    archive = files / "t10k-labels-idx1-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:-6])
    with pytest.raises(DataError, match="cannot be read"):
        mnist(files)


def test_a_label_above_nine_is_refused(files):
    (files / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.array([7, 10], np.uint8))))
    with pytest.raises(DataError, match="label 10 of sample 1"):
        mnist(files)


def test_a_missing_part_or_folder_is_refused(files):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte: no such file, with or without \.gz"):
        mnist(files, split="train")
    with pytest.raises(UsageError, match="no such folder"):
        mnist(files / "nowhere")


@pytest.mark.data
def test_the_real_digits_are_read_and_a_trained_network_knows_them(real_data, nets):
    dataset = mnist(real_data / "mnist")
    assert len(dataset) == 10000
    batch = next(batches(dataset, range(200), 200, pytest.fail))
    with torch.no_grad():
        right = nets.mnist_cnn()(batch.images).argmax(1) == batch.labels
    assert right.float().mean() > 0.95


@pytest.mark.data
def test_the_real_training_part_is_read(real_data):
    assert len(mnist(real_data / "mnist", split="train")) == 60000
