from __future__ import annotations

import numpy as np
import pytest
import torch

from limen.data import DataError, batches, cifar10


@pytest.fixture
def arrays():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    return pixels, np.array([9, 0, 3, 5])


def binary(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    planes = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    return np.concatenate([labels[:, None].astype(np.uint8), planes], axis=1).tobytes()


def test_npz_and_binary_files_hold_the_same_images(tmp_path, arrays):
    pixels, labels = arrays
    for name in ("npz", "bin"):
        (tmp_path / name).mkdir()
    np.savez(tmp_path / "npz" / "test4.npz", x=pixels, y=labels)
    np.savez(tmp_path / "npz" / "train1.npz", x=pixels[:1], y=labels[:1])
    (tmp_path / "bin" / "test_batch.bin").write_bytes(binary(pixels, labels))
    (tmp_path / "bin" / "data_batch_1.bin").write_bytes(binary(pixels[:2], labels[:2]))
    (tmp_path / "bin" / "data_batch_2.bin").write_bytes(binary(pixels[2:], labels[2:]))
    for dataset in (
        cifar10(tmp_path / "npz"),
        cifar10(tmp_path / "bin"),
        cifar10(tmp_path / "bin", split="train"),
    ):
        batch = next(batches(dataset, range(4), 4, pytest.fail))
        assert np.array_equal(batch.images.mul(255).round().byte().permute(0, 2, 3, 1).numpy(), pixels)
        assert batch.labels.tolist() == labels.tolist()
    assert len(cifar10(tmp_path / "npz", split="train")) == 1
    assert cifar10(tmp_path / "npz").class_names[3] == "cat"


def test_the_pickled_version_is_refused_with_the_reason(tmp_path):
    (tmp_path / "data_batch_1").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(DataError, match="pickled version of CIFAR-10 is not read, as it can run code"):
        cifar10(tmp_path, split="train")


def test_two_archives_of_one_part_are_refused(tmp_path, arrays):
    for name in ("test1.npz", "test2.npz"):
        np.savez(tmp_path / name, x=arrays[0], y=arrays[1])
    with pytest.raises(DataError, match=r"more than one file for split=test: test1\.npz, test2\.npz"):
        cifar10(tmp_path)


def test_images_of_another_size_are_refused(tmp_path):
    np.savez(tmp_path / "test.npz", x=np.zeros((1, 28, 28, 3), np.uint8), y=np.array([0]))
    with pytest.raises(DataError, match=r"CIFAR-10's are \(32, 32, 3\)"):
        cifar10(tmp_path)


def test_a_truncated_binary_file_is_refused(tmp_path, arrays):
    (tmp_path / "test_batch.bin").write_bytes(binary(*arrays)[:-1])
    with pytest.raises(DataError, match="12291 bytes are no whole number of records"):
        cifar10(tmp_path)


@pytest.mark.data
def test_a_trained_network_knows_the_real_images(real_data, nets):
    dataset = cifar10(real_data / "cifar10")
    assert len(dataset) == 500
    batch = next(batches(dataset, range(100), 100, pytest.fail))
    with torch.no_grad():
        right = nets.cifar_resnet(20)(batch.images).argmax(1) == batch.labels
    assert right.float().mean() > 0.85


@pytest.mark.data
def test_the_real_training_part_is_read(real_data):
    assert len(cifar10(real_data / "cifar10", split="train")) == 10000


def test_a_binary_file_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "test_batch.bin").mkdir()
    with pytest.raises(DataError, match=r"test_batch\.bin: cannot be read"):
        cifar10(tmp_path)
