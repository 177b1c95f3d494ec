"""`python:FILE.py:FACTORY`: any network that a function in a user's file returns.

The file is run with all the rights of the user, as `python FILE.py` would run it.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from limen.classifier import Classifier
from limen.compat import declare_torchvision_operators
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.models.weight_files import load_weights


def python(name: str, *, weights: Path | None = None, device: str | None = None) -> Classifier:
    """What a function without required arguments returns: `FILE.py:FACTORY`. This runs the file's code.

    Args:
        name: The file and the function, such as `nets.py:mobilenet_v2`. The function returns a network
            that takes images in [0, 1], or a `limen.Classifier` where it needs a mean and a std.
        weights: A file with weights for the network that it returns.
        device: Where to run.

    Raises:
        UsageError: If the name is malformed, or the function needs arguments or returns something else.
        UnknownNameError: If the file has no such function.
        WeightsError: If the weights do not fit.
        LimenError: If the file is missing or raises.
    """
    file, colon, factory_name = name.rpartition(":")
    if not colon or not file.endswith(".py") or not factory_name:
        raise UsageError(f"python:{name} names no function; write python:FILE.py:FACTORY")
    declare_torchvision_operators()
    made = _make(Path(file), factory_name)
    module = made.module if isinstance(made, Classifier) else made
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"{file}: {factory_name}() returned {type(made).__name__}; it must return a torch.nn.Module or "
            "a limen.Classifier"
        )
    if weights is not None:
        load_weights(module, weights)
    if not isinstance(made, Classifier):
        return Classifier(module, device=device)
    if device is not None and torch.device(device).type != made.device.type:
        raise UsageError(
            f"{file}: {factory_name}() returned a classifier on {made.device}, not on {device}; "
            f"make it with device={device!r}, or return its module"
        )
    return made


def _make(file: Path, factory_name: str) -> Any:
    with _beside(file):
        factory = _find(file, _run(file), factory_name)
        try:
            return factory()
        except Exception as error:
            raise LimenError(f"{file}: {factory_name}() raised {type(error).__name__}: {error}") from error


def _run(file: Path) -> Any:
    if not file.is_file():
        raise LimenError(f"{file}: no such file")
    # Under a name of its own, which the file cannot share with an installed package.
    spec = importlib.util.spec_from_file_location(f"_limen_model_{file.stem}", file.resolve())
    if spec is None or spec.loader is None:
        raise LimenError(f"{file}: cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up while it runs.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise LimenError(f"{file}: raised {type(error).__name__} when run: {error}") from error
    return module


def _find(file: Path, module: Any, name: str) -> Callable[[], Any]:
    factory = getattr(module, name, None)
    if not callable(factory):
        own = [
            value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__
        ]
        known = [value.__name__ for value in own if inspect.isfunction(value) and value.__name__[0] != "_"]
        raise UnknownNameError(f"function in {file}", name, known)
    needed = [
        parameter.name
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        raise UsageError(
            f"{file}: {name}() needs {', '.join(needed)}; give it defaults, or write a function that does"
        )
    return factory


@contextmanager
def _beside(file: Path) -> Iterator[None]:
    """Let the file import its neighbours while it runs, and nobody else afterwards."""
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
