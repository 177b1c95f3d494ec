"""What must be settled before third-party libraries can be imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: Any = None


class _Torchvision(MetaPathFinder):
    """Finds torchvision as Python does, and lets its operators be declared before its code runs."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == "torchvision" else None
        if spec is not None and spec.loader is not None and spec.origin is not None:
            package, run = Path(spec.origin).parent, spec.loader.exec_module

            def declared(module: ModuleType) -> None:
                _declare_operators(package)
                run(module)

            spec.loader.exec_module = declared
        return spec


def let_torchvision_be_imported() -> None:
    """Let torchvision's PyPI wheel, built for CUDA, be imported beside a CPU build of torch.

    Its compiled operators cannot load there, and its import then fails on their missing declarations
    (pytorch/vision issue 8985), though none of its networks needs them. Declaring the operators keeps the
    import whole, whoever asks for it; calling one still raises. Where the compiled operators load, nothing is
    done, and nothing before torchvision is imported.
    """
    if not any(isinstance(each, _Torchvision) for each in sys.meta_path):
        sys.meta_path.insert(0, _Torchvision())


def _declare_operators(package: Path) -> None:
    # By its name: printing help and reading runs go without torch, and never come here.
    torch = importlib.import_module("torch")
    global _library
    if _library is not None or torch.version.cuda is not None or torch.version.hip is not None:
        return
    if _operators_load(package, torch.ops):
        return
    _library = torch.library.Library("torchvision", "DEF")
    for schema in _OPERATORS:
        _library.define(schema)


def _operators_load(package: Path, operators: Any) -> bool:
    for library in package.glob("_C*.so"):
        try:
            operators.load_library(str(library))
        except OSError:
            return False
    return True
