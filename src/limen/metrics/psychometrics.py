"""Which share of people would notice a change, by its MAD: the curve alone, without torch.

It is fitted to the answers of 35 people, who saw a photograph of 299×299 pixels beside another one for 5
seconds and said whether the two were equal: 80 photographs, each under two attacks of one family, BIM and BIM
masked by entropy, with L2 of 2 to 20 (Göpfert, Artelt, Wersing & Hammer 2020, Adversarial attacks hidden in
plain sight). The share that says "different" is P = φ + (1 − φ)·E: φ say so of equal images, too, and
E = 1 / (1 + exp(−(a + b·ln(MAD + 0.01)))) is the excess over these false alarms, who would notice.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy

from limen.decoding import read_json
from limen.errors import RunError, UsageError, reason
from limen.runs import Calibration
from limen.safety import MOST_TEXT, read_bytes

FORMAT = 1
"""Version of the file of a curve; raised when an older Limen could no longer read it."""

OFFSET = 0.01
"""What is added to MAD, which is 0 for changes below the threshold of vision."""

FALSE_ALARMS = 0.098
"""φ: 273 of 2800 answers to equal images."""

CALIBRATION = Calibration(intercept=1.327, slope=0.883, covariance=(0.0376, 0.0068, 0.0071))
"""a and b by maximum likelihood, and their covariance over bootstraps of photographs, people and φ."""

# Answers of different pairs of one MAD differ by more than chance: the fit for which each pair's share of
# people is drawn from a beta distribution of this sum of both parameters.
_PAIR_INTERCEPT, _PAIR_SLOPE, _PAIR_SUM = 1.344, 0.827, 5.8

CAVEAT = (
    "Calibrated on one study of 35 people, who saw photographs of 299×299 pixels for 5 s beside BIM or "
    "entropy-masked BIM of them, two attacks of one family at L₂ of 2 to 20; colour and smooth changes were "
    "not in it. For another attack it may be off: by 15 points either way within this study, with no bound "
    "beyond it, and intervals do not hold that. MAD is 0 for most minimal attacks, so this says 6 % for all "
    "of them and cannot rank what is already invisible."
)
"""What must stand wherever the share is shown."""


def excess(mad: np.ndarray) -> np.ndarray:
    """The mean share of people who would notice, beyond false alarms, at values of MAD.

    Example:
        >>> excess(np.array([0.0, 0.1, 1.0])).round(2)
        array([0.06, 0.35, 0.79])
    """
    return CALIBRATION.values(np.log(np.asarray(mad, float) + OFFSET))


def answers(mad: np.ndarray) -> np.ndarray:
    """The mean share of people who would say "different", with false alarms, at values of MAD.

    Example:
        >>> answers(np.array([0.0, 0.1, 1.0])).round(2)
        array([0.15, 0.41, 0.81])
    """
    return FALSE_ALARMS + (1 - FALSE_ALARMS) * excess(mad)


def answers_to_one(mad: np.ndarray, level: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """The band that holds the share who would say "different" of a single image with this probability.

    It is wide: MAD says much less of one image than of the mean over many.

    Args:
        mad: Values of MAD, any shape.
        level: The probability.

    Returns:
        The lower and the upper ends, of that shape.

    Example:
        >>> low, high = answers_to_one(np.array([0.0, 0.1, 1.0]))
        >>> low.round(2), high.round(2)
        (array([0.02, 0.19, 0.6 ]), array([0.38, 0.7 , 0.97]))
    """
    curve = Calibration(_PAIR_INTERCEPT, _PAIR_SLOPE, (0.0, 0.0, 0.0))
    mean = curve.values(np.log(np.asarray(mad, float) + OFFSET))
    mean = FALSE_ALARMS + (1 - FALSE_ALARMS) * mean
    tail = (1 - level) / 2
    low, high = (
        scipy.special.betaincinv(mean * _PAIR_SUM, (1 - mean) * _PAIR_SUM, chance)
        for chance in (tail, 1 - tail)
    )
    return low, high


@dataclass(frozen=True)
class FittedCurve:
    """The curve of a study of one's own, over any metric, as `limen study read` fits it.

    Attributes:
        format: `FORMAT`.
        metric: The name of the metric.
        complement: Whether it is one minus the metric's value that grows with distortion.
        falling: Whether it is the negative value that does.
        offset: What is added before the logarithm is taken; None for no logarithm.
        calibration: The curve of who would notice, over what `x` gives.
        chance: The share that said so where nothing was to be seen.
        lapse: The share of slips.
        caveat: What must stand wherever shares are shown that are read off it.
    """

    format: int
    metric: str
    complement: bool
    falling: bool
    offset: float | None
    calibration: Calibration
    chance: float
    lapse: float
    caveat: str

    def x(self, values: np.ndarray) -> np.ndarray:
        """What the curve is over, for values of the metric."""
        values = np.asarray(values, float)
        cost = 1 - values if self.complement else -values if self.falling else values
        if self.offset is None:
            return cost
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(cost, 0.0) + self.offset)

    def share(self, values: np.ndarray) -> np.ndarray:
        """The share of people who would notice, for values of the metric.

        Example:
            >>> own = FittedCurve(1, "mad", False, False, OFFSET, CALIBRATION, 0.1, 0.0, "One study.")
            >>> bool((own.share(np.arange(3)) == excess(np.arange(3))).all())
            True
        """
        return self.calibration.values(self.x(values))

    def to_json(self) -> str:
        """The text of the file that `read_curve` reads."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def read_curve(path: Path | str) -> FittedCurve:
    """The curve in a file that `limen study read` wrote.

    Raises:
        UsageError: If the file is no such curve, or cannot be read; the message names it.
    """
    try:
        return read_json(FittedCurve, read_bytes(path, most=MOST_TEXT), FORMAT, "a curve of limen study read")
    except (OSError, RunError, UsageError) as error:
        raise UsageError(f"{path}: no calibration can be read here ({reason(error)})") from None
