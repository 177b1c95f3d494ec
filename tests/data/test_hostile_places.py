"""Every reader is sent to every place where no file should be: none waits, none leaves its folder."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limen import catalog, runs
from limen.data import batches
from limen.data.dataset import Dataset, read_class_names
from limen.data.table import read_table
from limen.detection import read_detector
from limen.errors import LimenError, UsageError
from limen.images import ImageFileError, read_image, write_image
from limen.report import write_page
from limen.runs.manifest import read_manifest
from limen.user_code import find
from limen.weights.reading import read_metadata, read_weights

PLACES = ("nothing", "folder", "pipe", "device", "loop", "null", "long", "random")


def spoil(path: Path, kind: str) -> Path:
    """Put something where a file belongs, and say where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "random":
        path.write_bytes(np.random.default_rng(0).bytes(300))
    return {"null": path.with_name(f"a\0{path.name}"), "long": path.with_name("x" * 300 + path.suffix)}.get(
        kind, path
    )


READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "image": ("a.png", read_image),
    "weights": ("a.pth", read_weights),
    "safetensors": ("a.safetensors", read_weights),
    "metadata": ("a.safetensors", read_metadata),
    "classes": ("c.txt", read_class_names),
    "table": ("t.csv", lambda path: read_table(path, ("id",))),
    "csv": ("t.csv", lambda path: catalog.DATA.entry("csv").thing(path)),
    "npz": ("x.npz", lambda path: catalog.DATA.entry("npz").thing(path)),
    "file of a user": ("m.py", lambda path: find(f"{path}:f")),
    "detector": ("d.safetensors", read_detector),
    "photograph": ("a.png", lambda path: catalog.DATA.entry("images").thing(path).load(0)),
    "model": ("w.pth", lambda path: catalog.MODELS.entry("demo").thing("photos", weights=path)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_waits_or_raises_anything_but_one_line(tmp_path, reader, place):
    name, read = READERS[reader]
    with pytest.raises(LimenError) as caught:
        read(spoil(tmp_path / name, place))
    assert "\n" not in str(caught.value)


FOLDERS: dict[str, Callable[[Path], Any]] = {
    **{
        name: lambda path, name=name: catalog.DATA.entry(name).thing(path)
        for name in ("folder", "nips2017", "mnist", "cifar10", "stl10", "segment6", "dollar_street", "robust")
    },
    "run": runs.open_run,
    "manifest": read_manifest,
    "page": lambda path: write_page([path]),
    "new run": lambda path: runs.create_or_resume(path / "run.json", None),  # pyright: ignore[reportArgumentType]
}


@pytest.mark.parametrize("place", ["nothing", "pipe", "device", "loop", "null", "long", "random"])
@pytest.mark.parametrize("reader", FOLDERS)
def test_a_folder_that_is_none_is_one_line(tmp_path, reader, place):
    if reader == "new run" and place == "nothing":
        pytest.skip("it would be made")
    with pytest.raises(LimenError) as caught:
        FOLDERS[reader](spoil(tmp_path / "it", place))
    assert "\n" not in str(caught.value)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def picture(path: Path, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 9, 9)).save(path)


