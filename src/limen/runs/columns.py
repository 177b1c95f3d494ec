"""The columns of a run's records: those that every run has, and two for each of its metrics."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa

from limen.decoding import decode
from limen.document import near_one, number
from limen.errors import UsageError
from limen.runs.calibration import Calibration

FIXED = (
    pa.field("attack", pa.string(), nullable=False),
    pa.field("index", pa.int64(), nullable=False),
    pa.field("id", pa.string(), nullable=False),
    pa.field("label", pa.int64(), nullable=False),
    pa.field("group", pa.string()),
    pa.field("target", pa.int64()),
    pa.field("source", pa.string()),
    pa.field("clean_prediction", pa.int64(), nullable=False),
    pa.field("clean_confidence", pa.float64(), nullable=False),
    pa.field("prediction", pa.int64(), nullable=False),
    pa.field("confidence", pa.float64(), nullable=False),
    pa.field("success", pa.bool_(), nullable=False),
    pa.field("success_in_memory", pa.bool_(), nullable=False),
    pa.field("steps", pa.int64(), nullable=False),
    pa.field("forwards", pa.int64(), nullable=False),
    pa.field("backwards", pa.int64(), nullable=False),
    pa.field("zero_gradients", pa.int64()),
    pa.field("nonfinite_gradients", pa.int64()),
    pa.field("unmasked", pa.bool_()),
    pa.field("still", pa.bool_()),
    pa.field("unconfirmed", pa.bool_()),
    pa.field("seconds", pa.float64(), nullable=False),
)
"""What the records of every run have."""

NEEDED = frozenset(field.name for field in FIXED) - {
    "group",
    "source",
    "zero_gradients",
    "nonfinite_gradients",
    "unmasked",
    "still",
    "unconfirmed",
}
"""What also the records of an older Limen have."""

IN_MEMORY = "_in_memory"

_METRIC = b"limen.metric"
_KEY = re.compile(r"[a-z][a-z0-9_]*(:[^\s:][^\n]*)?")


@dataclass(frozen=True)
class MetricColumn:
    """A metric as a column of the records, and how people read it.

    Attributes:
        key: The column that compares the stored image with its original: a lower-case name, and after a colon
            the options of the metric that differ from their defaults, as in `lpips:network=vgg`. The column
            `KEY_in_memory` beside it compares the attack's own image, before it was stored in 8 bits. Either
            is null where the attack failed, and where the image is too small for the metric.
        title: What to call the metric in a heading.
        unit: The unit after a value, empty where it has none.
        scale: Factor from the stored value to the one shown.
        higher_is_better: Whether a higher value means less distortion.
        complement: Whether an axis shows one minus the value, so that it starts at no distortion.
        about: One sentence that says what is measured.
        code: The SHA-256 of the user's file that the metric comes from; None for what is installed.
        caveat: Sentences on what values do not mean, which must stand wherever some are shown.
        calibration: For a share of people, the curve that it was read off.

    Raises:
        UsageError: If the key does not begin with a lower-case name, or is that of another column.

    Example:
        >>> ssim = MetricColumn("ssim", "SSIM", higher_is_better=True, complement=True)
        >>> ssim.axis, ssim.shown(0.99876), ssim.plotted(np.array([0.75]))
        ('1 − SSIM', '0.9988', array([0.25]))
    """

    key: str
    title: str
    unit: str = ""
    scale: float = 1.0
    higher_is_better: bool = False
    complement: bool = False
    about: str = ""
    code: str | None = None
    caveat: str = ""
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        taken = self.key in {field.name for field in FIXED} or self.key.endswith(IN_MEMORY)
        if taken or not _KEY.fullmatch(self.key):
            raise UsageError(
                f"{self.key!r} cannot name the column of a metric; choose another name, in lower case"
            )

    @property
    def in_memory(self) -> str:
        """The column of the attack's own image, before storage."""
        return self.key + IN_MEMORY

    @property
    def centre(self) -> str:
        """The statistic that a single figure shows: the median, but the mean of what is calibrated as one."""
        return "median" if self.calibration is None else "mean"

    @property
    def axis(self) -> str:
        """The title of its axis."""
        title = f"1 − {self.title}" if self.complement else self.title
        return f"{title} ({self.unit})" if self.unit else title

    @property
    def heading(self) -> str:
        """The title with the unit of the values below it."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    @property
    def reverse(self) -> bool:
        """Whether an axis runs from high to low, so that distortion grows to the right."""
        return self.higher_is_better and not self.complement

    def plotted(self, values: np.ndarray) -> np.ndarray:
        """The values on an axis, in the shown unit."""
        shown = values * self.scale
        return 1 - shown if self.complement else shown

    def shown(self, value: float | None, digits: int = 3) -> str:
        """A value for people, in the shown unit but without its name."""
        if value is None:
            return number(None)
        return near_one(value) if self.complement else number(value * self.scale, digits)

    def distortion(self, values: np.ndarray) -> np.ndarray:
        """The values as something that grows as an image moves away from its original, and back again.

        Example:
            >>> MetricColumn("psnr", "PSNR", higher_is_better=True).distortion(np.array([40.0]))
            array([-40.])
        """
        return -values if self.higher_is_better else values


def record_schema(metrics: Iterable[MetricColumn]) -> pa.Schema:
    """The columns of the records of a run with these metrics; each knows its metric, see `metrics_of`.

    Example:
        >>> record_schema([MetricColumn("l2", "L₂")]).names[-2:]
        ['l2', 'l2_in_memory']
    """
    return _schema(tuple(metrics))


@functools.lru_cache(maxsize=64)
def _schema(metrics: tuple[MetricColumn, ...]) -> pa.Schema:
    measured = (
        pa.field(name, pa.float64(), metadata={_METRIC: json.dumps(asdict(each))})
        for each in metrics
        for name in (each.key, each.in_memory)
    )
    return pa.schema([*FIXED, *measured])


def metrics_of(records: pa.Table) -> dict[str, MetricColumn]:
    """The metrics that records, `run.table()`, have columns of, by their names.

    Example:
        >>> metrics_of(record_schema([MetricColumn("l2", "L₂")]).empty_table())["l2"].title
        'L₂'
    """
    texts = (field.metadata[_METRIC] for field in records.schema if _METRIC in (field.metadata or {}))
    return {each.key: each for each in (decode(MetricColumn, text) for text in dict.fromkeys(texts))}
