from __future__ import annotations

import contextlib
import io
import pickle
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.data import DataError, npz


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_bytes_and_floats_of_the_same_images_are_equal(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    labels = np.array([2, 0, 1])
    floats = (pixels.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    of_bytes = npz(save(tmp_path / "bytes.npz", x=pixels, y=labels))
    of_floats = npz(save(tmp_path / "floats.npz", x=floats, y=labels))
    for index in range(3):
        a, b = of_bytes.load(index), of_floats.load(index)
        assert a.image.shape == (3, 5, 4)
        assert a.image.equal(b.image)
        assert np.allclose(a.image.numpy(), floats[index])
        assert a.label == b.label == labels[index]


def test_class_names_come_from_a_file_and_bound_the_labels(tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("cat\ndog\n")
    pixels = np.zeros((2, 4, 4, 1), np.uint8)
    assert npz(save(tmp_path / "a.npz", x=pixels, y=np.array([0, 1])), classes=names).class_names == (
        "cat",
        "dog",
    )
    with pytest.raises(DataError, match="label 2 of sample 1 is out of range; labels must be from 0 to 1"):
        npz(save(tmp_path / "b.npz", x=pixels, y=np.array([0, 2])), classes=names)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((1, 4, 4, 3), np.uint8)}, "holds x; expected arrays named x"),
        ({"a": np.zeros(1)}, "holds a; expected"),
        (
            {"x": np.full((1, 3, 4, 4), 255.0), "y": np.array([0])},
            r"reaches from 255 to 255; scale it to \[0, 1\]",
        ),
        ({"x": np.full((1, 3, 4, 4), np.nan), "y": np.array([0])}, "reaches from nan"),
        ({"x": np.zeros((1, 4, 4, 3)), "y": np.array([0])}, r"floats are \(N, C, H, W\)"),
        ({"x": np.zeros((3, 4, 4)), "y": np.array([0])}, r"floats of shape \(3, 4, 4\)"),
        ({"x": np.zeros((1, 4, 4, 3), np.uint8), "y": np.array([-1])}, "label -1 .* at least 0"),
        ({"x": np.zeros((1, 4, 4, 3), np.uint8), "y": np.array([2**63], np.uint64)}, "out of range"),
        ({"x": np.array([object()]), "y": np.array([0])}, "not a NumPy archive of plain arrays"),
        ({"x": np.array(["text"]), "y": np.array([0])}, "the images are <U4"),
    ],
)
def test_other_arrays_are_refused(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        npz(save(tmp_path / "x.npz", **arrays))


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def lying_header() -> bytes:
    """An archive whose array says that it is larger than any memory."""
    array = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        array, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 2**20, 2**2, 3)}
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("x.npy", array.getvalue())
        file.writestr("y.npy", array.getvalue())
    return archive.getvalue()


def corrupt() -> bytes:
    archive = io.BytesIO()
    np.savez_compressed(archive, x=np.random.default_rng(0).integers(0, 256, (9, 9, 9, 3)), y=np.arange(9))
    content = bytearray(archive.getvalue())
    content[200:400] = bytes(200)
    return bytes(content)


PLAIN = "not a NumPy archive of plain arrays"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", PLAIN),
        (b"text", PLAIN),
        (b"PK\x03\x04", PLAIN),
        (pickle.dumps(Bomb()), PLAIN),
        (lying_header(), r"x\.npy claims to be an array of 13\.8 EB, and has 0 bytes"),
        (corrupt(), PLAIN),
    ],
    ids=["empty", "text", "truncated", "pickle", "lying header", "corrupt"],
)
def test_a_hostile_or_broken_file_is_refused(tmp_path, content, message):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match=rf"x\.npz: .*{message}"):
        npz(tmp_path / "x.npz")


def test_a_single_array_and_a_missing_file_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(DataError, match="a single array"):
        npz(tmp_path / "x.npy")
    with pytest.raises(DataError, match="no such file"):
        npz(tmp_path / "nothing.npz")


@pytest.mark.data
def test_a_real_archive_is_read(real_data):
    dataset = npz(real_data / "cifar10" / "test500.npz")
    assert len(dataset) == 500
    assert dataset.load(0).image.shape == (3, 32, 32)


@settings(max_examples=50, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_any_flipped_byte_is_refused_or_harmless(place, byte):
    archive = io.BytesIO()
    np.savez_compressed(archive, x=np.zeros((2, 4, 4, 3), np.uint8), y=np.arange(2))
    content = bytearray(archive.getvalue())
    content[place % len(content)] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        path.write_bytes(bytes(content))
        with contextlib.suppress(DataError):
            assert npz(path).load(1).image.shape == (3, 4, 4)


def test_a_claim_of_more_images_than_can_be_and_labels_that_are_times_are_refused(tmp_path):
    head = repr({"descr": "|u1", "fortran_order": False, "shape": (2**70, 8, 8, 3)}).encode()
    head += b" " * (64 - (len(head) + 11) % 64) + b"\n"
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head)
        labels = io.BytesIO()
        np.save(labels, np.zeros(4, int))
        archive.writestr("y.npy", labels.getvalue())
    np.savez(tmp_path / "times.npz", x=np.zeros((4, 8, 8, 3), np.uint8), y=np.arange(4).astype("m8[s]"))
    for name in ("huge", "times"):
        with pytest.raises(DataError, match=f"{name}"):
            npz(tmp_path / f"{name}.npz")
