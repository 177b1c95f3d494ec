"""Class activation maps, against torchcam, hand-made networks, and derivatives taken by autograd."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from limen import Classifier
from limen.classifier import ModelError
from limen.data import batches, nips2017
from limen.defenses import Adaptive, Defended
from limen.errors import UnknownNameError, UsageError
from limen.structure import ATTENTION, feature_layer, layer_of

METHODS = tuple(ATTENTION)


def class_activation_map(
    classifier: Classifier,
    batch: Tensor,
    classes: Tensor | None = None,
    method: str = "gradcam++",
    layer: str | None = None,
) -> Tensor:
    return ATTENTION[method](classifier, batch, classes, layer=layer)


def images(count: int, size: int = 24, seed: int = 0, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


class Lenient(nn.Module):
    """Adds a residual, reuses one ReLU in place, and pools by a function: what hooks stumble over."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.first(x)))
        y = self.second(x)
        y += x
        return self.head(self.relu(y).mean((2, 3)))


def seeded(build) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return build()


def lenient() -> nn.Module:
    return seeded(Lenient).eval()


def pooled() -> nn.Module:
    """A network of CAM's kind, which torchcam understands too."""
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, 5),
        )
    ).eval()


def flattened() -> nn.Module:
    """A network whose gradient by the last feature map differs from place to place."""
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=4),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(216, 16),
            nn.Tanh(),
            nn.Linear(16, 4),
        )
    ).eval()


def fully_convolutional() -> nn.Module:
    """The head is a convolution before the pooling, as in SqueezeNet."""
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
    ).eval()


def stretched(maps: Tensor, size: int) -> Tensor:
    maps = functional.interpolate(maps.relu()[:, None], (size, size), mode="bilinear")[:, 0]
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def torchcam_map(method: str, module: nn.Module, batch: Tensor, layer: str, classes: Tensor, **options):
    logging.getLogger("torchcam").setLevel(logging.ERROR)
    methods = pytest.importorskip("torchcam.methods")
    kind = {"cam": methods.CAM, "gradcam": methods.GradCAM, "gradcam++": methods.GradCAMpp}[method]
    with kind(module, layer, **options) as extractor:
        scores = module(batch)
        (maps,) = extractor(classes.tolist(), scores, normalized=False)
        if method == "gradcam++":
            # torchcam 0.5 divides a copy and loses α; its feature maps and gradients are sound.
            maps = plus_plus(extractor.hook_a[0].double(), extractor.hook_g[0].double()).float()
    return stretched(maps.detach(), batch.shape[-1])


def plus_plus(features: Tensor, gradients: Tensor) -> Tensor:
    """Equations 19 and 21 as the authors' program writes them (github.com/adityac94/Grad_CAM_plus_plus)."""
    numerator = gradients**2
    denominator = 2 * gradients**2 + gradients**3 * features.sum((2, 3), keepdim=True)
    alpha = numerator / torch.where(denominator != 0, denominator, 1)
    weights = (gradients.clamp(min=0) * alpha).sum((2, 3), keepdim=True)
    return (weights * features).sum(1)


@pytest.mark.parametrize("method", METHODS)
def test_maps_equal_those_of_torchcam(method):
    module, batch, classes = pooled(), images(6), torch.tensor([0, 1, 2, 3, 4, 0])
    ours = class_activation_map(Classifier(module), batch, classes, method)
    torch.testing.assert_close(ours, torchcam_map(method, module, batch, "3", classes), atol=1e-5, rtol=0)
    assert float(ours.std()) > 0.05


@pytest.mark.data
@pytest.mark.parametrize("method", METHODS)
def test_maps_of_a_real_network_equal_those_of_torchcam(nets, real_data, method):
    (batch,) = batches(nips2017(real_data / "nips2017", size=224), range(3), 3, pytest.fail)
    module = nets.mobilenet_v2()
    options = {"fc_layer": "net.classifier.1"} if method == "cam" else {}
    theirs = torchcam_map(method, module, batch.images, "net.features.18", batch.labels, **options)
    ours = class_activation_map(Classifier(module), batch.images, batch.labels, method)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("net", "size", "channels", "layer"),
    [
        ("mobilenet_v1_05", 160, 3, "net.features.26"),
        ("squeezenet1_1", 227, 3, "net.classifier.2"),
        ("cifar_resnet", 32, 3, "net.layer3"),
        ("mnist_cnn", 28, 1, "5"),
    ],
)
def test_every_real_network_has_a_layer_and_maps(nets, net, size, channels, layer):
    classifier, batch = Classifier(getattr(nets, net)()), images(2, size, channels=channels)
    assert feature_layer(classifier, batch) == layer
    for method in ("gradcam", "gradcam++"):
        maps = class_activation_map(classifier, batch, method=method)
        assert bool(torch.isfinite(maps).all())
        assert maps.shape == (2, size, size)


