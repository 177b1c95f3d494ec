"""Whether a file is the one that the registry means."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from limen.errors import reason
from limen.weights.errors import WeightsError
from limen.weights.registry import WeightsFile


def verify(file: WeightsFile, path: Path) -> None:
    """Compare a file with the registry; its bytes are read once a process, as long as it does not change.

    Raises:
        WeightsError: If it cannot be read, or has another size or hash.
    """
    try:
        status = path.stat()
        # A file of another size need not be read.
        same = file.size in (None, status.st_size)
        found = _sha256(path, status.st_size, status.st_mtime_ns) if same else ""
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({reason(error)})") from error
    if said := difference(file, status.st_size, found):
        raise WeightsError(
            f"{path} is not the published {file.name}: {said}; remove it, or move it and give weights "
            "of your own by their path"
        )


def difference(file: WeightsFile, size: int, sha256: str) -> str:
    """What tells bytes of this size and hash from the file's; empty if nothing does.

    Example:
        >>> from limen.weights import FILES
        >>> difference(FILES["lpips_v0.1_vgg.pth"], 3, "")
        'it has 3 bytes and not 7289'
    """
    if file.size not in (None, size):
        return f"it has {size} bytes and not {file.size}"
    return "" if sha256 == file.sha256 else f"its SHA-256 is {sha256} and not {file.sha256}"


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
