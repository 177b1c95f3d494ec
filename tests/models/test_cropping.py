"""A photograph is shown to a published network as its own library's preprocessing shows it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.functional import pil_to_tensor

from limen import catalog
from limen.data import folder, images
from limen.images import Crop
from limen.models import timm, torchvision
from limen.models.cropping import crop_of_processor, crop_of_timm


@pytest.fixture(scope="module")
def photograph():
    """Noise of two scales (RGB), as smooth as a photograph: 300 by 400 pixels."""
    coarse = np.random.default_rng(0).integers(0, 256, (40, 52, 3), np.uint8)
    return Image.fromarray(coarse).resize((400, 300), Image.Resampling.BICUBIC)


def pixels(picture: Image.Image) -> torch.Tensor:
    return pil_to_tensor(picture).float() / 255


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "inception_v3", "vit_b_16"])
def test_the_crop_of_torchvision_is_that_of_its_transforms(name, photograph):
    from torchvision.models import get_model_weights

    preset = get_model_weights(name).DEFAULT.transforms()
    crop = torchvision(name, weights="random").crop
    expected = preset(photograph) * torch.tensor(preset.std)[:, None, None]
    shown = pixels(crop(photograph)) - torch.tensor(preset.mean)[:, None, None]
    torch.testing.assert_close(shown, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet18", "convnextv2_atto.fcmae_ft_in1k"])
def test_the_crop_of_timm_is_that_of_its_transforms(name, photograph):
    import timm as library
    from timm.data import create_transform, resolve_data_config

    config = resolve_data_config(model=library.create_model(name))
    transform = create_transform(**{**config, "mean": (0.0,) * 3, "std": (1.0,) * 3})
    shown = pixels(timm(name, weights="random").crop(photograph))
    torch.testing.assert_close(shown, transform(photograph), atol=1e-6, rtol=0)


def test_what_a_crop_cannot_say_is_left_to_the_user():
    usual = {"input_size": (3, 224, 224), "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center"}
    assert crop_of_timm(usual) == Crop(224, 224)
    assert crop_of_timm({**usual, "crop_mode": "squash"}) == Crop(224)
    unlike = {"crop_mode": "border"}, {"input_size": (3, 224, 192)}, {"interpolation": "random"}
    assert [crop_of_timm({**usual, **each}) for each in unlike] == [None, None, None]


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("ViTImageProcessor", {"size": {"height": 32, "width": 32}}, Crop(32, None, "bilinear")),
        ("ConvNextImageProcessor", {"size": {"shortest_edge": 28}}, Crop(28, 32)),
        (
            "LevitImageProcessor",
            {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
            Crop(32, 36),
        ),
        (
            "BitImageProcessor",
            {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}},
            Crop(32, 40),
        ),
    ],
)
def test_the_crop_of_a_processor_is_what_it_does_to_a_photograph(kind, settings, expected, photograph):
    transformers = pytest.importorskip("transformers")
    processor = getattr(transformers, kind)(**settings)
    crop = crop_of_processor(processor)
    fed = processor(images=photograph, do_rescale=False, do_normalize=False, return_tensors="pt")
    seen = fed["pixel_values"][0].float() / 255
    assert crop == expected
    assert float((pixels(crop(photograph)) - seen).abs().max()) < 3 / 255


def test_a_model_frames_photographs_where_a_spec_gives_no_size(tmp_path, photograph):
    (tmp_path / "cat").mkdir()
    photograph.save(tmp_path / "cat" / "a.png")
    classifier = torchvision("resnet18", weights="random")
    own = catalog.data(f"folder:{tmp_path}", classifier)
    assert own.spec == f"folder:{tmp_path},size=224,resize=256,interpolation=bilinear"
    again = catalog.data(own.spec)
    torch.testing.assert_close(again.load(0).image, own.load(0).image, rtol=0, atol=0)
    assert catalog.data(f"folder:{tmp_path},size=64", classifier).load(0).image.shape == (3, 64, 64)
    assert catalog.data("demo:digits,count=3", classifier).spec == "demo:digits,count=3"
    assert folder(tmp_path, crop=classifier.crop).spec == own.spec


@pytest.mark.parametrize(
    "crop", [Crop(24, 28, "bilinear"), Crop(24), Crop(224, 224), Crop(32, 32, "lanczos")]
)
def test_one_photograph_is_shown_by_the_models_crop_and_its_spec_says_so(tmp_path, photograph, crop):
    photograph.save(tmp_path / "me.png")
    shown = images(tmp_path / "me.png", crop=crop)
    torch.testing.assert_close(shown.load(0).image, pixels(crop(photograph)), rtol=0, atol=1e-6)
    torch.testing.assert_close(catalog.data(shown.spec).load(0).image, shown.load(0).image, rtol=0, atol=0)