def test_grad_cam_pp_has_the_weights_of_its_equations():
    """Chattopadhay et al. derive α for Y = exp(S): its derivatives here come from autograd, none by hand."""
    net, batch = flattened().double(), images(1).double()
    features = net[:2](batch).detach().requires_grad_()
    score = net[2:](features)[0, 2]
    # S as its tangent, which is what makes the paper's higher derivatives powers of the first.
    (gradient,) = torch.autograd.grad(score, features)
    y = torch.exp((gradient * features).sum())
    (first,) = torch.autograd.grad(y, features, create_graph=True)
    second, third = torch.zeros_like(features), torch.zeros_like(features)
    flat = (first.flatten(), second.view(-1), third.view(-1))
    for i in range(features.numel()):
        (row,) = torch.autograd.grad(flat[0][i], features, create_graph=True)
        flat[1][i] = row.flatten()[i].detach()
        flat[2][i] = torch.autograd.grad(row.flatten()[i], features, retain_graph=True)[0].flatten()[i]
    alpha = second / (2 * second + third * features.sum((2, 3), keepdim=True))
    weights = (alpha * first.relu()).sum((2, 3), keepdim=True).detach()
    expected = stretched((weights * features).sum(1).detach(), 24)
    ours = class_activation_map(Classifier(net), batch, torch.tensor([2]))
    torch.testing.assert_close(ours, expected, atol=1e-9, rtol=0)


def test_grad_cam_averages_gradients_that_differ_from_place_to_place():
    net, batch = flattened(), images(4)
    features = net[:2](batch).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net[2:](features)[:, 1].sum(), features)
    expected = stretched((gradient.mean((2, 3), keepdim=True) * features).sum(1).detach(), 24)
    ours = class_activation_map(Classifier(net), batch, torch.ones(4, dtype=torch.int64), "gradcam")
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("build", [pooled, flattened, lenient])
@pytest.mark.parametrize("method", ["gradcam", "gradcam++"])
def test_an_images_map_does_not_depend_on_its_batch(build, method):
    classifier, batch = Classifier(build()), images(40)
    whole = class_activation_map(classifier, batch, method=method)
    for part in (slice(0, 1), slice(0, 3), slice(7, 27)):
        torch.testing.assert_close(
            class_activation_map(classifier, batch[part], method=method), whole[part], atol=1e-6, rtol=0
        )


