"""Arrays from NumPy archives that nobody vouches for."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from limen.data.errors import DataError
from limen.errors import reason
from limen.safety import UnsafeError, check_fits, opened, told

_SHOWN = 5  # names of arrays in an error


def read_arrays(
    path: Path,
    needed: Collection[str],
    expected: str,
    optional: Iterable[str] = (),
    root: Path | None = None,
) -> dict[str, np.ndarray]:
    """Read arrays by their names.

    Args:
        path: The `.npz` file.
        needed: The names of those that must be there.
        expected: What the archive should hold, for an error.
        optional: The names of those that are read if they are there.
        root: The resolved folder that the file must lie in when all links are followed; None for anywhere.

    Raises:
        DataError: If the file is missing, broken, holds Python objects, lacks an array, or claims to be
            larger than fits into memory.
    """
    try:
        with opened(path, root) as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: a single array; expected {expected}, as numpy.savez stores them")
            found = dict.fromkeys(archive.files)
            missing = [name for name in needed if name not in found]
            if missing:
                shown = ", ".join(islice(found, _SHOWN)) or "nothing"
                more = ", …" if len(found) > _SHOWN else ""
                raise DataError(f"{path}: holds {shown}{more}; expected {expected}; {missing[0]} is missing")
            wanted = [name for name in (*needed, *optional) if name in found]
            with zipfile.ZipFile(file) as members:
                names = set(members.namelist())
                files = [name if name in names else f"{name}.npy" for name in wanted]
                check_fits(sum(_claim(members, name) for name in files))
            return {name: archive[name] for name in wanted}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except DataError:
        raise
    except UnsafeError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    except Exception as error:  # of a dozen kinds, as the bytes of an archive are arbitrary
        raise DataError(f"{path}: not a NumPy archive of plain arrays ({reason(error)})") from error


def _claim(archive: zipfile.ZipFile, name: str) -> int:
    """How many bytes the array in a file of the archive will take, by its header.

    Raises:
        UnsafeError: If the archive holds more or fewer of it.
        KeyError: If there is no such file.
    """
    member = archive.getinfo(name)
    with archive.open(member) as stream:
        size = _header(stream)
        there = member.file_size - stream.tell()
    if size != there:
        raise UnsafeError(f"{name} claims to be an array of {told(size)}, and has {told(there)}")
    return size


def _header(stream: IO[bytes]) -> int:
    """The bytes of the array whose header a stream begins with.

    Raises:
        ValueError: If it begins with none.
    """
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    size = dtype.itemsize
    for extent in shape:  # of Python's numbers, which do not overflow
        size *= extent
    return size
