"""The manifest of a run: what was attacked with what, so that a result can be traced and resumed."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from limen import __version__
from limen.decoding import decode
from limen.errors import UsageError
from limen.runs.columns import MetricColumn
from limen.runs.files import RunError, sync_folder, write_whole
from limen.runs.names import attack_folder, is_safe_folder

FORMAT = 1
"""Version of the run directory's layout; raised when an older Limen could no longer read it."""

FILE = "run.json"

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "pyarrow")


@dataclass(frozen=True)
class ModelEntry:
    """The model under test: its spec, the sha256 of its weights, its class names where known."""

    spec: str
    weights: str
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DataEntry:
    """The data set: its spec, its number of images (bad ones too), its class names where known."""

    spec: str
    count: int
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Settings:
    """What, besides model, data and attack, decides the result of a run."""

    seed: int = 0
    lattice: int | None = 255
    targeted: bool = False


@dataclass(frozen=True)
class AttackEntry:
    """An attack of the run: its label (the spec string) and its folder under `images/`."""

    label: str
    folder: str


@dataclass(frozen=True)
class SkippedImage:
    """An image that could not be read, and why."""

    id: str
    reason: str


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _installed_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything about a run but its results; `run.json` holds it.

    Example:
        >>> manifest = Manifest(model=ModelEntry("demo:photos", "ab12"), data=DataEntry("demo:photos", 16))
        >>> manifest = manifest.with_attacks(["fgsm:eps=0.03", "ddn"])
        >>> manifest.folder("fgsm:eps=0.03")
        'fgsm-eps=0.03'
        >>> Manifest.from_json(manifest.to_json()) == manifest
        True
    """

    format: int = FORMAT
    limen: str = __version__
    created: str = field(default_factory=_now)
    model: ModelEntry
    data: DataEntry
    settings: Settings = field(default_factory=Settings)
    attacks: tuple[AttackEntry, ...] = ()
    metrics: tuple[MetricColumn, ...] = ()
    skipped: tuple[SkippedImage, ...] = ()
    versions: dict[str, str] = field(default_factory=_installed_versions)
    device: str = "cpu"

    @property
    def labels(self) -> tuple[str, ...]:
        """The attacks' labels, in the order in which they were added."""
        return tuple(entry.label for entry in self.attacks)

    def folder(self, label: str) -> str:
        """The folder under `images/` of the attack with this label.

        Raises:
            UsageError: If the run has no such attack.
        """
        for entry in self.attacks:
            if entry.label == label:
                return entry.folder
        raise UsageError(f"the run has no attack {label!r}; it has: {', '.join(self.labels) or 'none'}")

    def with_attacks(self, labels: Iterable[str]) -> Manifest:
        """The same manifest with the attacks that it did not have yet, each given a folder."""
        attacks = list(self.attacks)
        for label in dict.fromkeys(labels):
            if label not in self.labels:
                taken = [entry.folder for entry in attacks]
                attacks.append(AttackEntry(label, attack_folder(label, taken)))
        return replace(self, attacks=tuple(attacks))

    def with_metrics(self, metrics: Iterable[MetricColumn]) -> Manifest:
        """The same manifest with the metrics that its records do not have columns of yet.

        Raises:
            UsageError: If two metrics have one name, but not one source.
        """
        columns = {each.key: each for each in self.metrics}
        for each in metrics:
            if columns.setdefault(each.key, each).code != each.code:
                raise UsageError(f"two metrics are named {each.key}; rename one of them")
        return replace(self, metrics=tuple(columns.values()))

    def with_skipped(self, skipped: Iterable[SkippedImage]) -> Manifest:
        """The same manifest with this list of skipped images."""
        return replace(self, skipped=tuple(skipped))

    def differences(self, other: Manifest) -> list[str]:
        """What `other` would change in this run's results, a line each; empty if it may be resumed."""
        mine, theirs = self._decisive(), other._decisive()
        return [
            f"{name}: {mine[name]!r} in the run, {theirs[name]!r} now"
            for name in mine
            if name in theirs and mine[name] != theirs[name]
        ]

    def _decisive(self) -> dict[str, object]:
        return {
            "model": self.model.spec,
            "weights": self.model.weights,
            "data": self.data.spec,
            "number of images": self.data.count,
            **asdict(self.settings),
            **{f"code of metric {each.key}": each.code for each in self.metrics},
        }

    def to_json(self) -> str:
        """The text of `run.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read what `to_json` wrote, and trust none of it.

        Raises:
            RunError: If a value is missing or of a wrong type, a folder leads out of the run, two
                attacks share a label or folder, or a newer Limen wrote it.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RunError(f"not valid JSON ({error})") from None
        version = content.get("format") if isinstance(content, dict) else None
        if type(version) is int and version > FORMAT:
            raise RunError(f"has format {version}, this Limen reads up to {FORMAT}; upgrade Limen")
        if version != FORMAT:
            raise RunError(f"has format {version!r}, expected {FORMAT}: not the manifest of a run")
        try:
            manifest = decode(cls, content, "")
        except UsageError as error:
            raise RunError(str(error)) from None
        if len({each.key for each in manifest.metrics}) < len(manifest.metrics):
            raise RunError("two metrics share a name")
        _check_attacks(manifest)
        return manifest


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of the run in `directory`.

    Raises:
        UsageError: If there is no run.
        RunError: If the manifest cannot be read or is not one; the message names the file.
    """
    path = directory / FILE
    try:
        return Manifest.from_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{directory}: no run here ({FILE} is missing)") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error})") from error
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest of the run in `directory`, whole or not at all."""
    write_whole(directory / FILE, manifest.to_json().encode())
    sync_folder(directory)


def _check_attacks(manifest: Manifest) -> None:
    for entry in manifest.attacks:
        if not is_safe_folder(entry.folder):
            raise RunError(
                f"attack {entry.label!r} has folder {entry.folder!r}, which is no plain folder name"
            )
    folders = {entry.folder.lower() for entry in manifest.attacks}
    if min(len(set(manifest.labels)), len(folders)) < len(manifest.attacks):
        raise RunError("two attacks share a label or a folder")
