"""The manifest of a run: what was attacked with what, so that a result can be traced and resumed."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from limen import __version__
from limen.decoding import read_json
from limen.errors import UsageError, reason
from limen.identity import Identity
from limen.runs.columns import MetricColumn
from limen.runs.entries import AttackEntry, DataEntry, ModelEntry, Settings, SkippedImage
from limen.runs.files import RunError, sync_folder, write_whole
from limen.runs.names import attack_folder, is_safe_folder
from limen.safety import MOST_TEXT, read_bytes, resolved
from limen.spec import value_text

FORMAT = 3
"""Version of the run directory's layout; raised when an older Limen could no longer read it."""

FILE = "run.json"

_OUTDATED = {
    1: "is of Limen 0.1, which did not keep all parameters of attacks; give the run's limen attack command "
    "another --out to make it anew, or open it with Limen 0.1",
    2: "is of Limen 0.2.0, whose records say less of each image; give the run's limen attack command another "
    "--out to make it anew, or open it with Limen 0.2.0",
}
_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "pyarrow")


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
        >>> fgsm = Identity("fgsm", {"eps": 0.03}, budget="eps")
        >>> manifest = manifest.with_attacks([fgsm, Identity("ddn", {})])
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

    def attack(self, label: str) -> AttackEntry:
        """The attack with this label; its name is enough where the run has no other of it.

        Raises:
            UsageError: If the run has no such attack.
        """
        labelled = [entry for entry in self.attacks if entry.label == label]
        found = labelled or [entry for entry in self.attacks if entry.identity.name == label]
        if len(found) != 1:
            raise self._lacks(label)
        return found[0]

    def folder(self, label: str) -> str:
        """The folder under `images/` of the attack with this label.

        Raises:
            UsageError: If the run has no such attack.
        """
        return self.attack(label).folder

    def label_of(self, identity: Identity) -> str:
        """What records call the attack with this identity.

        Raises:
            UsageError: If the run has no such attack.
        """
        entry = _entry_of(self.attacks, identity)
        if entry is None:
            raise self._lacks(identity.label)
        return entry.label

    def families(self) -> dict[str, tuple[str, ...]]:
        """The labels of attacks that differ in their budget alone, under what they have in common.

        An attack that no other differs from so is alone under its own label.

        Example:
            >>> manifest = Manifest(model=ModelEntry("m", "ab12"), data=DataEntry("d", 16))
            >>> attacks = [Identity("fgsm", {"eps": eps}, budget="eps") for eps in (0.1, 0.2)]
            >>> manifest.with_attacks([*attacks, Identity("ddn", {})]).families()
            {'fgsm': ('fgsm:eps=0.1', 'fgsm:eps=0.2'), 'ddn': ('ddn',)}
        """
        groups: dict[Identity, list[str]] = {}
        for entry in self.attacks:
            groups.setdefault(entry.identity.family(), []).append(entry.label)
        named: dict[str, tuple[str, ...]] = {}
        for family, labels in groups.items():
            name = family.label if len(labels) > 1 else labels[0]
            named[" ".join(labels) if name in named else name] = tuple(labels)
        return named

    def with_attacks(self, attacks: Iterable[Identity]) -> Manifest:
        """The same manifest with the attacks that it did not have yet, each given a folder.

        Raises:
            UsageError: If another attack has the same label already.
        """
        entries = list(self.attacks)
        for identity in attacks:
            if _entry_of(entries, identity) is None:
                taken = [entry.folder for entry in entries]
                entries.append(AttackEntry(identity, attack_folder(identity.label, taken)))
        return replace(self, attacks=tuple(entries))

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

    def _lacks(self, label: str) -> UsageError:
        return UsageError(f"the run has no attack {label!r}; it has: {', '.join(self.labels) or 'none'}")

    def _decisive(self) -> dict[str, object]:
        return {
            "model": self.model.spec,
            "weights": self.model.weights,
            "file of the model": self.model.code,
            "defenses": self.model.chain,
            "files of the defenses": [defense.code for defense in self.model.defenses],
            "data": self.data.spec,
            "file of the data": self.data.code,
            "number of images": self.data.count,
            "names, classes or labels of the data": self.data.fingerprint,
            **asdict(self.settings),
            **{f"code of metric {each.key}": each.code for each in self.metrics},
        }

    def to_json(self) -> str:
        """The text of `run.json`."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Read what `to_json` wrote, and trust none of it.

        Raises:
            RunError: If a value is missing or of a wrong type, a folder leads out of the run, two
                attacks share a label or folder, or a newer Limen wrote it.
        """
        try:
            manifest = read_json(cls, text, FORMAT, "the manifest of a run", _OUTDATED)
        except UsageError as error:
            raise RunError(str(error)) from None
        try:
            datetime.fromisoformat(manifest.created)
        except ValueError:
            raise RunError(f"created is {manifest.created!r:.40}, which is no time") from None
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
        return Manifest.from_json(read_bytes(path, resolved(directory), MOST_TEXT))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{directory}: no run here ({FILE} is missing)") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({reason(error)})") from error
    except RunError as error:
        raise RunError(f"{path}: {error}") from None


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest of the run in `directory`, whole or not at all."""
    try:
        content = manifest.to_json().encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{error.object[error.start : error.end]!r} in a name is no Unicode; rename it"
        ) from None
    write_whole(directory / FILE, content)
    sync_folder(directory)


def _entry_of(entries: Sequence[AttackEntry], identity: Identity) -> AttackEntry | None:
    """The entry of an attack, if there is one.

    Raises:
        UsageError: If another attack has its label.
    """
    for entry in entries:
        if entry.identity == identity:
            return entry
    for entry in entries:
        if entry.label == identity.label:
            raise UsageError(
                f"attack {entry.label} is not the one of this name in the run "
                f"({_change(entry.identity, identity)}); choose another --out"
            )
    return None


def _change(old: Identity, new: Identity) -> str:
    """In what two identities with one label differ, in a few words."""
    for key in dict.fromkeys([*old.parameters, *new.parameters]):
        values = [
            value_text(each.parameters[key]) if key in each.parameters else "no value" for each in (old, new)
        ]
        if values[0] != values[1]:
            return f"{key}: {values[0]} in the run, {values[1]} now"
    return "its file has changed" if old.code != new.code else "it is made otherwise"


def _check_attacks(manifest: Manifest) -> None:
    for entry in manifest.attacks:
        if not is_safe_folder(entry.folder):
            raise RunError(
                f"attack {entry.label!r} has folder {entry.folder!r}, which is no plain folder name"
            )
    folders = {entry.folder.lower() for entry in manifest.attacks}
    if min(len(set(manifest.labels)), len(folders)) < len(manifest.attacks):
        raise RunError("two attacks share a label or a folder")
