"""What a spec that names nothing may have meant: a path, a file of weights, the kin of an attack."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from limen.images import IMAGE_SUFFIXES
from limen.spec import spec_name

Hint = Callable[[str, Collection[str]], str]
"""Says of a spec, and of the names that are known, what may have been meant; empty where nothing is near."""

_WEIGHTS = (".pth", ".pt", ".safetensors", ".ckpt", ".bin", ".tar")
_SOURCES = {".npz": "npz", ".csv": "csv"}
_CALLED = {
    "bim": ["ifgsm"],
    "mim": ["mifgsm"],
    "cw": ["carlini_wagner_l2", "smooth_carlini_wagner_l2", "superpixel_carlini_wagner_l2"],
    "apgd": ["apgd_linf", "apgd_l2", "apgd_l1", "minimal_apgd"],
    "pdgd": ["pdpgd"],
}
"""Names that papers and other libraries have for attacks, and what comes nearest to each here."""


_LIBRARIES = {
    "foolbox": "foolbox",
    "torchattack": "torchattacks",
    "torchattacks": "torchattacks",
    "advlib": "advlib",
    "adversariallibrary": "advlib",
    "art": "art",
    "adversarialrobustnesstoolbox": "art",
}
"""What the libraries are called whose attacks a spec can name, and what such a spec begins with."""


def data_hint(spec: str, known: Collection[str]) -> str:
    """How a path alone is named as data.

    Example:
        >>> data_hint("me.jpg", ["folder", "images"]), data_hint("folder:photos", ["folder", "images"])
        ('that is an image; write images:me.jpg', '')
    """
    if spec_name(spec).strip() in known:
        return ""
    path = Path(spec.partition(",")[0])
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return f"that is an image; write images:{spec}"
    if suffix in _SOURCES:
        return f"write {_SOURCES[suffix]}:{spec}"
    if path.suffix == ".py":
        return f"write python:{path}:NAME, with the name of a function that returns a limen.data.Dataset"
    try:
        below = list(path.iterdir()) if path.is_dir() else None
    except OSError:
        below = None
    if below is None:
        return ""
    flat = any(each.suffix.lower() in IMAGE_SUFFIXES for each in below)
    return f"that is a folder; write {'images' if flat else 'folder'}:{spec}"


def model_hint(spec: str, known: Collection[str]) -> str:
    """How a file of weights, or a network by its bare name, is named as a model.

    Example:
        >>> model_hint("net.py", ["torchvision", "python"])
        'write python:net.py:NAME, with the name of a function that returns the network'
    """
    name = spec_name(spec).strip()
    if name in known:
        return ""
    suffix = Path(name).suffix.lower()
    if suffix == ".py":
        return f"write python:{name}:NAME, with the name of a function that returns the network"
    if suffix in _WEIGHTS:
        return (
            f"that is a file of weights, which need their network: write torchvision:resnet50,weights={name} "
            f"with your network's name, or python:FILE.py:NAME,weights={name} with a function that makes it"
        )
    if suffix == ".onnx":
        return "ONNX files have no gradient; write python:FILE.py:NAME with a function that makes the network"
    if "/" in name and not Path(name).exists():
        return f"there is no such file or folder; a model of the Hugging Face Hub is written hf:{spec}"
    libraries = [each for each in ("torchvision", "timm") if _has(each, name)]
    return "write " + " or ".join(f"{each}:{spec}" for each in libraries) if libraries else ""


def attack_hint(spec: str, known: Collection[str]) -> str:
    """The kin of an attack of another name, and how several attacks are named.

    Example:
        >>> attack_hint("pgd", ["pgd_l2", "pgd_linf", "ssim_pgd", "ddn"])
        "unknown attack 'pgd'; did you mean pgd_l2, pgd_linf or ssim_pgd? limen list attacks shows all"
        >>> attack_hint("fgsm,ddn", ["fgsm", "ddn"])
        'a spec names one attack; repeat the option: --attack fgsm --attack ddn'
        >>> attack_hint("adv_lib.ddn", ["ddn"])
        'write advlib:ddn'
    """
    parts = [part.strip() for part in re.split(r"[,+;\s]+", spec) if part.strip()]
    if len(parts) > 1 and all(spec_name(part) in known for part in (parts[0], parts[-1])):
        return f"a spec names one attack; repeat the option: {_repeated(parts, known)}"
    name = spec_name(spec).strip()
    if name not in known and (written := _of_library(spec)):
        return f"write {written}"
    kin = [] if name in known or not name else _kin(name, known)
    if not kin:
        return ""
    listed = " or ".join(filter(None, [", ".join(kin[:-1]), kin[-1]]))
    return f"unknown attack {name!r}; did you mean {listed}? limen list attacks shows all"


def _of_library(spec: str) -> str:
    """How an attack of another library is named; empty where the spec is of none, or begins as it should."""
    prefix, *rest = re.split("[:.]", spec, maxsplit=1)
    library = _LIBRARIES.get(_plain(prefix))
    if library is None or (rest and spec.startswith(f"{library}:")):
        return ""
    return f"{library}:{rest[0] if rest else 'NAME'}"


def _repeated(parts: Sequence[str], known: Collection[str]) -> str:
    """Each attack with its option; a part that names none is a value of the one before it."""
    specs: list[str] = []
    for part in parts:
        if spec_name(part) in known or not specs:
            specs.append(part)
        else:
            specs[-1] += f",{part}"
    return " ".join(f"--attack {each}" for each in specs)


def _kin(name: str, known: Collection[str]) -> list[str]:
    """The names that hold this one, in any case and with any separators, or what it is called elsewhere."""
    plain = _plain(name)
    if same := [each for each in known if _plain(each) == plain]:
        return same
    if plain in _CALLED:
        return [each for each in _CALLED[plain] if each in known]
    holding = [each for each in known if len(plain) > 2 and plain in _plain(each)]
    return sorted(holding, key=lambda each: not _plain(each).startswith(plain))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _has(library: str, name: str) -> bool:
    if library == "timm":
        import timm

        return timm.is_model(name)
    from torchvision import models

    return name in models.list_models(module=models)
