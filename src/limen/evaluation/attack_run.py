"""Attack a data set and keep every result: batch by batch into a run that can be killed and resumed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from limen.classifier import Classifier
from limen.data import Batch, Dataset, batches, numbered_as
from limen.defenses import defenses_of, undefended
from limen.errors import LimenWarning, UsageError
from limen.evaluation.aims import read_aim
from limen.evaluation.attack_batch import Attacked, Attacking, Unmeasured, attack_batch, measured_batch
from limen.evaluation.beside import Behind, ahead
from limen.evaluation.budget_grid import AnyAttack, identities_of
from limen.evaluation.ledger import Failed, Ledger, Progress
from limen.evaluation.recorded import as_recorded, read_newer, words_on_changed
from limen.images import LATTICE
from limen.metrics import STANDARD, Metric
from limen.metrics.pairs import require
from limen.runs import DataEntry, Manifest, ModelEntry, RunWriter, Settings
from limen.workers import HERE, Workers


def describe_run(
    classifier: Classifier,
    dataset: Dataset,
    attacks: Iterable[AnyAttack],
    *,
    model_spec: str | None = None,
    seed: int = 0,
    lattice: int | None = LATTICE,
    targeted: bool = False,
    aim: str | None = None,
    adaptive: int | None = None,
    metrics: Iterable[Metric] = STANDARD,
    device: str | None = None,
) -> Manifest:
    """The manifest of a run that `run_attacks` is about to do.

    Args:
        classifier: The model under test.
        dataset: The images.
        attacks: The attacks and grids; what each is, is told by its `identity`, or by its code.
        model_spec: The spec that `classifier` was made from, or what to call it; if not given, the spec that
            the catalog made it from, or the name of its module's class.
        seed: Seed of everything random in the attacks.
        lattice: Steps between 0 and 1 that the attacks round to; None leaves rounding to the PNG.
        targeted: Whether the attacks aim at targets.
        aim: At which: `least_likely`, `random`, or the number or name of a class; None for the data set's.
        adaptive: Over how many draws of random defences attacks average that take gradients through the
            classifier's defences, or around them; None for attacks as they are.
        metrics: What to measure distortion by.
        device: Where workers compute; None for where the classifier is.

    Raises:
        DataError: If a class of the data is none of the model's by its name.
        UsageError: If it cannot be told what an attack or a defence of the classifier is, or two metrics have
            one name, but not one source.
        LimenError: If a metric lacks what it needs.
    """
    numbered_as(dataset, classifier.class_names)
    if adaptive is not None and not defenses_of(classifier):
        raise UsageError(
            "an adaptive attack knows of defences, but the model has none; name one, or leave it"
        )
    measures = tuple(metrics)
    for metric in measures:
        if metric.needs:
            require(metric)
    known = classifier.identity
    manifest = Manifest(
        model=ModelEntry(
            spec=model_spec or (type(classifier.module).__name__ if known is None else known.label),
            weights=undefended(classifier).fingerprint(),
            class_names=classifier.class_names,
            defenses=defenses_of(classifier),
            code=None if known is None else known.code,
        ),
        data=DataEntry(
            dataset.spec,
            len(dataset),
            dataset.class_names,
            dataset.fingerprint(),
            labelled=dataset.photographs is None,
            code=dataset.code,
        ),
        settings=Settings(
            seed, lattice, targeted, adaptive, None if aim is None else read_aim(aim, classifier.class_names)
        ),
        device=device or str(classifier.device),
    )
    return manifest.with_attacks(identities_of(attacks)).with_metrics(metric.column for metric in measures)


def run_attacks(
    classifier: Classifier,
    dataset: Dataset,
    attacks: Sequence[AnyAttack],
    run: RunWriter,
    *,
    batch_size: int = 32,
    limit: int | None = None,
    places: Sequence[int] | None = None,
    metrics: Iterable[Metric] = STANDARD,
    workers: Workers = HERE,
    progress: Progress | None = None,
    failed: Failed | None = None,
) -> None:
    """Attack the images that the run has not finished, and write each batch as soon as it is done.

    Batches are cut by the images' places in the data set, and what is attacked side by side is written
    whole or not at all. So a run that was stopped goes on with the batches that it would have had: on
    one machine, and with the same batch size, it ends equal to one never stopped, bit for bit.

    What counts is what a file holds: the model classifies, and the metrics compare, the pixels of
    the two PNGs. With `lattice=None` an attack may thus succeed in memory and fail on its PNG. A
    metric that does not take images this small is left empty.

    An image whose file has changed since the run attacked it is attacked further as the run has it, and a
    `LimenWarning` says so.

    The values of a grid are attacked side by side, an image and value a row of one batch. Each has
    the result that it would have alone, as an image's random numbers come from its id and the seed.

    Args:
        classifier: The model under test.
        dataset: The images; one that cannot be read is recorded as skipped. Where model and data both know
            class names, labels are the model's numbers of the classes of these names.
        attacks: The attacks and grids, all of them in the run's manifest.
        run: Where results go; nothing in it is repeated.
        batch_size: Images, or rows of a grid, attacked side by side; memory is bounded by a few batches, as
            the next one is read, and the one before measured and written, while one is attacked.
        limit: Attack only the first so many images of the data set; None for all.
        places: The positions in the data set of the images to attack, rising; None for all.
        metrics: What to measure distortion by; the run's manifest has a column of each.
        workers: Who attacks: this process alone, or others beside it, a batch each; results are the same.
        progress: Called with each attack's label, finished images and all images, in the thread that writes.
        failed: Called with an attack that failed, and why; the others go on without it. None lets the error
            end the run.

    Raises:
        DataError: If a class of the data is none of the model's by its name.
        UsageError: If an attack is none of the run's, a label is none of the model's classes, targets are
            missing, or an image has another label, target or mask than when it was attacked.
        RunError: If the run cannot be written. All batches finished before are kept.

    Example:
        >>> import tempfile, torch, limen
        >>> from limen.evaluation import describe_run
        >>> dataset = limen.data.demo("digits", count=4)
        >>> classifier = limen.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10)))
        >>> attacks = [limen.attacks.fgsm(eps=0.1)]
        >>> manifest = describe_run(classifier, dataset, attacks, model_spec="a linear model")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with limen.runs.create_or_resume(folder, manifest) as run:
        ...         run_attacks(classifier, dataset, attacks, run)
        ...     limen.runs.open_run(folder).table().num_rows
        4
    """
    changed: set[str] = set()
    dataset = as_recorded(numbered_as(dataset, classifier.class_names), run, changed)
    if limit is not None and limit < 0:
        raise UsageError(f"limit must be at least 0, not {limit}")
    chosen = tuple(range(len(dataset)) if places is None else places)[:limit]
    of_all = {tuple(map(run.manifest.label_of, identities_of([each]))): each for each in attacks}
    ledger = Ledger(run, of_all, [dataset.ids[place] for place in chosen], progress, failed)
    read_newer(dataset, [place for place in chosen if ledger.is_done(dataset.ids[place])], run)
    what = Attacking(
        classifier,
        [(attack, labels) for labels, attack in of_all.items()],
        tuple(metrics),
        run.manifest.settings,
        dataset.spec,
        batch_size,
        lenient=failed is not None,
    )
    # Other workers measure what they find; here that goes on beside the next call.
    work = attack_batch if workers is HERE else measured_batch
    with Behind() as behind, closing(ahead(_batches(dataset, chosen, batch_size, ledger, behind))) as cut:
        for found in workers.run(work, what, cut, ledger.left):
            behind.do(_record, ledger, found)
            if isinstance(found, Attacked) and found.failed:
                behind.wait()  # the next batch is to leave that attack out
    if changed:
        warnings.warn(words_on_changed(changed), LimenWarning, stacklevel=2)


def _record(ledger: Ledger, found: Attacked | Unmeasured) -> None:
    ledger.record(found if isinstance(found, Attacked) else found.measured())


def _batches(
    dataset: Dataset, places: Sequence[int], size: int, ledger: Ledger, behind: Behind
) -> Iterator[Batch]:
    """The batches in which an image is left, each with its finished images too: they decide its rounding."""
    for start in range(0, len(places), size):
        cut = places[start : start + size]
        if all(ledger.is_done(dataset.ids[place]) for place in cut):
            continue
        for batch in batches(dataset, cut, size, functools.partial(behind.do, ledger.skip)):
            if not all(map(ledger.is_done, batch.ids)):
                yield batch
