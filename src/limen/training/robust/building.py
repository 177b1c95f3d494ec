"""Algorithm 4.1: a data set of adversarial images of the networks along a training, on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from limen import catalog
from limen.catalog import NamedAttack
from limen.classifier import Classifier
from limen.data import Dataset
from limen.data.robust import (
    FILE,
    ROWS,
    RobustManifest,
    read_robust_manifest,
    write_robust_manifest,
    write_rows,
)
from limen.errors import UsageError
from limen.identity import identify
from limen.runs.entries import DataEntry, ModelEntry
from limen.runs.files import locked
from limen.training.checkpoint import make_folder, write_weights
from limen.training.dual import DUALS
from limen.training.network import metadata_of
from limen.training.reading import OnSkip
from limen.training.robust.folder import write_clean
from limen.training.robust.growing import CHECKPOINT, Builder, GrowthListener
from limen.training.settings import Settings
from limen.training.task import Task
from limen.training.team import Team, assemble

LOCK = "robust.lock"
NETWORK = "network.safetensors"


@dataclass(frozen=True)
class Growing:
    """How D_rob is made, beside what is trained on what.

    Attributes:
        attack: The spec of the attack that makes its images.
        literal: Whether it follows the text to the letter: what is drawn is attacked itself, so that attacks
            nest, clean samples have the weight 1, and each gradient is multiplied by its sample's weight.
        clean_share: How often a clean sample is drawn, unless it is literal.

    Raises:
        UsageError: If `clean_share` is not from 0 to below 1.
    """

    attack: str
    literal: bool = False
    clean_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.clean_share < 1:
            raise UsageError(f"clean_share is {self.clean_share}; expected a number from 0, and below 1")


def grow_robust_set(
    task: Task,
    growing: Growing,
    folder: Path,
    settings: Settings,
    *,
    every: float = 600.0,
    listen: GrowthListener | None = None,
    on_skip: OnSkip | None = None,
    workers: int = 0,
    team: Team | None = None,
) -> RobustManifest:
    """Make D_rob by Algorithm 4.1, or go on with it.

    Each of `settings.epochs` outer steps draws as many samples as there are clean ones. For each batch of
    them the network takes a step, and is then attacked, in evaluation mode, with the weights that it then
    has. The text has batches of one: the network takes a step for each sample, and each is attacked with
    other weights. Larger batches take fewer steps and attack side by side, which is faster by far.

    The folder is written so that a build that is killed goes on from its checkpoint and ends with the same
    files. What is made there is drawn from by the data spec `robust:FOLDER`.

    Args:
        task: The network, the data, and perhaps a dual; its objective and validation are not used.
        growing: The attack, and how what it makes is weighed.
        folder: Where D_rob goes.
        settings: Of the steps of the network; its epochs are the outer steps, and its sampling is not used.
        every: Seconds between two checkpoints within an outer step.
        listen: Called after every batch and outer step.
        on_skip: Called for every clean image that cannot be used, which is left out; if None, that is an
            error.
        workers: How many processes read images ahead.
        team: This process alone, and where it computes.

    Returns:
        What was made.

    Raises:
        UsageError: If a spec or number is wrong, several processes were started, or the folder holds
            something else.
        LimenError: If the folder cannot be read or written, or the loss is no longer finite.

    Source:
        Algorithm 4.1 of the paper on imperceptible attacks, distributionally robust optimization and fairness
        (Hua et al.).
    """
    team = assemble(precision=settings.precision) if team is None else team
    if team.share.size > 1:
        raise UsageError("a robust data set is made by one process; start it without accelerate")
    attack = catalog.attack(growing.attack)
    dual = None if task.dual is None else DUALS.make(task.dual)
    train_set, test_set = task.datasets()
    train_set = replace(train_set, redraw=None)
    classifier = task.classifier(train_set, settings.seed, team)
    train_set, test_set = task.numbered((train_set, test_set), classifier)
    manifest = _manifest(task, growing, attack, settings, classifier, train_set)
    _check_place(folder)
    make_folder(folder)
    with locked(folder / LOCK):
        manifest = _started(folder, manifest, train_set, on_skip)
        if manifest.finished:
            return manifest
        builder = Builder(folder, manifest, classifier, attack, settings, team)
        steps = builder.run(every, listen, workers, dual, test_set)
        told = {**metadata_of(task, settings, train_set), "attack": identify(attack).label}
        if classifier.class_names is not None:
            told["class_names"] = json.dumps(classifier.class_names)
        write_weights(folder / NETWORK, classifier.module, told)
        manifest = replace(manifest, steps=steps, finished=True)
        write_robust_manifest(folder, manifest)
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return manifest


def _manifest(
    task: Task,
    growing: Growing,
    attack: NamedAttack,
    settings: Settings,
    classifier: Classifier,
    train_set: Dataset,
) -> RobustManifest:
    known = classifier.identity
    names = train_set.class_names
    settled = {**asdict(settings), "classes": task.classes, "freeze": task.freeze, "dual": task.dual}
    code = None if known is None else known.code
    return RobustManifest(
        model=ModelEntry(task.model, classifier.fingerprint(), classifier.class_names, code=code),
        data=DataEntry(train_set.spec, len(train_set), names, train_set.fingerprint(), code=train_set.code),
        attack=identify(attack),
        literal=growing.literal,
        clean_share=growing.clean_share,
        settings={name: str(value) for name, value in settled.items()},
    )


def _check_place(folder: Path) -> None:
    strangers = {path.name for path in folder.iterdir()} - {LOCK} if folder.is_dir() else set()
    if strangers and FILE not in strangers:
        raise UsageError(f"{folder}: not empty and no robust data set; choose another --out")


def _started(
    folder: Path, manifest: RobustManifest, train_set: Dataset, on_skip: OnSkip | None
) -> RobustManifest:
    """The manifest of a build that may go on, with the clean samples in place."""
    if (folder / FILE).exists():
        found = read_robust_manifest(folder)
        if differences := found.differences(manifest):
            raise UsageError(
                f"{folder}: the robust data set there has other settings ({'; '.join(differences)}); use "
                "those to go on, or choose another --out"
            )
        manifest = found
    if not (folder / ROWS).exists():
        write_robust_manifest(folder, manifest)
        rows, masks, skipped = write_clean(folder, train_set, on_skip)
        manifest = replace(manifest, masks=masks, skipped=tuple(skipped))
        write_robust_manifest(folder, manifest)
        write_rows(folder, rows)
    return manifest
