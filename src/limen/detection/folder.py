"""What a detector says of the image files of a folder, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limen.detection.detector import Detector
from limen.errors import UsageError, reason
from limen.images import IMAGE_SUFFIXES, READ_SUFFIXES, ImageFileError, read_image, reading

_LOSSY = frozenset({"JPEG", "WEBP"})


@dataclass(frozen=True)
class Verdict:
    """What a detector says of one file.

    Attributes:
        path: The file.
        score: The share of learners that take it for attacked, in [0, 1].
        attacked: Whether the majority does.
        format: The format of the file.
        size: Its height and width in pixels.
    """

    path: Path
    score: float
    attacked: bool
    format: str
    size: tuple[int, int]

    @property
    def lossy(self) -> bool:
        """Whether the format may have changed pixels after, or in place of, an attack."""
        return self.format in _LOSSY


@dataclass(frozen=True)
class Unreadable:
    """A file that no detector can judge, and why."""

    path: Path
    reason: str


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder and the folders in it, by their names, hidden ones left out.

    Raises:
        UsageError: If there is no such folder, or no image in it.
    """
    try:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
        found = sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES
            and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    except OSError as error:
        raise UsageError(f"{folder}: cannot be opened ({reason(error)})") from error
    if not found:
        suffixes = " ".join(sorted(READ_SUFFIXES))
        raise UsageError(f"{folder}: no images; expected files that end in {suffixes}")
    return found


def judge_files(detector: Detector, files: list[Path]) -> Iterator[Verdict | Unreadable]:
    """What a detector says of each file; the files may differ in size.

    Raises:
        LimenError: If sealwatch is not installed.
    """
    for path in files:
        try:
            yield _judged(detector, path)
        except (ImageFileError, UsageError) as error:
            yield Unreadable(path, str(error).removeprefix(f"{path}: "))


def _judged(detector: Detector, path: Path) -> Verdict:
    image = read_image(path)
    with reading(path) as file:
        kind = file.format or ""
    scores, verdicts = detector.judge(image[None])
    height, width = image.shape[1:]
    return Verdict(path, float(scores[0]), bool(verdicts[0]), kind, (height, width))