@pytest.mark.parametrize("method", METHODS)
def test_without_relu_and_enlarged_to_the_nearest_a_map_is_blocks_of_all_evidence(method):
    """As in the superpixel paper's program: min–max, nearest, min–max of the weighted sum as it is."""
    net, batch, classes = pooled(), images(4), torch.tensor([0, 1, 2, 3])
    features = net[:4](batch).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net[4:](features).gather(1, classes[:, None]).sum(), features)
    weights = {
        "cam": net[6].weight[classes],
        "gradcam": gradient.mean((2, 3)),
        "gradcam++": (gradient.relu() / (2 + gradient * features.sum((2, 3), keepdim=True))).sum((2, 3)),
    }[method]
    maps = torch.einsum("nc,nchw->nhw", weights, features).detach()
    for _ in range(2):  # 6×6 places, each a block of 4×4 pixels after the first
        maps = (maps - maps.amin((1, 2), keepdim=True)) / (
            maps.amax((1, 2), keepdim=True) - maps.amin((1, 2), keepdim=True)
        )
        maps = maps.repeat_interleave(24 // maps.shape[1], 1).repeat_interleave(24 // maps.shape[2], 2)
    ours = ATTENTION[method](Classifier(net), batch, classes, relu=False, enlarge="nearest")
    torch.testing.assert_close(ours, maps, atol=1e-5, rtol=0)
    assert len(ours[0].unique()) <= 36
    default = ATTENTION[method](Classifier(net), batch, classes)
    assert len(default[0].unique()) > 36
    if method == "cam":  # whose weights have either sign
        assert bool((default == 0).sum() > (ours == 0).sum())


def test_an_unknown_enlargement_is_refused():
    with pytest.raises(UnknownNameError, match="enlargement 'linear'; did you mean 'bilinear'"):
        ATTENTION["cam"](Classifier(pooled()), images(1), enlarge="linear")


@pytest.mark.parametrize("method", ATTENTION)
def test_a_map_through_random_draws_is_the_images_own(method):
    def faded(batch: Tensor, seeds: Tensor | None = None) -> Tensor:
        return batch if seeds is None else batch * (0.5 + seeds.float() / 2.0**64)[:, None, None, None]

    def plain(batch: Tensor, seeds: Tensor | None = None) -> Tensor:
        return batch

    bare, batch = Classifier(seeded(pooled)), images(3)
    same = ATTENTION[method](Adaptive(Defended(bare, plain), draws=4), batch)
    torch.testing.assert_close(same, ATTENTION[method](bare, batch))
    drawn = Adaptive(Defended(bare, faded), draws=4)
    alone = torch.cat([ATTENTION[method](drawn, image) for image in batch.split(1)])
    torch.testing.assert_close(ATTENTION[method](drawn, batch), alone, rtol=1e-4, atol=1e-5)


def test_no_images_give_no_maps():
    assert class_activation_map(Classifier(pooled()), images(0)).shape == (0, 24, 24)


def test_the_class_asked_about_is_the_prediction_unless_given():
    classifier, batch = Classifier(pooled()), images(5)
    predicted = classifier(batch).argmax(1)
    default = class_activation_map(classifier, batch)
    assert torch.equal(default, class_activation_map(classifier, batch, predicted))
    assert not torch.allclose(default, class_activation_map(classifier, batch, (predicted + 1) % 5))


def test_a_map_shows_where_the_evidence_is():
    """A network that sums the red of an image: its map is high where there is red, 0 where there is none."""
    net = nn.Sequential(
        nn.Conv2d(3, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[:, :, None, None])
        net[3].weight.copy_(torch.eye(2))
    batch = torch.zeros(1, 3, 16, 16)
    batch[0, 0, 2:5, 3:9] = 0.8
    batch[0, 1, 10:, 10:] = 0.3
    for method in METHODS:
        found = class_activation_map(Classifier(net), batch, torch.tensor([0]), method)
        assert torch.equal(found[0] == 1, batch[0, 0] > 0)
        assert torch.equal(found[0] == 0, batch[0, 0] == 0)


@pytest.mark.parametrize("method", METHODS)
def test_a_flat_map_is_zero_and_never_nan(method):
    batch = torch.stack([torch.full((3, 21, 21), 0.3), torch.zeros(3, 21, 21)])
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    for classes in range(3):
        maps = class_activation_map(Classifier(net), batch, torch.tensor([classes] * 2), method)
        assert torch.equal(maps, torch.zeros(2, 21, 21))


def test_maps_lie_in_the_unit_interval_and_reach_both_ends():
    maps = class_activation_map(Classifier(pooled()), images(8), torch.zeros(8, dtype=torch.int64))
    assert maps.shape == (8, 24, 24)
    for row in maps[maps.amax((1, 2)) > 0]:
        assert (float(row.min()), float(row.max())) == (0, 1)
    assert not maps.requires_grad


def test_the_last_use_of_a_layer_counts_as_it_was_returned():
    """What is done to the layer's output in place afterwards is not the layer's."""
    net, batch = lenient(), images(3)
    assert feature_layer(Classifier(net), batch) == "relu"
    with torch.no_grad():
        x = functional.relu(net.norm(net.first(batch)))
        second, last = net.second(x), functional.relu(net.second(x) + x)
    weights = net.head.weight[2][None, :, None, None].detach()
    classes = torch.full((3,), 2)
    for layer, features in ((None, last), ("second", second)):
        # With global pooling the gradient is the head's weight wherever the ReLU is open.
        open_ = (last > 0) if layer == "second" else torch.ones_like(last)
        weight = (weights * open_).mean((2, 3), keepdim=True)
        expected = stretched((weight * features).sum(1), 24)
        ours = class_activation_map(Classifier(net), batch, classes, "gradcam", layer)
        torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_a_named_layer_gives_other_maps_and_the_automatic_one_the_same():
    classifier, batch = Classifier(pooled()), images(3)
    assert feature_layer(classifier, batch) == "3"
    automatic = class_activation_map(classifier, batch)
    assert torch.equal(automatic, class_activation_map(classifier, batch, layer="3"))
    assert not torch.allclose(automatic, class_activation_map(classifier, batch, layer="1"), atol=0.1)


def test_cam_takes_a_convolution_before_the_pooling_for_the_head():
    net, batch = fully_convolutional(), images(3)
    classes = torch.tensor([0, 1, 4])
    features = net[:2](batch)
    maps = torch.einsum("nc,nchw->nhw", net[2].weight.flatten(1)[classes], features)
    ours = class_activation_map(Classifier(net), batch, classes, "cam")
    torch.testing.assert_close(ours, stretched(maps.detach(), 24), atol=1e-5, rtol=0)
    assert layer_of(ATTENTION["cam"], Classifier(net), batch) == "1"
    assert layer_of(ATTENTION["gradcam"], Classifier(net), batch) == "2"
    assert layer_of(lambda *_: None, Classifier(net), batch) is None


@pytest.mark.parametrize(
    ("build", "layer"), [(flattened, None), (pooled, "1"), (pooled, "6"), (lambda: pooled()[:4], None)]
)
def test_cam_of_a_network_of_another_kind_says_what_to_use(build, layer):
    net = build()
    net = nn.Sequential(net, nn.Flatten()) if isinstance(net[-1], nn.ReLU) else net
    with pytest.raises(UsageError, match=r"CAM needs .*use gradcam or gradcam\+\+"):
        class_activation_map(Classifier(net), images(2), method="cam", layer=layer)


def test_a_network_without_feature_maps_is_refused():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 24 * 24, 3))
    with pytest.raises(UsageError, match="no layer that gives a feature map"):
        class_activation_map(Classifier(net), images(2))
    with pytest.raises(UsageError, match="one image at least"):
        feature_layer(Classifier(net), images(0))


