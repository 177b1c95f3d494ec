"""A metric: its function with how it is shown, as data that opens without torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from limen.errors import UsageError
from limen.identity import Identity
from limen.runs import MetricColumn

if TYPE_CHECKING:
    from torch import Tensor

    Function = Callable[[Tensor, Tensor], Tensor]
    Derivation = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Metric:
    """A metric: called with originals and images, it gives one number per image.

    Attributes:
        column: Its name, and how people read it.
        source: Its function, or the module of Limen that has a function of its name.
        least_side: The least height and width, in pixels, of the images that it takes.
        needs: What it takes beyond Limen itself, in words; empty for nothing. A metric that needs something
            is called with no images before a run begins, so that what is missing is told then.
        differentiable: Whether it has a gradient that an attack can follow.
        derived_from: The metric in the table of whose values alone it is made, so that whoever has measured
            that need not do it again; None for most.
        derivation: The function of these values (N,), or its name in the module.
        adapted: The function of the module that, given the metric and its options, gives it as it is with
            these; empty where they change nothing but its values.

    Example:
        >>> import torch
        >>> mean = Metric(MetricColumn("mean", "mean change"), lambda a, b: (a - b).mean((1, 2, 3)))
        >>> mean(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4))
        tensor([1., 1.])
    """

    column: MetricColumn
    source: str | Function
    least_side: int = 1
    needs: str = ""
    differentiable: bool = True
    derived_from: str | None = None
    derivation: str | Derivation = ""
    adapted: str = ""

    @property
    def function(self) -> Function:
        """The function itself, imported when it is first asked for."""
        return self.source if callable(self.source) else self._of_module(self.column.key)

    @property
    def identity(self) -> Identity:
        """What it is, as a parameter of something else that is kept in a run."""
        found = getattr(self.source, "identity", None)
        return found or Identity.of(self.function, {}, name=self.column.key, code=self.column.code)

    def cost(self, a: Tensor, b: Tensor) -> Tensor:
        """The metric as something to bring down, (N,): the less, the nearer to the originals.

        It is 1 − value where the column's `complement` says so, else −value where higher is better, else the
        value itself.

        Raises:
            UsageError: As when the metric is called.

        Example:
            >>> import torch
            >>> from limen.metrics import METRICS
            >>> image = torch.rand(1, 3, 16, 16)
            >>> METRICS["ssim"].cost(image, image), METRICS["psnr"].cost(image, image)
            (tensor([0.]), tensor([-inf]))
        """
        values = self(a, b)
        if self.column.complement:
            return 1 - values
        return -values if self.column.higher_is_better else values

    def given(self, **options: Any) -> Metric:
        """The metric as it is shown, and what it takes, with these options."""
        return self._of_module(self.adapted)(self, **options) if self.adapted else self

    def derive(self, values: Tensor) -> Tensor:
        """One value per image, (N,), for the values (N,) of the metric that it is derived from."""
        derivation = self.derivation
        return (derivation if callable(derivation) else self._of_module(derivation))(values)

    def _of_module(self, name: str) -> Any:
        return getattr(importlib.import_module(f"limen.metrics.{self.source}"), name)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """One value per image, (N,), for originals and images (N, C, H, W) in [0, 1].

        Raises:
            UsageError: If the metric refuses the images, or does not give one number per image.
        """
        values: Any = self.function(a, b)
        if getattr(values, "shape", None) != (len(a),):
            given = f"a shape {tuple(values.shape)}" if hasattr(values, "shape") else type(values).__name__
            raise UsageError(
                f"metric {self.column.key} gives {given}, not one number for each of {len(a)} images"
            )
        return values


def measured(metrics: Iterable[Metric], a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """By its key, what each metric says of these images; nothing that metrics share is measured twice.

    Args:
        metrics: The metrics.
        a: Originals (N, C, H, W), as `Metric` takes them.
        b: Images.

    Example:
        >>> import torch
        >>> from limen.metrics import METRICS
        >>> images = torch.zeros(2, 1, 16, 16)
        >>> measured([METRICS["noticed"], METRICS["mad"]], images, images)["mad"]
        tensor([0., 0.])
    """
    values: dict[str, Tensor] = {}
    # Those that are derived last, when what they are made of may be there.
    for metric in sorted(metrics, key=lambda each: each.derived_from is not None):
        base = values.get(metric.derived_from or "")
        values[metric.column.key] = metric(a, b) if base is None else metric.derive(base)
    return values