def made(root: Path) -> dict[str, tuple[str, list[str]]]:
    """A small set of each kind, with the spec that reads it and the files that it is made of."""
    zeros, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
    (root / "mnist").mkdir()
    (root / "mnist/t10k-images-idx3-ubyte").write_bytes(idx(zeros))
    (root / "mnist/t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    (root / "cifar").mkdir()
    (root / "cifar/test_batch.bin").write_bytes(bytes(3073))
    (root / "cifarz").mkdir()
    np.savez(root / "cifarz/test.npz", x=np.zeros((2, 32, 32, 3), np.uint8), y=labels)
    (root / "stl").mkdir()
    (root / "stl/test_X.bin").write_bytes(bytes(27648))
    (root / "stl/test_y.bin").write_bytes(b"\1")
    (root / "stl/class_names.txt").write_text("\n".join("abcdefghij"))
    picture(root / "nips/images/a.png")
    (root / "nips/images.csv").write_text("ImageId,TrueLabel,TargetClass\na,1,2\n")
    picture(root / "photos/cat/a.png")
    picture(root / "flat/a.png")
    picture(root / "tables/a.png")
    picture(root / "tables/m.png")
    (root / "tables/t.csv").write_text("image,label\na.png,0\n")
    picture(root / "dollar/a.png")
    (root / "dollar/images_v2_imagenet_test.csv").write_text(
        "id,imageRelPath,imagenet_sysnet_id,country.name\n1,a.png,[3],Chad\n"
    )
    return {
        "mnist": ("mnist:mnist", ["mnist/t10k-images-idx3-ubyte", "mnist/t10k-labels-idx1-ubyte.gz"]),
        "cifar10": ("cifar10:cifar", ["cifar/test_batch.bin"]),
        "cifar10 npz": ("cifar10:cifarz", ["cifarz/test.npz"]),
        "stl10": ("stl10:stl", ["stl/test_X.bin", "stl/test_y.bin", "stl/class_names.txt"]),
        "nips2017": ("nips2017:nips", ["nips/images/a.png", "nips/images.csv"]),
        "folder": ("folder:photos", ["photos/cat/a.png"]),
        "images": ("images:flat,size=8", ["flat/a.png"]),
        "csv": ("csv:tables/t.csv", ["tables/a.png"]),
        "dollar_street": ("dollar_street:dollar", ["dollar/a.png", "dollar/images_v2_imagenet_test.csv"]),
    }


SETS = {
    "mnist": 2,
    "cifar10": 1,
    "cifar10 npz": 1,
    "stl10": 3,
    "nips2017": 2,
    "folder": 1,
    "images": 1,
    "csv": 1,
    "dollar_street": 2,
}
CASES = [(name, place) for name, count in SETS.items() for place in range(count)]


def read_all(spec: str) -> int:
    """How many samples of a set can be read; an error that names a file if none can."""
    dataset: Dataset = catalog.data(spec)
    skipped: list[str] = []
    count = sum(
        len(batch.ids) for batch in batches(dataset, range(len(dataset)), 4, lambda *x: skipped.append(x[1]))
    )
    if not count:
        raise ImageFileError(skipped[0])
    return count


@pytest.mark.parametrize(("name", "place"), CASES)
def test_each_set_is_read_and_a_link_inside_its_folder_is_followed(tmp_path, monkeypatch, name, place):
    monkeypatch.chdir(tmp_path)
    spec, files = made(tmp_path)[name]
    whole = read_all(spec)
    file = tmp_path / files[place]
    file.rename(file.with_name(f".{file.name}.kept"))
    file.symlink_to(file.with_name(f".{file.name}.kept"))
    assert read_all(spec) == whole


@pytest.mark.parametrize("how", ["outside", "pipe", "device", "loop", "folder"])
@pytest.mark.parametrize(("name", "place"), CASES)
def test_no_set_reads_outside_of_its_folder_or_waits(tmp_path, monkeypatch, name, place, how):
    monkeypatch.chdir(tmp_path)
    spec, files = made(tmp_path)[name]
    file = tmp_path / files[place]
    if how == "outside":
        file.rename(tmp_path / "secret")
        file.symlink_to(tmp_path / "secret")
    else:
        spoil(file, how)
    if files[place].endswith("class_names.txt") and how in ("pipe", "device", "loop", "folder"):
        assert read_all(spec)  # its own names are known
        return
    with pytest.raises(LimenError) as caught:
        read_all(spec)
    said = str(caught.value)
    assert "\n" not in said
    if how == "outside":
        assert "links to a place outside of" in said


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("width", "height"), [(2**31 - 1, 2**31 - 1), (100_000, 100_000), (1, 2**30), (0, 5)]
)
def test_an_image_that_claims_more_than_fits_is_skipped(tmp_path, width, height):
    (tmp_path / "a.png").write_bytes(huge_png(width, height))
    with pytest.raises(ImageFileError, match=r"a\.png: "):
        read_image(tmp_path / "a.png")


