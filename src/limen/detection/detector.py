"""A detector: features, an ensemble, and what it was trained on, in one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from limen import __version__
from limen.decoding import read_json
from limen.detection.ensemble import MOST_LEARNERS, Ensemble, train_ensemble
from limen.detection.features import Colour, feature_count, features, sealwatch
from limen.errors import LimenError, RunError, UsageError, reason
from limen.images import check_pair
from limen.runs.files import sync_folder, write_whole

FORMAT = 1
"""Version of the file; raised when an older Limen could no longer read it."""

_KEY = "limen.detector"
_KINDS = {"subspaces": ("I32", 2), "weights": ("F64", 2), "thresholds": ("F64", 1)}


class DetectorError(LimenError):
    """A file of a detector is missing, broken, or of another format; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a detector was trained on, and how.

    Attributes:
        features: The name of its features.
        colour: Of what planes they are.
        attack: The label of the attack that it knows; empty if not told.
        model: The spec of the model that was attacked; empty if not told.
        weights: The SHA-256 of that model's weights; empty if not told.
        data: The spec of the data set; empty if not told.
        size: Height and width of the images in pixels.
        pairs: How many pairs of images it was trained on.
        error: Its out-of-bag error on them.
        seed: Seed of the training.
        versions: Versions of Limen and of what computed the features.
        format: Version of the file.
    """

    features: str
    colour: Colour
    attack: str = ""
    model: str = ""
    weights: str = ""
    data: str = ""
    size: tuple[int, int] = (0, 0)
    pairs: int = 0
    error: float = 0.0
    seed: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


@dataclass(frozen=True, eq=False)
class Detector:
    """Tells images that one attack has changed from others; made by `train_detector` or `read_detector`.

    It knows the attack, at the strength, on the kind of images that it was trained on, and no others.

    Attributes:
        ensemble: The learners.
        origin: What they were trained on.
    """

    ensemble: Ensemble
    origin: Origin

    def scores(self, images: Tensor) -> Tensor:
        """The share of learners that take each image for attacked.

        Args:
            images: Batch (N, C, H, W) in [0, 1]; rounded to 8 bits, as files are.

        Returns:
            Scores (N,) in [0, 1], with the dtype and on the device of the images. Features are computed on
            the CPU.

        Raises:
            UsageError: If the images have too few pixels or other channels.
            LimenError: If sealwatch is not installed.
        """
        return self.judge(images)[0]

    def __call__(self, images: Tensor) -> Tensor:
        """Whether the majority of learners takes each image for attacked, (N,) bool; else as `scores`."""
        return self.judge(images)[1]

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both of that, at the cost of one: the scores (N,), and the verdicts (N,) bool."""
        found = features(images, self.origin.features, self.origin.colour)
        scores = self.ensemble.scores(found)
        verdicts = self.ensemble.decide(found, scores)
        return torch.from_numpy(scores).to(images), torch.from_numpy(verdicts).to(images.device)


def train_detector(
    originals: Tensor,
    attacked: Tensor,
    origin: Origin | None = None,
    *,
    learners: int = MOST_LEARNERS,
) -> Detector:
    """Train a detector on images before and after an attack.

    Both must have gone through the same rounding to 8 bits, as all images of a run have. Else the detector
    learns the rounding.

    Args:
        originals: Batch (N, C, H, W) in [0, 1].
        attacked: What the attack made of each, likewise.
        origin: Which features, which seed, and what else is known of the images; `spam` of the luma if not
            given. Counts, size, error and versions are filled in.
        learners: How many learners there are at most.

    Raises:
        UsageError: If there are fewer than two pairs, or the images cannot be used.
        LimenError: If sealwatch is not installed.

    Example:
        >>> import limen
        >>> originals = limen.data.demo("photos", count=12)
        >>> clean = torch.stack([originals.load(place).image for place in range(12)])
        >>> noise = 0.05 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
        >>> detector = train_detector(clean, (clean + noise).clamp(0, 1))
        >>> detector.origin.pairs, bool(detector.scores(clean).mean() < 0.5)
        (12, True)
    """
    origin = origin or Origin(features="spam", colour="luma")
    check_pair(originals, attacked)
    clean, changed = (features(each, origin.features, origin.colour) for each in (originals, attacked))
    height, width = originals.shape[-2:]
    return fit_detector(clean, changed, replace(origin, size=(height, width)), learners=learners)


