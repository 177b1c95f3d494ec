"""Every metric in one table, which opens without torch: how it is shown, and where its function is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from limen.metrics.metric import Metric
from limen.metrics.psychometrics import CALIBRATION, CAVEAT
from limen.runs import MetricColumn


def _metric(
    source: str,
    key: str,
    title: str,
    about: str,
    *,
    least_side: int = 1,
    needs: str = "",
    differentiable: bool = True,
    **shown: Any,
) -> Metric:
    return Metric(MetricColumn(key, title, about=about, **shown), source, least_side, needs, differentiable)


STANDARD: tuple[Metric, ...] = (
    _metric("lp", "l2", "L₂", "Euclidean length of the change, pixel values in [0, 1]."),
    _metric(
        "lp",
        "linf",
        "L∞",
        "Largest change of any value, in steps of the 8-bit lattice.",
        unit="/255",
        scale=255.0,
    ),
    _metric("lp", "l1", "L₁", "Sum of all changes, pixel values in [0, 1]."),
    _metric("lp", "l0", "L₀", "How many values changed.", differentiable=False),
    _metric(
        "structural_similarity",
        "ssim",
        "SSIM",
        "Structural similarity; 1 is equal.",
        least_side=11,
        higher_is_better=True,
        complement=True,
    ),
    _metric(
        "apparent_distortion",
        "mad",
        "MAD",
        "Most apparent distortion as seen by people; 0 is unseen, about 10 is plain noise.",
        least_side=16,
        differentiable=False,
    ),
    Metric(
        MetricColumn(
            "noticed",
            "would notice",
            unit="%",
            scale=100.0,
            about="Share of people who would notice, beyond false alarms, by MAD; a mean over images.",
            caveat=CAVEAT,
            calibration=CALIBRATION,
        ),
        "noticing",
        least_side=16,
        differentiable=False,
        derived_from="mad",
        derivation="noticed_from_mad",
        adapted="calibrated",
    ),
    _metric(
        "signal_to_noise",
        "psnr",
        "PSNR",
        "Peak signal-to-noise ratio; higher is closer.",
        unit="dB",
        higher_is_better=True,
    ),
    _metric(
        "weighted_signal_to_noise",
        "wpsnr",
        "wPSNR",
        "Signal-to-noise ratio that counts less where the original is busy; higher is closer.",
        unit="dB",
        higher_is_better=True,
    ),
    _metric(
        "colour_difference",
        "ciede2000",
        "CIEDE2000",
        "Colour difference as seen by people; about 1 is just noticeable.",
    ),
)
"""What every run measures: quick, and complete in themselves."""

_OTHERS = (
    _metric(
        "multi_scale_similarity",
        "ms_ssim",
        "MS-SSIM",
        "Structural similarity at five scales; 1 is equal.",
        least_side=161,
        higher_is_better=True,
        complement=True,
    ),
    _metric(
        "feature_similarity",
        "fsim",
        "FSIM",
        "Similarity of phase congruency, gradients and chroma; 1 is equal.",
        least_side=16,
        higher_is_better=True,
        complement=True,
    ),
    _metric(
        "learned_similarity",
        "lpips",
        "LPIPS",
        "Distance of a classifier's features, weighed as people judge; 0 is equal.",
        least_side=31,
        needs="weights of the classifier, and LPIPS's own",
    ),
    _metric(
        "structure_and_texture",
        "dists",
        "DISTS",
        "Distance of structure and texture in VGG16's features; 0 is equal.",
        least_side=16,
        needs="weights of VGG16, and DISTS's own",
    ),
    _metric(
        "pairwise_preference",
        "pieapp",
        "PieAPP",
        "Error as learned from which of two images people prefer; lower is closer.",
        least_side=64,
        needs="weights of PieAPP",
    ),
)

METRICS: Mapping[str, Metric] = MappingProxyType(
    {metric.column.key: metric for metric in (*STANDARD, *_OTHERS)}
)
"""Every metric by its name, which is also its column in a run's records; the standard ones come first."""
