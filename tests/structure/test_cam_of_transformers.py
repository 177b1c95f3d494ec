"""Class activation maps of networks that work on tokens: on their grid where it is known, else refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from limen import Classifier
from limen.errors import UsageError
from limen.structure import ATTENTION, class_activation_map, feature_layer


def images(count: int = 2, size: int = 32) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


def timm(name: str, **options) -> nn.Module:
    library = pytest.importorskip("timm")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = library.create_model(name, num_classes=5, **options).eval()
        for each in net.parameters():  # some begin at 0, so that nothing would have a gradient
            if not each.any():
                nn.init.normal_(each, std=0.02)
        return net


def vit(**options) -> nn.Module:
    return timm("vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, **options)


TOKENS = {
    "ViT": vit,
    "ViT with registers": lambda: vit(reg_tokens=3, no_embed_class=True),
    "ViT, averaged": lambda: vit(global_pool="avg", class_token=False),
    "DeiT": lambda: timm("deit_tiny_distilled_patch16_224", img_size=32, patch_size=8, depth=2),
    "CaiT": lambda: timm("cait_xxs24_224", img_size=32, patch_size=8, depth=2),
    "Swin": lambda: timm(
        "swin_tiny_patch4_window7_224",
        img_size=32,
        window_size=4,
        embed_dim=24,
        depths=(1, 1),
        num_heads=(2, 2),
    ),
}


@pytest.mark.parametrize("method", ATTENTION)
@pytest.mark.parametrize("name", TOKENS)
def test_what_attention_returns_is_taken_for_no_feature_map(name, method):
    classifier = Classifier(TOKENS[name](), ask=False)
    with pytest.raises(UsageError, match="feature map"):
        class_activation_map(classifier, images(), method=method)
    if method != "cam":
        with pytest.raises(UsageError, match="name one that gives tokens"):
            feature_layer(classifier, images())


@pytest.mark.parametrize(
    ("name", "layer", "prefix"),
    [
        ("ViT", "blocks.1.norm1", 1),
        ("ViT with registers", "blocks.0", 4),
        ("ViT, averaged", "norm", 0),
        ("DeiT", "blocks.1.norm1", 2),
        ("CaiT", "blocks.1", 0),
    ],
)
def test_a_layer_of_tokens_is_taken_on_the_grid_of_the_patches(name, layer, prefix):
    net, batch, classes = TOKENS[name](), images(), torch.tensor([1, 3])
    found = class_activation_map(Classifier(net), batch, classes, "gradcam", layer=layer, enlarge="nearest")
    kept = []
    hook = net.get_submodule(layer).register_forward_hook(lambda module, args, output: kept.append(output))
    score = net(batch).gather(1, classes[:, None]).sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(score, kept)
    tokens, slope = kept[0][:, prefix:].detach(), gradient[:, prefix:]
    maps = (tokens * slope.mean(1, keepdim=True)).sum(2).relu().reshape(2, 4, 4)
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    expected = ((maps - low) / (high - low).clamp(min=1e-12)).repeat_interleave(8, 1).repeat_interleave(8, 2)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("ViT", "blocks.1.attn.q_norm"),
        ("ViT", "blocks.1.attn.attn_drop"),
        ("Swin", "layers.1"),
        ("Swin", "layers.1.blocks.0.mlp"),
        ("ViT", "fc_norm"),
        ("CaiT", "blocks.0.attn.proj_l"),
    ],
)
def test_a_layer_that_gives_neither_maps_nor_tokens_on_that_grid_is_refused(name, layer):
    net = TOKENS[name]()
    if layer not in dict(net.named_modules()):
        pytest.fail(f"{name} has no {layer}")
    with pytest.raises(UsageError, match="gives no feature map"):
        class_activation_map(Classifier(net), images(), layer=layer)


CONVOLUTIONS = {
    "ConvNeXt": (lambda: timm("convnext_atto", depths=(1, 1, 1, 1), dims=(8, 8, 16, 16)), "norm_pre"),
    "MobileViT": (lambda: timm("mobilevit_xxs"), "final_conv"),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_networks_that_end_in_feature_maps_have_them_found_whatever_comes_before(name):
    build, layer = CONVOLUTIONS[name]
    found = feature_layer(Classifier(build()), images(size=64))
    assert found.startswith(layer)
    assert class_activation_map(Classifier(build()), images(size=64)).std() > 0


def test_asking_whether_answers_are_steady_adds_no_maps():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 5))
    assert class_activation_map(Classifier(net), images(3), layer="1").shape == (3, 32, 32)
