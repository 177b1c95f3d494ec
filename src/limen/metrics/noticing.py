"""Which share of people would notice a change."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import torch
from torch import Tensor

from limen.errors import UsageError
from limen.metrics.apparent_distortion import mad
from limen.metrics.metric import Metric
from limen.metrics.psychometrics import CALIBRATION, OFFSET, FittedCurve, read_curve


def noticed(a: Tensor, b: Tensor, *, calibration: Path | None = None) -> Tensor:
    """The share of people who would notice, beyond those who see a difference between equal images.

    It is read off a curve over MAD, fitted to the answers of one study; `limen.metrics.psychometrics` says
    which, and `CAVEAT` there what the share does not mean. It is a statement about the mean over images: for
    one image see `answers_to_one`. Like `mad`, it is not differentiable.

    Args:
        a: Original images, as `mad` takes them, or the metric of the calibration.
        b: Images of the same shape, dtype and device.
        calibration: A curve of one's own in place of that one, over any metric: a file that
            `limen study read` wrote.

    Returns:
        Shares (N,) from 0.06, where MAD is 0, to 1.

    Raises:
        UsageError: As `mad` does, or if the file is no calibration.

    Source:
        The answers: Göpfert, Artelt, Wersing & Hammer, Adversarial attacks hidden in plain sight, 2020.

    Example:
        >>> image = torch.rand(1, 3, 32, 32)
        >>> noticed(image, image)
        tensor([0.0607])
    """
    if calibration is None:
        return noticed_from_mad(mad(a, b))
    curve = read_curve(calibration)
    values = _base(curve, calibration)(a, b)
    return torch.as_tensor(curve.share(values.double().cpu().numpy())).to(values)


def calibrated(metric: Metric, calibration: Path | None = None) -> Metric:
    """The metric as it is shown, and what images it takes, where a curve of one's own is given.

    Raises:
        UsageError: If the file is no calibration.
    """
    if calibration is None:
        return metric
    curve = read_curve(calibration)
    base = _base(curve, calibration)
    column = dataclasses.replace(
        metric.column,
        about=f"Share of people who would notice, beyond false alarms, by {base.column.title}; a mean.",
        caveat=curve.caveat,
        calibration=curve.calibration,
        code=hashlib.sha256(curve.to_json().encode()).hexdigest(),
    )
    return dataclasses.replace(metric, column=column, least_side=base.least_side, needs=base.needs)


def _base(curve: FittedCurve, path: Path) -> Metric:
    """The metric that a curve is over."""
    from limen.metrics.table import METRICS  # which has this one, too

    if curve.metric not in METRICS:
        raise UsageError(
            f"{path}: a curve over {curve.metric!r:.60}, which is no metric of Limen's without options"
        )
    return METRICS[curve.metric]


def noticed_from_mad(values: Tensor) -> Tensor:
    """The same share for values of MAD that are known.

    Example:
        >>> noticed_from_mad(torch.tensor([0.0, 0.1, 1.0]))
        tensor([0.0607, 0.3493, 0.7918])
    """
    return torch.sigmoid(CALIBRATION.intercept + CALIBRATION.slope * torch.log(values + OFFSET))