def fit_detector(
    clean: np.ndarray, attacked: np.ndarray, origin: Origin, *, learners: int = MOST_LEARNERS
) -> Detector:
    """Train a detector on features (N, D) that `origin` tells of; else as `train_detector`.

    Raises:
        UsageError: If there are fewer than two pairs, or they cannot be used.
    """
    ensemble = train_ensemble(clean, attacked, seed=origin.seed, learners=learners)
    versions = {"limen": __version__, "sealwatch": sealwatch().__version__}
    known = replace(origin, pairs=len(clean), error=ensemble.error, versions=versions)
    return Detector(ensemble, known)


def write_detector(path: Path | str, detector: Detector) -> None:
    """Write a detector as one safetensors file, whole or not at all: the same bytes for the same detector.

    Raises:
        RunError: If the file cannot be written.
    """
    path, ensemble = Path(path), detector.ensemble
    arrays = {name: np.ascontiguousarray(getattr(ensemble, name)) for name in _KINDS}
    write_whole(path, save(arrays, {_KEY: json.dumps(asdict(detector.origin), allow_nan=False)}))
    sync_folder(path.parent)


def read_detector(path: Path | str) -> Detector:
    """Read a detector that `write_detector` wrote; nothing in the file is run.

    Raises:
        DetectorError: If it is missing, truncated, of another format, or holds what no detector has.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise DetectorError(f"{path}: no such file of a detector")
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(_KEY)
            if text is None:
                raise UsageError("holds no detector")
            origin = read_json(Origin, text, FORMAT, "a detector")
            headers = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            # Before any array is read, which may claim to be huge.
            _check_headers(
                {name: (each.get_dtype(), tuple(each.get_shape())) for name, each in headers.items()},
                feature_count(origin.features, origin.colour),
            )
            arrays = {name: file.get_tensor(name) for name in _KINDS}
        ensemble = Ensemble(**arrays, error=origin.error, seed=origin.seed)
        _check(ensemble, origin)
    except (SafetensorError, OSError, RunError, UsageError) as error:
        raise DetectorError(
            f"{path}: cannot be used as a detector ({reason(error)}); train it again with limen detect"
        ) from error
    return Detector(ensemble, origin)


def _check_headers(found: Mapping[str, tuple[str, tuple[int, ...]]], features: int) -> None:
    if set(found) != set(_KINDS):
        raise UsageError(f"expected the arrays {', '.join(_KINDS)}, found {', '.join(found) or 'none'}")
    for name, (kind, dimensions) in _KINDS.items():
        dtype, shape = found[name]
        if dtype != kind or len(shape) != dimensions:
            raise UsageError(f"{name} is {dtype} {shape}, expected {kind} of {dimensions} dimensions")
    learners, size = found["subspaces"][1]
    if not (1 <= learners <= MOST_LEARNERS and 1 <= size <= features):
        raise UsageError(f"{learners} learners of {size} of {features} features each cannot be")
    if found["weights"][1] != (learners, size) or found["thresholds"][1] != (learners,):
        raise UsageError(f"weights or thresholds are not those of {learners} learners of {size} features")


def _check(ensemble: Ensemble, origin: Origin) -> None:
    if not (np.isfinite(ensemble.weights).all() and np.isfinite(ensemble.thresholds).all()):
        raise UsageError("weights or thresholds are not finite")
    subspaces, features = ensemble.subspaces, feature_count(origin.features, origin.colour)
    if subspaces.min() < 0 or subspaces.max() >= features or (np.diff(subspaces, axis=1) <= 0).any():
        raise UsageError(f"subspaces are not rising numbers below {features}")
    if not 0 <= origin.error <= 1 or origin.pairs < 2 or origin.seed < 0 or min(origin.size) < 0:
        raise UsageError("error, pairs, seed or size is out of range")
