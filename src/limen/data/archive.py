"""Arrays from NumPy archives that nobody vouches for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from limen.data.dataset import DataError
from limen.errors import reason

_SHOWN = 5  # names of arrays in an error


def read_arrays(
    path: Path, needed: Collection[str], expected: str, optional: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Read arrays by their names.

    Args:
        path: The `.npz` file.
        needed: The names of those that must be there.
        expected: What the archive should hold, for an error.
        optional: The names of those that are read if they are there.

    Raises:
        DataError: If the file is missing, broken, holds Python objects, or lacks an array.
    """
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: a single array; expected {expected}, as numpy.savez stores them")
            found = dict.fromkeys(archive.files)
            missing = [name for name in needed if name not in found]
            if missing:
                shown = ", ".join(islice(found, _SHOWN)) or "nothing"
                more = ", …" if len(found) > _SHOWN else ""
                raise DataError(f"{path}: holds {shown}{more}; expected {expected}; {missing[0]} is missing")
            return {name: archive[name] for name in (*needed, *optional) if name in found}
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except DataError:
        raise
    except Exception as error:  # of a dozen kinds, as the bytes of an archive are arbitrary
        raise DataError(f"{path}: not a NumPy archive of plain arrays ({reason(error)})") from error
