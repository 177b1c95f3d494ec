from __future__ import annotations

import json
import socket
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import limen
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.models import WeightsError, hf, timm, torchvision


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Nothing here may need a network, or find what was downloaded before."""

    def refuse(*_args, **_kwargs):
        raise OSError("the network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # between the Hub's attempts
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def random_weights(module: torch.nn.Module, file):
    save_file(module.state_dict(), file)
    return module.eval(), file


def normalised(images: torch.Tensor, mean, std) -> torch.Tensor:
    return (images - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def test_a_torchvision_network_gets_its_weights_normalisation_and_class_names(tmp_path):
    from torchvision.models import squeezenet1_1

    module, file = random_weights(squeezenet1_1(), tmp_path / "net.safetensors")
    classifier, images = torchvision("squeezenet1_1", weights=file), torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = module(normalised(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert torch.allclose(classifier(images), expected, atol=1e-5)
    assert classifier.class_names[:2] == ("tench", "goldfish")
    assert len(classifier.class_names) == 1000


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_auxiliary_heads_are_built_as_their_published_weights_need(tmp_path, name, monkeypatch):
    from torchvision import models

    built = []
    monkeypatch.setattr("limen.models.libraries.fill", lambda module, _: built.append(module))
    torchvision(name, weights=tmp_path / "any")
    assert built[0].transform_input
    assert isinstance(built[0], (models.GoogLeNet, models.Inception3))


def test_a_timm_network_gets_its_weights_normalisation_and_class_names(tmp_path):
    import timm as library

    module, file = random_weights(library.create_model("test_resnet"), tmp_path / "net.safetensors")
    classifier, images = timm("test_resnet", weights=file), torch.rand(2, 3, 96, 96)
    config = module.pretrained_cfg
    with torch.no_grad():
        expected = module(normalised(images, config["mean"], config["std"]))
    assert torch.allclose(classifier(images), expected, atol=1e-5)
    assert classifier.class_names is None or len(classifier.class_names) == expected.shape[1]


def test_a_timm_network_on_imagenet_names_its_classes(tmp_path):
    import timm as library

    _, file = random_weights(library.create_model("mobilenetv3_small_050"), tmp_path / "net.safetensors")
    names = timm("mobilenetv3_small_050", weights=file).class_names
    assert names[0].startswith("tench")
    assert len(names) == 1000


@pytest.fixture
def saved_vit(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=16, patch_size=8, id2label={1: "dog", 0: "cat", 2: "emu"},
        label2id={"cat": 0, "dog": 1, "emu": 2},
    )  # fmt: skip
    model = transformers.ViTForImageClassification(config).eval()
    model.save_pretrained(tmp_path / "vit")
    preprocessing = {
        "image_processor_type": "ViTImageProcessor", "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.3, 0.4],
    }  # fmt: skip
    (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps(preprocessing))
    return model, tmp_path / "vit"


def test_a_hugging_face_network_gives_logits_with_its_normalisation_and_class_names(saved_vit):
    model, folder = saved_vit
    images = torch.rand(4, 3, 16, 16)
    with torch.no_grad():
        expected = model(normalised(images, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))).logits
    classifier = hf(str(folder))
    assert torch.allclose(classifier(images), expected, atol=1e-5)
    assert classifier.class_names == ("cat", "dog", "emu")


def test_a_hugging_face_network_takes_other_weights(saved_vit, tmp_path):
    model, folder = saved_vit
    state = {name: value + 0.1 for name, value in model.state_dict().items()}
    save_file(state, tmp_path / "other.safetensors")
    classifier = hf(str(folder), weights=tmp_path / "other.safetensors")
    assert torch.equal(classifier.module.state_dict()["classifier.bias"], state["classifier.bias"])


@pytest.mark.parametrize(
    "settings",
    [
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 127.5, "image_mean": [1.0] * 3, "image_std": [1.0] * 3},
        {"do_normalize": False},
    ],
)
def test_a_hugging_face_network_is_fed_what_its_own_processor_makes(saved_vit, settings):
    model, folder = saved_vit
    import transformers

    processor = transformers.ViTImageProcessor(**settings, do_resize=False)
    processor.save_pretrained(folder)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    with torch.no_grad():
        expected = model(processor(images=list(pixels), return_tensors="pt")["pixel_values"].float()).logits
    found = hf(str(folder))(limen.images.from_uint8(pixels))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("MobileViTImageProcessor", {}),  # it turns RGB to BGR
        ("EfficientNetImageProcessor", {"image_mean": [0.4] * 3, "image_std": [0.3, 0.2, 0.1]}),
        ("EfficientNetImageProcessor", {"rescale_factor": 1 / 127.5, "rescale_offset": True}),
        ("EfficientNetImageProcessor", {"include_top": True}),  # it normalises twice
        ("ConvNextImageProcessor", {}),
        ("BitImageProcessor", {}),
        ("LevitImageProcessor", {}),
        ("MobileNetV1ImageProcessor", {}),
    ],
)
def test_whatever_a_hugging_face_processor_does_to_pixels_the_network_is_fed_that(saved_vit, kind, settings):
    _, folder = saved_vit
    import transformers

    processor = getattr(transformers, kind)(**settings)
    processor.save_pretrained(folder)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    asked = {"return_tensors": "pt", "do_resize": False, "do_center_crop": False}
    expected = processor(images=list(pixels), **asked)["pixel_values"].float()
    fed = hf(str(folder)).normalised(limen.images.from_uint8(pixels))
    torch.testing.assert_close(fed, expected, atol=1e-4, rtol=1e-4)


def test_a_hugging_face_processor_that_does_more_than_that_is_refused(saved_vit, monkeypatch):
    _, folder = saved_vit
    import transformers

    def squaring(images, **_):
        return {"pixel_values": torch.from_numpy(np.stack(images) / 255.0).permute(0, 3, 1, 2) ** 2}

    with monkeypatch.context() as patched:
        patched.setattr(transformers.AutoImageProcessor, "from_pretrained", lambda name: squaring)
        with pytest.raises(UsageError, match="does more than scale, shift and reorder channels"):
            hf(str(folder))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(LimenError, match="could not be loaded"):
        hf(str(folder))


def test_without_transformers_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(LimenError, match=r"pip install limen\[hf\]"):
        hf("google/vit-base-patch16-224")


@pytest.mark.parametrize(
    ("source", "name", "hint"),
    [
        (torchvision, "squeezenet1_1", "pass weights=PATH .*; imagenet:efficientnet_lite0 needs no download"),
        (timm, "test_resnet", "pass weights=PATH"),
        (hf, "limen/no-such-model", "pass the folder of a saved model"),
    ],
)
def test_without_a_network_the_error_names_the_model_and_the_cure(source, name, hint):
    with pytest.raises(LimenError, match=f"{name}: the model could not be loaded .*{hint}"):
        source(name)


@pytest.mark.parametrize(("source", "near"), [(torchvision, "resnet18"), (timm, "resnet18")])
def test_a_misspelt_name_gets_a_hint(source, near):
    with pytest.raises(UnknownNameError, match=r"did you mean '.*resnet"):
        source("rsnet18")


def test_a_network_without_a_classifier_is_refused(monkeypatch, tmp_path):
    import timm as library

    module = library.create_model("test_resnet", num_classes=0)
    _, file = random_weights(module, tmp_path / "net.safetensors")
    monkeypatch.setattr(library, "create_model", lambda *_args, **_kwargs: module)
    with pytest.raises(UsageError, match="makes features and no logits"):
        timm("test_resnet", weights=file)


@pytest.mark.parametrize(("source", "name"), [(torchvision, "squeezenet1_1"), (timm, "test_resnet")])
def test_weights_of_another_network_or_none_are_refused(source, name, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match="weights of another network"):
        source(name, weights=tmp_path / "net.safetensors")
    with pytest.raises(WeightsError, match="no such file of weights"):
        source(name, weights=tmp_path / "nothing.safetensors")
