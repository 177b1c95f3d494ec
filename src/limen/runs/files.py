"""Files that appear whole or not at all, and errors that name where the disk failed."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from PIL import Image

from limen.errors import LimenError, RunError, UsageError, reason
from limen.safety import UnsafeError, check_inside, check_replaceable, opened, resolved

_UNFINISHED = ".limen.tmp"
_WRITERS = 8
_OTHER_WRITER = "wait for it, or choose another --out"

_CURES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EACCES: "no permission to write here; change the permissions or choose another --out",
    errno.EPERM: "no permission to write here; change the permissions or choose another --out",
    errno.EROFS: "the file system is read-only; choose another --out",
}


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the operating system says while `folder` is written into one clear error.

    Raises:
        RunError: Names the folder and the cure.
    """
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, f"cannot be written ({reason(error)})")
        raise RunError(
            f"{folder}: {cure}. What was finished before is kept: the same command resumes there"
        ) from error
    except LimenError:
        raise
    except (ValueError, RuntimeError) as error:  # a null byte in a path, or a link to itself
        raise RunError(f"{str(folder)!r}: no path that can be written ({error})") from error


def unfinished(path: Path) -> Path:
    """Where the content of `path` is written first: beside it, under a name that no other file has.

    Two processes that write different files of one folder so stay out of each other's way, and
    what a killed one left is replaced when the same file is written again. Data tools pass over
    the leading dot.

    Example:
        >>> unfinished(Path("records/00000000.parquet")).name
        '.00000000.parquet.limen.tmp'
    """
    return path.with_name(f".{path.name}{_UNFINISHED}")


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left in a folder that nobody else writes now."""
    with writing(folder):
        for path in folder.glob(f".*{_UNFINISHED}"):
            path.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that a reader, or a process killed at any moment, sees whole or not at all.

    The rename is durable once `sync_folder` has been called on the parent.

    Raises:
        RunError: If the folder cannot be written; an older file at `path` is then still whole.
    """
    temporary = unfinished(path)
    with writing(path.parent):
        check_replaceable(path)
        try:
            temporary.unlink(missing_ok=True)
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def sync_folder(folder: Path) -> None:
    """Make the renames in a folder survive a power cut."""
    if os.name == "nt":  # Windows opens no folders
        return
    with writing(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked(path: Path, cure: str = _OTHER_WRITER) -> Iterator[None]:
    """Keep other processes from writing what a lock file stands for, as long as the block runs.

    Raises:
        RunError: As `acquired`.
    """
    lock = acquired(path, cure)
    try:
        yield
    finally:
        lock.release()


def acquired(path: Path, cure: str = _OTHER_WRITER) -> FileLock:
    """The lock of this file, taken now or never: nobody waits for it.

    Args:
        path: The lock file.
        cure: What to do where another process has the lock.

    Raises:
        RunError: If another process has it, or its file is a link, which could lead anywhere.
    """
    lock = FileLock(path, blocking=False)
    with writing(path.parent):
        if path.is_symlink():
            raise UnsafeError(f"{path.name} is a link, where the lock of this folder belongs")
        try:
            lock.acquire()
        except Timeout:
            raise RunError(f"{path}: another process is writing here; {cure}") from None
    return lock


def encode_parquet(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def encode_png(pixels: np.ndarray) -> bytes:
    """Pixels (H, W, 1) or (H, W, 3) uint8 as a lossless PNG, the same bytes every time.

    Raises:
        UsageError: If the pixels are not 8-bit grey or RGB.

    Example:
        >>> encode_png(np.zeros((2, 2, 3), np.uint8))[1:4]
        b'PNG'
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise UsageError(
            f"an image to store is {pixels.dtype} of shape {pixels.shape}; a PNG of a run holds "
            "uint8 of shape (H, W, 1) or (H, W, 3)"
        )
    stream = io.BytesIO()
    # Attack noise hardly compresses: level 1 is three times faster than the default 6 and 8 % larger.
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def write_pngs(images: Mapping[Path, np.ndarray]) -> None:
    """Write pixels, (H, W, 1) or (H, W, 3) uint8, to files that appear whole or not at all.

    Raises:
        UsageError: If pixels are not 8-bit grey or RGB.
        RunError: If a folder cannot be written; other files may have been written or not.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_pngs({Path(folder, "dark.png"): np.zeros((2, 2, 1), np.uint8)})
        ...     decode_png(Path(folder, "dark.png")).shape
        (2, 2, 1)
    """
    # Most of the time of a file is waiting until the disk has it, and a disk takes several at once.
    with ThreadPoolExecutor(_WRITERS) as writers:
        list(writers.map(lambda each: write_whole(each[0], encode_png(each[1])), images.items()))


@contextmanager
def reading_png(path: Path, root: Path | None = None) -> Iterator[Image.Image]:
    """Open an image of a run, without its pixels.

    Args:
        path: The file.
        root: The resolved folder that it must lie in when all links are followed; None for anywhere.

    Raises:
        RunError: If the file is missing, broken, elsewhere, or no 8-bit grey or RGB image.
    """
    try:
        with opened(path, root) as stream, Image.open(stream, formats=["PNG"]) as file:
            if file.mode not in ("L", "RGB"):
                raise RunError(f"{path}: mode {file.mode}; images of a run are 8-bit grey or RGB")
            yield file
    except RunError:
        raise
    except FileNotFoundError:
        raise RunError(f"{path}: this image of the run is missing; copy the whole run directory") from None
    except Exception as error:  # of a dozen kinds, as a decoder meets arbitrary bytes
        raise RunError(f"{path}: this image of the run cannot be read ({reason(error)})") from error


def decode_png(path: Path, root: Path | None = None) -> np.ndarray:
    """The pixels that `encode_png` stored, (H, W, C) uint8; arguments and errors are `reading_png`'s."""
    with reading_png(path, root) as file:
        pixels = np.asarray(file)
    return pixels.reshape(*pixels.shape[:2], -1)


def make_folders(root: Path, folders: Iterable[Path]) -> None:
    """Make folders inside a run, none of which a link may lead out of it.

    Args:
        root: The folder of the run.
        folders: Which to make where they are missing.

    Raises:
        RunError: If one cannot be made, or leads elsewhere; the message names it.
    """
    for folder in folders:
        with writing(folder):
            check_inside(resolved(root), folder)
            folder.mkdir(parents=True, exist_ok=True)