def test_an_image_too_narrow_to_be_resized_is_skipped(tmp_path):
    Image.new("L", (60_000, 1)).save(tmp_path / "a.png")
    with pytest.raises(ImageFileError, match="it would have 15360000×256 pixels when resized"):
        read_image(tmp_path / "a.png", size=224, resize=256)


@pytest.mark.parametrize("size", [0, -1, 8193, 10**9, 10**30, 2.5, True, "8"])
def test_a_size_that_no_network_takes_is_refused_before_anything_is_read(tmp_path, size):
    with pytest.raises(UsageError, match=r"size is .*; expected a number of pixels from 1 to 8192"):
        read_image(tmp_path / "nothing.png", size=size)


def test_a_batch_that_does_not_fit_is_refused_when_its_first_image_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = catalog.data("demo:photos,count=1000000")
    with pytest.raises(
        UsageError, match=r"a batch of 1000000 images of 96×96 pixels: it would take 110\.6 GB"
    ):
        next(batches(dataset, range(1_000_000), 1_000_000, print))


COUNTS = ["demo:photos,count=1000001", "demo:photos,count=300000000", "demo:scenes,count=10000000000"]


@pytest.mark.parametrize(
    "spec", [*COUNTS, "demo:digits,count=498", "demo:photos,count=0", "demo:photos,count=-1"]
)
def test_a_count_is_bounded(spec):
    with pytest.raises(UsageError, match=r"count is .*; expected an integer from 1 to"):
        catalog.data(spec)


def test_a_bomb_of_zeros_is_not_inflated(tmp_path):
    machine = zlib.compressobj(9, wbits=31)
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 28, 28)
    bomb = machine.compress(head) + b"".join(machine.compress(bytes(2**20)) for _ in range(100))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(bomb + machine.flush())
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(2, np.uint8)))
    with pytest.raises(LimenError, match="holds more bytes where 1568 belong"):
        catalog.data(f"mnist:{tmp_path}")


def test_a_postscript_file_called_png_starts_nothing(tmp_path, monkeypatch):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(
        EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was started")
    )
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", format="EPS")
    with pytest.raises(ImageFileError, match="not an image that can be read"):
        read_image(tmp_path / "a.png")


def test_a_file_whose_name_is_no_unicode_is_skipped_and_the_others_are_read(tmp_path):
    picture(tmp_path / "cat/a.png")
    os.rename(tmp_path / "cat/a.png", os.fsencode(tmp_path / "cat") + b"/\xff.png")
    picture(tmp_path / "cat/b.png")
    dataset = catalog.data(f"folder:{tmp_path}")
    skipped: list[str] = []
    (batch,) = batches(dataset, range(2), 2, lambda name, reason: skipped.append(reason))
    assert batch.ids == ("cat/b.png",)
    assert skipped == ["'cat/\\udcff.png': the name is no Unicode; rename the file"]
    assert len(dataset.fingerprint()) == 64


@pytest.mark.parametrize("place", ["folder", "pipe"])
def test_nothing_but_a_file_is_written_over(tmp_path, place):
    import torch

    path = spoil(tmp_path / "a.png", place)
    with pytest.raises(ImageFileError, match="where a file belongs"):
        write_image(path, torch.zeros(3, 4, 4))


@pytest.mark.parametrize("spec", ["folder:photos", "images:flat,size=8"])
def test_a_folder_that_nobody_may_look_into_is_one_line(tmp_path, monkeypatch, spec):
    monkeypatch.chdir(tmp_path)
    made(tmp_path)

    def refuse(path: Path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(LimenError, match=r"cannot be opened \(Permission denied\)"):
        catalog.data(spec)
