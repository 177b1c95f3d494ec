"""Foreground masks of saliency, segmentation, attention and the data."""

from __future__ import annotations

import functools
import importlib.metadata

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import save_file
from torch import nn

import limen
from limen import Classifier, catalog
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.structure import (
    FOREGROUNDS,
    attention_mask,
    density_of,
    foreground_named,
    foreground_score,
    masks_of,
    passes_taken,
)
from limen.structure.foregrounds import half_way, segmentation
from limen.weights import WeightsError


def images(count: int = 3, channels: int = 3, height: int = 24, width: int = 32, dtype=torch.float32):
    generator = torch.Generator().manual_seed(count)
    return torch.rand(count, channels, height, width, generator=generator, dtype=torch.float64).to(dtype)


def classifier() -> Classifier:
    torch.manual_seed(3)
    return Classifier(
        nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
        )
    )


def colours() -> nn.Conv2d:
    """A network that takes red for class 1, green for class 2, and what is dark for background."""
    net = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])[:, :, None, None])
        net.bias.copy_(torch.tensor([0.3, 0, 0]))
    return net


def red_and_green() -> torch.Tensor:
    image = torch.zeros(1, 3, 8, 12)
    image[0, 0, 2:6, 1:5] = 1
    image[0, 1, 2:6, 7:11] = 1
    return image


def by_numpy(density: np.ndarray, logarithm: bool) -> np.ndarray:
    masks = []
    for each in density:
        values = each
        if logarithm:
            floor = max(np.quantile(each, 0.01, method="inverted_cdf"), each[each > 0].min())
            values = np.log(np.maximum(each, floor))
        masks.append(values > (values.min() + values.max()) / 2)
    return np.stack(masks)[:, None]


@pytest.mark.parametrize("logarithm", [True, False])
@settings(max_examples=30)
@given(
    values=arrays(np.float64, (2, 5, 7), elements=st.sampled_from([0.0, 1e-6, 0.001, 0.02, 0.3, 0.5, 1.0]))
)
def test_the_mask_is_what_lies_above_the_middle(values, logarithm):
    values[:, 0, 0] = 0.7
    values[:, 0, 1] = 0.3
    assert np.array_equal(half_way(torch.from_numpy(values), logarithm).numpy(), by_numpy(values, logarithm))


def test_one_pixel_that_nobody_looks_at_does_not_decide():
    density = torch.logspace(-3, 0, 400, dtype=torch.float64).view(1, 20, 20)
    masks = half_way(density)
    density[0, 0, 0] = 1e-30
    assert torch.equal(half_way(density), masks)
    assert masks.double().mean().item() == pytest.approx(0.5, abs=0.01)