@pytest.mark.parametrize("layer", ["5", "4"])
def test_a_layer_that_gives_no_map_is_refused(layer):
    with pytest.raises(UsageError, match=f"layer '{layer}' gives no feature map"):
        class_activation_map(Classifier(pooled()), images(2), layer=layer)


def test_misspelt_names_are_answered_with_the_nearest():
    classifier = Classifier(lenient())
    with pytest.raises(UnknownNameError, match=r"unknown layer 'secnd'; did you mean 'second'"):
        class_activation_map(classifier, images(2), layer="secnd")
    with pytest.raises(UnknownNameError, match=r"unknown layer ''"):
        class_activation_map(classifier, images(2), layer="")


def test_classes_outside_the_model_are_refused():
    with pytest.raises(UsageError, match=r"classes\[1\] is 5"):
        class_activation_map(Classifier(pooled()), images(2), torch.tensor([0, 5]))


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was(method, fails):
    net = lenient().train()
    net.norm.eval()
    net.first.weight.requires_grad_(False)
    if fails:
        net.head = nn.Sequential(nn.Linear(8, 5), nn.Linear(6, 5))
    statistics = net.norm.running_mean.clone()
    try:
        class_activation_map(Classifier(net), images(20), method=method)
    except ModelError:
        assert fails
    assert hooks(net) == 0
    assert net.training
    assert not net.norm.training
    assert [p.requires_grad for p in net.parameters()][:2] == [False, True]
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(net.norm.running_mean, statistics)


def test_maps_are_the_same_where_the_caller_has_turned_gradients_off():
    classifier, batch = Classifier(pooled()), images(3)
    expected = class_activation_map(classifier, batch)
    with torch.no_grad():
        assert torch.equal(class_activation_map(classifier, batch), expected)
    assert torch.equal(class_activation_map(classifier, batch.requires_grad_()), expected)


def test_a_network_that_calls_its_layers_by_keyword_has_maps_all_the_same():
    class ByKeyword(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, batch: Tensor) -> Tensor:
            return self.head(self.conv(input=batch).mean((2, 3)))

    assert feature_layer(Classifier(ByKeyword()), images(1)) == "conv"
