"""How each metric of a record is written, plotted and ordered on the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from limen.document import likeness, number


@dataclass(frozen=True)
class Metric:
    """How one metric is shown.

    Attributes:
        key: The column of the records.
        title: What to call the metric in a heading.
        unit: The unit after a value, empty where it has none.
        scale: Factor from the stored value to the one shown.
        likeness: Whether a higher value means less distortion.
        complement: Whether the axis shows one minus the value, so that it starts at no distortion.
        about: One sentence that says what is measured.
    """

    key: str
    title: str
    unit: str = ""
    scale: float = 1.0
    likeness: bool = False
    complement: bool = False
    about: str = ""

    @property
    def axis(self) -> str:
        """The title of its axis in the curves."""
        title = f"1 − {self.title}" if self.complement else self.title
        return f"{title} ({self.unit})" if self.unit else title

    @property
    def reverse(self) -> bool:
        """Whether the axis runs from high to low, so that distortion grows to the right."""
        return self.likeness and not self.complement

    def plotted(self, values: np.ndarray) -> np.ndarray:
        """The values on the axis of the curves, in the shown unit.

        Example:
            >>> ssim = Metric("ssim", "SSIM", likeness=True, complement=True)
        >>> ssim.plotted(np.array([0.75]))
            array([0.25])
        """
        shown = values * self.scale
        return 1 - shown if self.complement else shown

    def shown(self, value: float | None) -> str:
        """A value for people, in the shown unit but without its name."""
        if value is None:
            return number(None)
        return likeness(value) if self.complement else number(value * self.scale)

    def distortion(self, values: np.ndarray) -> np.ndarray:
        """The values as something that grows with distortion, for sorting."""
        plotted = self.plotted(values)
        return -plotted if self.reverse else plotted


METRICS = (
    Metric("l2", "L₂", about="Euclidean length of the change, pixel values in [0, 1]."),
    Metric("linf", "L∞", "/255", 255.0, about="Largest change of any value, in steps of the 8-bit lattice."),
    Metric("l1", "L₁", about="Sum of all changes, pixel values in [0, 1]."),
    Metric("l0", "L₀", about="How many values changed."),
    Metric("ssim", "SSIM", likeness=True, complement=True, about="Structural similarity; 1 is equal."),
    Metric(
        "mad",
        "MAD",
        about="Most apparent distortion as seen by people; 0 is unseen, about 10 is plain noise.",
    ),
    Metric("psnr", "PSNR", "dB", likeness=True, about="Peak signal-to-noise ratio; higher is closer."),
    Metric(
        "wpsnr",
        "wPSNR",
        "dB",
        likeness=True,
        about="Signal-to-noise ratio that counts less where the original is busy; higher is closer.",
    ),
    Metric(
        "ciede2000", "CIEDE2000", about="Colour difference as seen by people; about 1 is just noticeable."
    ),
)
