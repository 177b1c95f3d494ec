from __future__ import annotations

import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from limen.errors import UsageError
from limen.runs.files import RunError, decode_png, encode_png, remove_unfinished, unfinished, write_whole


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]))))
def test_a_png_gives_back_every_pixel(tmp_path_factory, pixels):
    path = tmp_path_factory.mktemp("png") / "image.png"
    path.write_bytes(encode_png(pixels))
    np.testing.assert_array_equal(decode_png(path), pixels)
    with Image.open(path) as file:
        np.testing.assert_array_equal(np.asarray(file).reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)]
)
def test_pixels_that_are_no_8_bit_grey_or_rgb_are_refused(pixels):
    with pytest.raises(UsageError, match="uint8 of shape"):
        encode_png(pixels)


def test_a_missing_broken_or_transparent_png_is_named(tmp_path):
    path = tmp_path / "image.png"
    with pytest.raises(RunError, match=r"image\.png: this image of the run is missing"):
        decode_png(path)
    path.write_bytes(encode_png(np.zeros((40, 40, 3), np.uint8))[:60])
    with pytest.raises(RunError, match=r"image\.png: this image of the run cannot be read"):
        decode_png(path)
    Image.new("RGBA", (2, 2)).save(path)
    with pytest.raises(RunError, match=r"image\.png: mode RGBA"):
        decode_png(path)


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "cannot be written"),
    ],
)
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_failed_write_names_folder_and_cure_and_keeps_the_older_file(
    tmp_path, monkeypatch, number, cure, call
):
    path = tmp_path / "file"
    write_whole(path, b"older")

    def fail(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(RunError, match=f"{tmp_path}: .*{cure}"):
        write_whole(path, b"newer")
    monkeypatch.undo()
    assert path.read_bytes() == b"older"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_leftover_of_a_killed_process_is_replaced_and_never_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    unfinished(tmp_path / "file").symlink_to(elsewhere)
    write_whole(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_writers_of_two_files_in_one_folder_stay_out_of_each_others_way(tmp_path, monkeypatch):
    replace = os.replace

    def write_another_first(temporary, path):
        monkeypatch.setattr(os, "replace", replace)
        write_whole(tmp_path / "b.png", b"b")
        replace(temporary, path)

    monkeypatch.setattr(os, "replace", write_another_first)
    write_whole(tmp_path / "a.png", b"a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"a", "b.png": b"b"}


def test_only_unfinished_files_are_removed(tmp_path):
    for path in (unfinished(tmp_path / "a.png"), tmp_path / "b.png", tmp_path / "mine.limen.tmp"):
        path.touch()
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.png", "mine.limen.tmp"]
