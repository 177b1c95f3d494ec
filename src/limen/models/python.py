"""Any network that a user's function returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from limen.classifier import Classifier
from limen.errors import LimenError, UsageError
from limen.models.trained import fill


def from_function(function: Callable[..., Any]) -> Callable[..., Classifier]:
    """A source of models of a function that returns a network, or a classifier.

    Args:
        function: Returns a network that takes images in [0, 1], or a `limen.Classifier` where it needs a mean
            and a std. Its parameters are the source's; one named `device` is given the device.

    Returns:
        A function with these parameters, and `weights`, a file for the network, and `device`. It raises a
        LimenError if the function returns something else.

    Example:
        >>> def lamp(classes: int = 2) -> nn.Module:
        ...     return nn.Sequential(nn.Flatten(), nn.Linear(12, classes))
        >>> import torch
        >>> from_function(lamp)(classes=3)(torch.rand(1, 3, 2, 2)).shape
        torch.Size([1, 3])
    """
    try:
        parameters = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        raise UsageError(
            f"{function!r} is no function whose parameters can be read; write one around it"
        ) from None
    takes_device = "device" in parameters

    def source(*, weights: Path | None = None, device: str | None = None, **values: Any) -> Classifier:
        if takes_device and device is not None:
            values["device"] = device
        name = f"{getattr(function, '__name__', function)}()"
        made = function(**values)
        module = made.module if isinstance(made, Classifier) else made
        if not isinstance(module, nn.Module):
            raise LimenError(
                f"{_file(function)}{name} returned {type(made).__name__}; it must return a torch.nn.Module "
                "or a limen.Classifier"
            )
        names = None if weights is None else fill(module, weights)
        if not isinstance(made, Classifier):
            return Classifier(module, device=device, class_names=names)
        if names is not None:
            made.class_names = names
        return made if device is None else made.to(device)

    own = [each for each in parameters.values() if each.name not in ("weights", "device")]
    added = [inspect.signature(source, eval_str=True).parameters[name] for name in ("weights", "device")]
    source.__signature__ = inspect.Signature(  # pyright: ignore[reportFunctionMemberAccess]
        [each.replace(kind=each.KEYWORD_ONLY) for each in [*own, *added] if each.kind not in _VARIADIC]
    )
    source.__wrapped__ = function  # pyright: ignore[reportFunctionMemberAccess]
    source.__doc__ = function.__doc__
    return source


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _file(function: Callable[..., Any]) -> str:
    file = getattr(inspect.unwrap(function), "__globals__", {}).get("__file__")
    return f"{Path(file).name}: " if file else ""
