"""What randomized smoothing proves of a run's classifier (Cohen, Rosenfeld & Kolter 2019)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from limen.analysis import certified_accuracy, certified_radii, estimate_means, share
from limen.classifier import Classifier
from limen.defenses import defenses_of
from limen.document import Block, Cell, Chart, Charts, Group, Line, Table
from limen.errors import UsageError
from limen.evaluation.cells import bands, measured_cell, share_cell
from limen.evaluation.context import Context
from limen.evaluation.protocol import evaluation
from limen.runs import Part, Run, Stored
from limen.smoothing import Smoothed, certify

RADII = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Where the table states the certified accuracy, as those of Cohen et al. do, up to what n can prove."""

_POINTS = 100


def describe(stored: Stored) -> list[Block]:
    """Certified accuracy over the radius, and what was not certified."""
    rows = {row["id"]: row for row in stored.records().to_pylist()}.values()
    right = np.array([row["prediction"] == row["label"] for row in rows])
    abstained = np.array([row["prediction"] is None for row in rows])
    radii = np.where(right, [row["radius"] for row in rows], np.nan)
    sigma, n, alpha = (next(iter(rows))[name] for name in ("sigma", "n", "alpha"))
    most = float(certified_radii(np.array(n), n, sigma, alpha))
    about = (
        f"Of each original, before any attack: the classifier smoothed with σ = {sigma:g}, and the L2 radius "
        f"within which no change of the image changes its class, by {n:,} draws. Each certificate is about "
        f"the smoothed classifier, and wrong with a chance of at most {alpha:g}. These draws can prove "
        f"{most:.3g} at most, whatever the classifier."
    )
    return [_shares(right, abstained, radii, about), _by_radius(radii, most), _curve(radii, most)]


@evaluation("Certified by randomized smoothing", describe, by_batch=True)
def certified(
    run: Run,
    context: Context,
    *,
    sigma: float | None = None,
    n: int = 1000,
    n0: int = 100,
    alpha: float = 0.001,
    seed: int = 0,
) -> Iterator[Part]:
    """Within which L2 radius the run's classifier, smoothed, is proved to keep its class on the originals.

    All originals count, whether the classifier has them right or not. Attacks change nothing here; each has
    the same rows. Of a run whose model is `smoothed:…`, the noise is that of the model.

    Args:
        run: The run.
        context: What the evaluation is given.
        sigma: The noise's standard deviation; may be left out where the run's model is smoothed.
        n: How many draws bound the probability of the class; the paper's figures have 100,000.
        n0: How many draws choose the class.
        alpha: The chance of each certificate to be wrong.
        seed: Where the noise comes from, beside the image.

    Raises:
        UsageError: If the noise is not told, or told twice; if the model is behind a defence; or if a
            setting is refused.

    Source:
        Cohen, Rosenfeld & Kolter 2019, Sections 3.2.2 and 4.
    """
    smoothed = _smoothed(context.classifier, sigma, seed, context.batch_size)
    wanted, table = context.every(), run.table()
    labels = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    for batch in context.batches(wanted, smoothed):
        made = certify(smoothed, batch.originals, n0, n, alpha)
        classes = made.predictions.masked_fill(made.abstained, 0).cpu().numpy()
        values = {
            "label": pa.array([labels[image_id] for image_id in batch.ids]),
            "prediction": pa.array(classes, mask=made.abstained.cpu().numpy()),
            "radius": pa.array(made.radii.cpu().numpy()),
            "count": pa.array(made.counts.cpu().numpy()),
        }
        settings = {"sigma": smoothed.sigma, "n": n, "alpha": alpha}
        values |= {name: pa.array([value] * len(batch.ids)) for name, value in settings.items()}
        for label, rows, ids in batch.remaining():
            of_rows = {name: column.take(pa.array(rows)) for name, column in values.items()}
            yield Part(pa.table({"attack": [label] * len(ids), "id": ids, **of_rows}))


def _smoothed(classifier: Classifier, sigma: float | None, seed: int, batch_size: int) -> Smoothed:
    if defenses_of(classifier):
        raise UsageError(
            "certified: the model is behind a defence, which takes no image with noise outside [0, 1]; "
            "certify a run of the model without it"
        )
    if isinstance(classifier, Smoothed):
        if sigma not in (None, classifier.sigma):
            raise UsageError(
                f"certified: sigma is {sigma}, but the model's is {classifier.sigma}; leave it out"
            )
        return Smoothed(classifier.classifier, classifier.sigma, 1, seed, batch_size)
    if sigma is None:
        raise UsageError("certified: sigma is missing; write certified:sigma=0.25, as the model was trained")
    return Smoothed(classifier, sigma, 1, seed, batch_size)


def _shares(right: np.ndarray, abstained: np.ndarray, radii: np.ndarray, about: str) -> Table:
    shares = [share_cell(share(counted)) for counted in (right, ~right & ~abstained, abstained)]
    (radius,) = estimate_means(np.nan_to_num(radii)[:, None])
    count = Cell(value=len(right), form="count")
    return Table(
        "What is certified",
        f"{about} The mean radius counts an image that is not certified as its label with 0. With 95 % "
        "intervals over the images: Wilson's, and for the mean of the bootstrap.",
        ("Classifier", "Images", "Certified as labelled", "As another class", "Abstained", "Mean radius"),
        [Group("", [[Cell("smoothed"), count, *shares, measured_cell(radius)]])],
    )


def _by_radius(radii: np.ndarray, most: float) -> Table:
    at = [radius for radius in RADII if radius <= most]
    shares = map(share_cell, certified_accuracy(radii, at))
    return Table(
        "Certified accuracy",
        "The share of images that are certified as labelled with an L2 radius of at least so much, with "
        "Wilson's 95 % intervals. No attack within that radius can do worse.",
        ("Classifier", *(f"Radius {radius:g}" for radius in at)),
        [Group("", [[Cell("smoothed"), *shares]])],
    )


def _curve(radii: np.ndarray, most: float) -> Charts:
    x = np.linspace(0, most, _POINTS).tolist()
    chart = Chart(
        "Certified accuracy",
        "L2 radius",
        "certified as labelled",
        [Line("smoothed", x, *bands(certified_accuracy(radii, x)))],
        x_range=(0, most),
        y_range=(0, 1),
        percent=True,
    )
    return Charts(
        "Certified accuracy within a radius",
        "The curve ends at the greatest radius that so many draws can prove. Bands: Wilson's 95 % intervals "
        "over the images, at each radius by itself.",
        [chart],
    )