def test_a_uniform_density_has_no_foreground():
    density = torch.full((1, 7, 9), 1 / 63)
    assert not half_way(density).any()
    assert not half_way(density, logarithm=False).any()
    assert half_way(density[:0]).shape == (0, 1, 7, 9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("logarithm", [True, False])
@pytest.mark.parametrize("model", ["spectral_residual", "center_surround", "attention"])
def test_the_foreground_of_saliency_is_that_of_its_density(dtype, logarithm, model):
    batch = images(dtype=dtype).requires_grad_()
    known = Classifier(classifier().module.to(dtype))
    masks = masks_of(
        functools.partial(FOREGROUNDS["saliency"], model=model, logarithm=logarithm), batch, known
    )
    assert torch.equal(masks, half_way(density_of(model, batch.detach(), known), logarithm))
    assert 0 < masks.double().mean() < 1


def test_people_are_predicted_to_look_at_the_foreground_of_saliency():
    batch = images()
    masks = masks_of("saliency", batch)
    assert (foreground_score(batch, masks) > 1.2 * masks.double().mean((1, 2, 3))).all()


@pytest.mark.parametrize("name", ["saliency", "attention", "data"])
def test_a_mask_depends_on_no_other_image(name):
    batch, known = images(), classifier()
    given_masks = batch[:, :1] > 0.5
    together = masks_of(name, batch, known, given_masks)
    alone = [masks_of(name, batch[i : i + 1], known, given_masks[i : i + 1]) for i in range(len(batch))]
    assert (together != torch.cat(alone)).double().mean() < 0.01
    assert masks_of(name, batch[:0], known, given_masks[:0]).shape == (0, 1, 24, 32)


def test_the_foreground_of_attention_is_the_attention_mask():
    batch, known = images(), classifier()
    for options in ({}, {"method": "gradcam", "threshold": 0.6}):
        masks = masks_of(functools.partial(FOREGROUNDS["attention"], **options), batch, known)
        assert torch.equal(masks, attention_mask(known, batch, **options))
    with pytest.raises(UsageError, match="this foreground needs classifier, and none is given"):
        masks_of("attention", batch)


def test_masks_of_the_data_are_taken_as_they_are_and_must_be_there():
    batch = images()
    masks = batch[:, :1] > 0.5
    assert masks_of("data", batch, masks=masks) is masks
    with pytest.raises(
        UsageError, match="the data gives no masks; use data that has some, or another method"
    ):
        masks_of("data", batch)
    with pytest.raises(
        UsageError, match=r"the masks of the data must be bool \(3, 1, 24, 32\).*torch.float32"
    ):
        masks_of("data", batch, masks=masks.float())


def test_the_foreground_of_segmentation_is_what_is_no_background():
    image = red_and_green()
    expected = image.amax(1, keepdim=True) > 0
    assert torch.equal(segmentation(image, network=colours()), expected)
    assert torch.equal(segmentation(image, network=lambda x: {"out": colours()(x), "aux": None}), expected)
    assert torch.equal(segmentation(image, network=colours(), classes=(1,)), image[:, :1] > 0)
    assert torch.equal(segmentation(image, network=colours(), classes=(1, 2)), expected)
    assert torch.equal(segmentation(image, network=colours(), background=1), image[:, :1] == 0)
    assert segmentation(image[:0], network=colours()).shape == (0, 1, 8, 12)


def test_a_network_that_wants_another_size_is_given_it_and_its_logits_are_enlarged():
    seen = []

    def half(batch):
        seen.append(batch.shape)
        return colours()(batch)

    masks = segmentation(red_and_green().repeat_interleave(2, 2), network=half, size=8)
    assert seen == [(1, 3, 8, 8)]
    assert masks.shape == (1, 1, 16, 12)
    assert masks[0, 0, 6:10, 2:4].all()
    assert not masks[0, 0, :2].any()


def test_grey_images_are_segmented_as_colour():
    grey = torch.rand(2, 1, 6, 6)
    net = nn.Conv2d(3, 2, 1)
    assert torch.equal(segmentation(grey, network=net), segmentation(grey.expand(-1, 3, -1, -1), network=net))


def test_a_network_of_torchvision_is_normalised_and_loaded_from_a_file(tmp_path):
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    torch.manual_seed(0)
    net = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    file = tmp_path / "net.safetensors"
    save_file({key: value.contiguous() for key, value in net.state_dict().items()}, file)
    batch = images(1, height=64, width=64)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, None, :, None, None]
    logits = net((batch - mean) / std)["out"]
    masks = segmentation(batch, network="lraspp_mobilenet_v3_large", weights=file)
    assert torch.equal(masks, logits.argmax(1, keepdim=True) != 0)
    save_file({"mask": torch.zeros(3)}, file)
    with pytest.raises(WeightsError, match=r"net.safetensors: weights of another network \(missing: "):
        segmentation(batch, network="lraspp_mobilenet_v3_large", weights=file)


def test_networks_are_named_in_specs_and_in_files_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n\n\ndef net():\n    made = torch.nn.Conv2d(3, 2, 1, bias=False)\n"
        "    made.weight.data = torch.tensor([[0.0, 1, 0], [1, 0, 0]])[:, :, None, None]\n"
        "    return made\n\n\n"
        "def number():\n    return 3\n\n\ndef bright(images, above: float = 0.5):\n"
        "    return images.mean(1, keepdim=True) > above\n"
    )
    image = red_and_green()
    method = catalog.FOREGROUNDS.make(f"segmentation:network=python:{file}:net,classes=1")
    assert torch.equal(masks_of(method, image), image[:, :1] > 0)
    assert method.identity.label == f"segmentation:network=python:{file}:net,classes=1"
    with pytest.raises(UsageError, match=f"python:{file}:number gives int; expected a torch.nn.Module"):
        segmentation(image, network=f"python:{file}:number")
    own = catalog.FOREGROUNDS.make(f"python:{file}:bright,above=0.2")
    assert torch.equal(masks_of(own, image), image.mean(1, keepdim=True) > 0.2)
    file.write_text(file.read_text().replace("[[0.0, 1, 0], [1, 0, 0]]", "[[1.0, 0, 0], [0, 1, 0]]"))
    assert torch.equal(masks_of(method, image), image[:, 1:2] > 0)
    nested = catalog.FOREGROUNDS.make(
        "saliency:model=spectral_residual:prior=none,,deviation=2,logarithm=false"
    )
    assert nested.identity.label == "saliency:model=spectral_residual:prior=none,,deviation=2,logarithm=false"
    density = density_of(catalog.SALIENCY.make("spectral_residual:prior=none,deviation=2"), image)
    assert torch.equal(masks_of(nested, image), half_way(density, logarithm=False))


