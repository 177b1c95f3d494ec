"""What must be settled before third-party libraries can be imported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None


def declare_torchvision_operators() -> None:
    """Let torchvision's PyPI wheel, built for CUDA, be imported beside a CPU build of torch.

    Its compiled operators cannot load there, and its import then fails on their missing
    declarations (pytorch/vision issue 8985), though none of its networks needs them. Declaring
    the operators keeps the import whole; calling one still raises. Where the compiled operators
    load, nothing is done.
    """
    global _library
    if _library is not None or torch.version.cuda is not None or torch.version.hip is not None:
        return
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None or _operators_load(spec.origin):
        return
    _library = torch.library.Library("torchvision", "DEF")
    for schema in _OPERATORS:
        _library.define(schema)


def _operators_load(package: str) -> bool:
    for library in Path(package).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
    return True
