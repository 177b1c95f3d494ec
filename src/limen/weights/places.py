"""Where files of weights are looked for: a path that is given, `LIMEN_WEIGHTS`, and torch hub's cache."""

from __future__ import annotations

import os
from pathlib import Path

from limen.weights.checks import verify
from limen.weights.download import fetch
from limen.weights.errors import WeightsError
from limen.weights.registry import FILES, WeightsFile

FOLDER, OFFLINE = "LIMEN_WEIGHTS", "LIMEN_OFFLINE"


def folders() -> list[Path]:
    """The folders in which files are looked for, in this order; downloads go to the first.

    The folder that the environment variable `LIMEN_WEIGHTS` names, if it is set, and the folder in which
    torch hub, and so torchvision, keeps its downloads.
    """
    own = os.environ.get(FOLDER, "")
    return [*([Path(os.path.expanduser(own))] if own else []), _hub()]


def located(file: WeightsFile) -> Path | None:
    """Where the file lies; None if it is in none of the folders. Its bytes are not looked at."""
    return next((path for folder in folders() if (path := folder / file.name).is_file()), None)


def find(name: str, given: Path | None = None) -> Path:
    """The path of a file of weights, which is downloaded if it is not at hand.

    A path that is given is taken as it is. Otherwise the file is looked for in `folders`, and compared with
    the registry. If it is in none of them it is downloaded, unless the environment variable `LIMEN_OFFLINE`
    is set to anything but 0.

    Args:
        name: A name in `FILES`.
        given: The path of weights that are to be used in its place.

    Raises:
        WeightsError: If it is not at hand and cannot be downloaded, or is not what the registry says; the
            message says what to do.

    Example:
        >>> find("u2net.pth", Path("mine.pth")).name
        'mine.pth'
    """
    if given is not None:
        return Path(given)
    file = FILES[name]
    found = located(file)
    if found is not None:
        verify(file, found)
        return found
    target = folders()[0]
    if os.environ.get(OFFLINE, "") not in ("", "0"):
        raise WeightsError(f"{name} is not at hand, and {OFFLINE} forbids downloads; {_advice(file, target)}")
    try:
        return fetch(file, target)
    except WeightsError as error:
        raise WeightsError(f"{error}; {_advice(file, target)}") from error


def _advice(file: WeightsFile, target: Path) -> str:
    needed = " and ".join(file.needed_by)
    source = file.page or file.addresses[0]
    bytes_ = "" if file.size is None else f"{file.size} bytes, "
    return (
        f"{needed} needs it. Put it into {target}, or into a folder that {FOLDER} names, under this name "
        f"({bytes_}SHA-256 {file.sha256}, published at {source})"
    )


def _hub() -> Path:
    """The folder of `torch.hub.load_state_dict_from_url`, told without torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(os.path.expanduser(home)) / "hub" / "checkpoints"
