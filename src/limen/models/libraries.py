"""Networks from torchvision, timm and Hugging Face, with their own normalisation and class names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from limen.classifier import Channels, Classifier
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.models.cropping import crop_of_processor, crop_of_timm, crop_of_torchvision
from limen.models.trained import fill

# What these two set by themselves only when they download their weights.
_TORCHVISION_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}

Weights = Path | Literal["random"] | None
"""A file of weights, untrained ones as torch draws them, or None for those that the library has."""


def torchvision(
    name: str, *, weights: Weights = None, num_classes: int | None = None, device: str | None = None
) -> Classifier:
    """A torchvision classifier by its function's name, such as `resnet50`, with ImageNet's classes.

    Args:
        name: The name in `torchvision.models`.
        weights: A file with the network's weights, also one that `limen train` wrote for other classes;
            `random` for an untrained network; None downloads the ones that torchvision recommends.
        num_classes: How many classes a network that was fine-tuned for others tells apart; needs `weights`.
        device: Where to run.

    Raises:
        UnknownNameError: If torchvision has no such classifier.
        WeightsError: If the weights do not fit.
        LimenError: If the download fails.
    """
    from torchvision import models

    if name not in (known := models.list_models(module=models)):
        raise UnknownNameError("torchvision model", name, known)
    enum: Any = models.get_model_weights(name)
    default = enum.DEFAULT
    if weights is None:
        _classes(f"torchvision:{name}", num_classes, weights)
        with _downloading(f"torchvision:{name}"):
            module = models.get_model(name, weights=default, progress=False)
    else:
        options = {
            **_TORCHVISION_OPTIONS.get(name, {}),
            **_classes(f"torchvision:{name}", num_classes, weights),
        }
        if "init_weights" in options:
            options["init_weights"] = weights == "random"
        module = models.get_model(name, weights=None, **options)
    names = fill(module, weights) if isinstance(weights, Path) else None
    preset = default.transforms()
    names = names or (default.meta["categories"] if num_classes is None else None)
    crop = crop_of_torchvision(preset)
    return Classifier(module, preset.mean, preset.std, device=device, class_names=names, crop=crop)


def timm(
    name: str, *, weights: Weights = None, num_classes: int | None = None, device: str | None = None
) -> Classifier:
    """A timm classifier by its name, such as `resnet50` or, with the tag of its weights, `resnet50.a1_in1k`.

    Arguments and errors are those of `torchvision`; a model without a classifier is a UsageError.
    """
    import timm as library
    from timm.data.config import resolve_data_config
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    if not library.is_model(name):
        raise UnknownNameError("timm model", name, library.list_models())
    options = _classes(f"timm:{name}", num_classes, weights)
    with _downloading(f"timm:{name}"):
        module: Any = library.create_model(name, pretrained=weights is None, **options)
    if not module.num_classes:
        raise UsageError(f"timm:{name} makes features and no logits; choose a model with a classifier")
    config = resolve_data_config(model=module)
    subset = infer_imagenet_subset(module) if num_classes is None else None
    names = fill(module, weights) if isinstance(weights, Path) else None
    known: Any = ImageNetInfo(subset).label_descriptions() if subset else None
    names = names or known
    crop = crop_of_timm(config)
    return Classifier(module, config["mean"], config["std"], device=device, class_names=names, crop=crop)


def hf(name: str, *, weights: Weights = None, device: str | None = None) -> Classifier:
    """A Hugging Face image classifier: the name of one on the Hub, or the folder of a saved one.

    Code that comes with a model is never run.

    Args:
        name: Such as `google/vit-base-patch16-224`, or a folder with `config.json` and
            `preprocessor_config.json`.
        weights: As for `torchvision`.
        device: As for `torchvision`.

    Raises:
        WeightsError: If the weights do not fit.
        LimenError: If transformers is not installed, or the model cannot be found or has no use here.
    """
    try:
        # By its name, as its __init__ alone takes a type checker longer than all of Limen.
        transformers = importlib.import_module("transformers")
    except ImportError:
        raise LimenError("hf: models need transformers; run: pip install limen[hf]") from None
    with _downloading(f"hf:{name}", cure="check the name, or pass the folder of a saved model"):
        processor: Any = transformers.AutoImageProcessor.from_pretrained(name)
        auto = transformers.AutoModelForImageClassification
        if weights is None:
            module: Any = auto.from_pretrained(name)
        else:
            module = auto.from_config(transformers.AutoConfig.from_pretrained(name))
    filled = fill(module, weights) if isinstance(weights, Path) else None
    mean, std, channels = _normalisation(processor, f"hf:{name}")
    names = module.config.id2label
    known = filled or [names[label] for label in sorted(names)]
    crop = crop_of_processor(processor)
    return Classifier(module, mean, std, device=device, class_names=known, channels=channels, crop=crop)


def _normalisation(processor: Any, spec: str) -> tuple[list[float], list[float], Channels]:
    """The mean, std and order of channels by which a processor makes a network's input of images in [0, 1].

    Mean and std are what it makes of black and white, so that all its ways to scale and shift are covered,
    also one after the other. The order, and whether it does anything else to pixels, which is refused,
    show on a picture of noise.
    """
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    shown = [np.zeros_like(noise), np.full_like(noise, 255), noise]
    with _downloading(spec, cure="its image processor cannot be used on pixels of any size"):
        fed = processor(images=shown, return_tensors="pt", do_resize=False, do_center_crop=False)
        black, white, other = fed["pixel_values"].double()
    low, span = black.mean((1, 2)), (white - black).mean((1, 2))
    pixels = torch.from_numpy(noise).double().permute(2, 0, 1) / 255
    orders: dict[Channels, torch.Tensor] = {"RGB": pixels, "BGR": pixels.flip(0)}
    for order, ordered in orders.items():
        expected = low[:, None, None] + span[:, None, None] * ordered
        alike = other.shape == pixels.shape and torch.allclose(other, expected, atol=1e-3)
        if alike and bool((span > 0).all()):
            return (-low / span).tolist(), (1 / span).tolist(), order
    raise UsageError(
        f"{spec}: its image processor does more than scale, shift and reorder channels; write a function "
        "around it that does the same, and use python:FILE.py:NAME"
    )


def _classes(spec: str, num_classes: int | None, weights: Weights) -> dict[str, Any]:
    """The option by which a library makes a network of so many classes, checked."""
    if num_classes is None:
        return {}
    if num_classes < 2 or weights is None:
        raise UsageError(
            f"{spec}: num_classes is {num_classes}; expected 2 or more, and weights=FILE of a network that "
            "was fine-tuned for them, as the published one has classes of its own"
        )
    return {"num_classes": num_classes}


_CURE = "pass weights=PATH to use a file that you have; imagenet:efficientnet_lite0 needs no download"


@contextmanager
def _downloading(spec: str, cure: str = _CURE) -> Iterator[None]:
    """Whatever a download raises, from a dozen libraries below, as one clear error."""
    try:
        yield
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise LimenError(f"{spec}: the model could not be loaded ({first}); {cure}") from error
