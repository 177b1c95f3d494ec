"""Networks from torchvision, timm and Hugging Face, with their own normalisation and class names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from limen.classifier import Classifier
from limen.compat import declare_torchvision_operators
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.models.weight_files import load_weights

# What these two set by themselves only when they download their weights.
_TORCHVISION_OPTIONS: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
}


def torchvision(name: str, *, weights: Path | None = None, device: str | None = None) -> Classifier:
    """A torchvision classifier by its function's name, such as `resnet50`, with ImageNet's classes.

    Args:
        name: The name in `torchvision.models`.
        weights: A file with the network's weights; None downloads the ones that torchvision recommends.
        device: Where to run.

    Raises:
        UnknownNameError: If torchvision has no such classifier.
        WeightsError: If the weights do not fit.
        LimenError: If the download fails.
    """
    declare_torchvision_operators()
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UnknownNameError("torchvision model", name, known)
    enum: Any = models.get_model_weights(name)
    default = enum.DEFAULT
    if weights is None:
        with _downloading(f"torchvision:{name}"):
            module = models.get_model(name, weights=default, progress=False)
    else:
        module = models.get_model(name, weights=None, **_TORCHVISION_OPTIONS.get(name, {}))
        load_weights(module, weights)
    preset = default.transforms()
    return Classifier(module, preset.mean, preset.std, device=device, class_names=default.meta["categories"])


def timm(name: str, *, weights: Path | None = None, device: str | None = None) -> Classifier:
    """A timm classifier by its name, such as `resnet50` or `resnet50.a1_in1k`.

    Args:
        name: The name of an architecture, with or without the tag of its weights.
        weights: A file with the network's weights; None downloads the ones that timm has under that name.
        device: Where to run.

    Raises:
        UnknownNameError: If timm has no such model.
        WeightsError: If the weights do not fit.
        LimenError: If the download fails.
    """
    declare_torchvision_operators()
    import timm as library
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    if not library.is_model(name):
        raise UnknownNameError("timm model", name, library.list_models())
    with _downloading(f"timm:{name}"):
        module: Any = library.create_model(name, pretrained=weights is None)
    if weights is not None:
        load_weights(module, weights)
    if not module.num_classes:
        raise UsageError(f"timm:{name} makes features and no logits; choose a model with a classifier")
    config = module.pretrained_cfg
    subset = infer_imagenet_subset(module)
    class_names: Any = ImageNetInfo(subset).label_descriptions() if subset else None
    return Classifier(module, config["mean"], config["std"], device=device, class_names=class_names)


def hf(name: str, *, weights: Path | None = None, device: str | None = None) -> Classifier:
    """A Hugging Face image classifier: the name of one on the Hub, or the folder of a saved one.

    Code that comes with a model is never run.

    Args:
        name: Such as `google/vit-base-patch16-224`, or a folder with `config.json` and
            `preprocessor_config.json`.
        weights: A file with the network's weights, in place of those that come with the model.
        device: Where to run.

    Raises:
        WeightsError: If the weights do not fit.
        LimenError: If transformers is not installed, or the model cannot be found or has no use here.
    """
    declare_torchvision_operators()
    try:
        import transformers
    except ImportError:
        raise LimenError("hf: models need transformers; run: pip install limen[hf]") from None
    with _downloading(f"hf:{name}", cure="check the name, or pass the folder of a saved model"):
        preprocessing, _ = transformers.ImageProcessingMixin.get_image_processor_dict(name)
        auto = transformers.AutoModelForImageClassification
        if weights is None:
            module: Any = auto.from_pretrained(name)
        else:
            module = auto.from_config(transformers.AutoConfig.from_pretrained(name))
    if weights is not None:
        load_weights(module, weights)
    mean, std = None, None
    if preprocessing.get("do_normalize", True):
        mean, std = preprocessing.get("image_mean"), preprocessing.get("image_std")
        if mean is None or std is None:
            raise UsageError(
                f"hf:{name}: preprocessor_config.json gives no image_mean and image_std; write them there"
            )
    names = module.config.id2label
    return Classifier(module, mean, std, device=device, class_names=[names[label] for label in sorted(names)])


@contextmanager
def _downloading(spec: str, cure: str = "pass weights=PATH to use a file that you have") -> Iterator[None]:
    """Whatever a download raises, from a dozen libraries below, as one clear error."""
    try:
        yield
    except Exception as error:
        reason = next(
            (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
        )
        raise LimenError(f"{spec}: the model could not be loaded ({reason}); {cure}") from error
