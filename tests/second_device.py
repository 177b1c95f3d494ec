"""A second device, played on the CPU, whose tensors meet no others: as on a GPU, and with the same values.

A CPU takes no offence at a tensor that was made without a device, or left behind on it. Here such a tensor
raises, wherever a GPU would. The device goes by the name of `meta`, on which torch lets one make tensors
without any hardware.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("meta")

MAY_MEET = {"_to_copy", "copy_"}
"""Operators that carry values from one device to another."""

MAY_BE_INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}
"""Operators whose indices may lie on the CPU."""


class Away(Tensor):
    """A tensor on the second device; its values are those of an ordinary one."""

    values: Tensor
    is_meta = False

    @staticmethod
    def __new__(cls, values: Tensor) -> Away:
        values = values.detach().resolve_conj().resolve_neg()
        made = Tensor._make_wrapper_subclass(
            cls,
            values.size(),
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )
        made.values = values
        return made

    def __repr__(self) -> str:
        return f"Away({self.values})"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {})


def _computed(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operator gives of the values, on the device that its arguments are on or that is asked for."""
    name = function.overloadpacket.__name__
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    away = any(isinstance(each, Away) for each in tensors)
    here = any(each.ndim and not isinstance(each, Away) for each in tensors)
    indexed = name in MAY_BE_INDEXED and isinstance(args[0], Away)
    if away and here and name not in MAY_MEET and not indexed:
        raise RuntimeError(f"{name}: expected all tensors to be on the same device")
    if kwargs.get("device") is not None:
        away = torch.device(kwargs["device"]) == DEVICE
        kwargs = {**kwargs, "device": torch.device("cpu")}
    values = function(*tree_map(_values, args), **tree_map(_values, kwargs))
    if name.endswith("_") or "out" in kwargs:
        return kwargs.get("out", args[0])
    return tree_map(_sent, values) if away else values


def _values(each: Any) -> Any:
    return each.values if isinstance(each, Away) else each


def _sent(each: Any) -> Any:
    return Away(each) if isinstance(each, Tensor) else each


class _Operators(TorchDispatchMode):
    """Makes tensors on the second device where it is asked for."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {})


class _Functions(TorchFunctionMode):
    """What torch does before it comes to operators, and which would leave the values behind."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            made = function(*args, **{**kwargs, "device": None})
            return made.to(kwargs["device"])
        if function is Tensor.new_tensor and isinstance(args[0], Away):
            return function(args[0].values, *args[1:], **kwargs).to(DEVICE)
        if function is Tensor.tolist and isinstance(args[0], Away):
            return args[0].values.tolist()
        if function in (Tensor.__getitem__, Tensor.__setitem__) and isinstance(args[0], Away):
            where = args[1] if isinstance(args[1], tuple) else (args[1],)
            where = tuple(torch.tensor(each) if isinstance(each, list) else each for each in where)
            args = (args[0], where, *args[2:])
        return function(*args, **kwargs)


@contextmanager
def second_device() -> Iterator[None]:
    """Until the block ends there is a second device, in threads that are started meanwhile, too."""
    run = threading.Thread.run

    def run_with_both(thread: threading.Thread) -> None:
        with _Functions(), _Operators():
            run(thread)

    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as both:
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # parameters become of another kind
        both.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwritten)
        both.enter_context(patch.object(threading.Thread, "run", run_with_both))
        both.enter_context(_Functions())
        both.enter_context(_Operators())
        yield


def beside(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Any]:
    """What a function gives of tensors and modules here, and on the second device, where that must lie."""
    here = function(*arguments)
    with second_device():
        away = function(*(_moved(each) for each in arguments))
    found = [each for each in tree_leaves(away) if isinstance(each, Tensor)]
    assert all(isinstance(each, Away) for each in found), "left the device"
    return here, tree_map(_values, away)


def _moved(each: Any) -> Any:
    return copy.deepcopy(each).to(DEVICE) if isinstance(each, nn.Module) else _sent(each)