def test_installed_packages_add_models_and_foregrounds(monkeypatch):
    points = {
        "limen.saliency": ("residual", "limen.structure.saliency:spectral_residual"),
        "limen.foregrounds": ("given", "limen.structure.foregrounds.table:data"),
    }

    def entry_points(*, group: str):
        return [importlib.metadata.EntryPoint(*points[group], group)] if group in points else []

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    batch = images()
    masks = batch[:, :1] > 0.5
    nested = catalog.FOREGROUNDS.make("saliency:model=residual:prior=none")
    assert torch.equal(
        masks_of(nested, batch), half_way(density_of(catalog.SALIENCY.make("residual:prior=none"), batch))
    )
    assert masks_of(catalog.FOREGROUNDS.make("given"), batch, masks=masks) is masks


def test_wrong_networks_are_refused():
    image = red_and_green()
    with pytest.raises(UnknownNameError, match="unknown segmentation network 'fcn_resnet5'; did you mean"):
        segmentation(image, network="fcn_resnet5")
    with pytest.raises(UsageError, match="fcn_resnet50 needs its weights: give weights=PATH"):
        segmentation(image, network="fcn_resnet50")
    with pytest.raises(
        UsageError, match=r"the network gives \(1, 8, 12\); a segmentation network gives logits"
    ):
        segmentation(image, network=lambda x: x[:, 0])
    with pytest.raises(UsageError, match="the network gives list"):
        segmentation(image, network=lambda x: [x])
    with pytest.raises(UsageError, match="the network has the classes 0 to 2, and not 7"):
        segmentation(image, network=colours(), classes=(1, 7))
    with pytest.raises(UsageError, match="weights are for a network that is named"):
        segmentation(image, network=colours(), weights="w.pt")
    with pytest.raises(UsageError, match="size must be 1 or more, not 0"):
        segmentation(image, network=colours(), size=0)
    with pytest.raises(UsageError, match="1 or 3 channels; the images have 2"):
        segmentation(image[:, :2], network=colours())
    with pytest.raises(LimenError, match=r"w\.pt: no such file of weights"):
        catalog.FOREGROUNDS.make("segmentation:network=fcn_resnet50,weights=w.pt")(image)


def test_a_method_of_ones_own_is_given_what_it_names_and_must_give_masks():
    batch, known, masks = images(), classifier(), images()[:, :1] > 0.5

    def mine(images, masks, classifier):
        assert classifier is known
        return ~masks

    assert torch.equal(masks_of(mine, batch, known, masks), ~masks)
    with pytest.raises(UsageError, match=r"foreground masks must be bool \(3, 1, 24, 32\).*\(3, 3, 24, 32\)"):
        masks_of(lambda images: images > 0.5, batch)
    with pytest.raises(UnknownNameError, match="unknown foreground 'salience'; did you mean 'saliency'"):
        masks_of("salience", batch)


def test_passes_are_those_of_the_model_inside():
    assert passes_taken(foreground_named("saliency")) == (0, 0)
    assert passes_taken(foreground_named("data")) == (0, 0)
    assert passes_taken(foreground_named("attention")) == (1, 0)
    assert passes_taken(catalog.FOREGROUNDS.make("attention:method=gradcam")) == (1, 1)
    assert passes_taken(catalog.FOREGROUNDS.make("saliency:model=attention:method=cam")) == (1, 0)
    assert passes_taken(catalog.FOREGROUNDS.make("saliency:model=attention")) == (1, 1)


@pytest.mark.data
def test_a_real_network_finds_birds(real_data, nets):
    dataset = catalog.data(f"nips2017:{real_data / 'nips2017'}")
    (batch,) = limen.data.batches(dataset, range(len(dataset)), len(dataset), print)
    # ImageNet's classes 7 to 24, 80 to 100 and 127 to 146 are birds.
    places = [(7, 24), (80, 100), (127, 146)]
    birds = sum((batch.labels >= first) & (batch.labels <= last) for first, last in places).bool()
    method = functools.partial(segmentation, network=nets.DeepLabV3().eval(), size=257)
    found = masks_of(functools.partial(method, classes=(3,)), batch.images[birds][:6])
    others = masks_of(functools.partial(method, classes=(3,)), batch.images[~birds][:6])
    assert len(found) == 6
    assert found.double().mean() > 0.1 > 5 * others.double().mean()
    assert (masks_of(method, batch.images[birds][:6]) | ~found).all()
