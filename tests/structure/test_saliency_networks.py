"""Published saliency networks: key names, sizes, gradients, and their parts against other programs."""

from __future__ import annotations

import copy
import functools
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from limen import catalog
from limen.errors import LimenError, UsageError
from limen.structure import density_of
from limen.structure.saliency import as_density, centre_prior, deepgaze, egnet, isnet, u2net
from limen.structure.saliency.deepgaze import DeepGazeIIE, centre_bias
from limen.structure.saliency.efficientnet import EfficientNetB5
from limen.structure.saliency.egnet import EGNet
from limen.structure.saliency.isnet import ISNet
from limen.structure.saliency.u2net import U2Net
from limen.weights import WeightsError


@functools.cache
def made(name: str) -> nn.Module:
    """A network with random weights, and batch norms that are not the identity."""
    torch.manual_seed(0)
    network = {
        "u2net": U2Net,
        "u2netp": functools.partial(U2Net, small=True),
        "isnet": ISNet,
        "egnet": EGNet,
        "deepgaze": DeepGazeIIE,
    }[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval().requires_grad_(False)


def images(count: int = 2, height: int = 60, width: int = 72) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(4))


# Of the files that the authors publish.
KEYS = {
    "u2net": {
        "stage1.rebnconvin.conv_s1.weight": (64, 3, 3, 3),
        "stage1.rebnconv7.bn_s1.running_var": (32,),
        "stage2.rebnconv6.conv_s1.bias": (32,),
        "stage4.rebnconv3d.conv_s1.weight": (128, 256, 3, 3),
        "stage5d.rebnconvin.conv_s1.weight": (512, 1024, 3, 3),
        "stage1d.rebnconv1d.conv_s1.weight": (64, 32, 3, 3),
        "side6.weight": (1, 512, 3, 3),
        "outconv.weight": (1, 6, 1, 1),
    },
    "u2netp": {
        "stage1.rebnconv1.conv_s1.weight": (16, 64, 3, 3),
        "stage6.rebnconv4.conv_s1.weight": (16, 16, 3, 3),
        "stage3d.rebnconvin.conv_s1.weight": (64, 128, 3, 3),
        "side5.bias": (1,),
    },
    "isnet": {
        "conv_in.weight": (64, 3, 3, 3),
        "stage1.rebnconvin.conv_s1.weight": (64, 64, 3, 3),
        "stage4d.rebnconvin.conv_s1.weight": (256, 1024, 3, 3),
        "side3.weight": (1, 128, 3, 3),
    },
    "egnet": {
        "base.layer4.0.downsample.0.weight": (2048, 1024, 1, 1),
        "convert.convert0.4.0.weight": (512, 2048, 1, 1),
        "merge1.trans.0.0.weight": (128, 256, 1, 1),
        "merge1.trans.2.0.weight": (128, 512, 1, 1),
        "merge1.up.4.4.bias": (512,),
        "merge1.score.1.weight": (1, 256, 3, 3),
        "merge2.trans.0.0.0.weight": (128, 256, 1, 1),
        "merge2.up.0.3.0.weight": (128, 128, 7, 7),
        "merge2.score.0.2.weight": (1, 128, 3, 3),
        "merge2.final_score.2.weight": (1, 128, 3, 3),
    },
    "deepgaze": {
        "models.0.features.features.1.module.layer3.5.conv1.weight": (256, 1024, 1, 1),
        "models.1.features.features.1._blocks.24._depthwise_conv.weight": (1056, 1, 5, 5),
        "models.1.features.features.1._blocks.35._project_conv.weight": (304, 1824, 1, 1),
        "models.1.features.features.1._blocks.0._se_reduce.bias": (12,),
        "models.2.features.features.1.features.denseblock4.denselayer32.norm1.weight": (1888,),
        "models.3.features.features.1.layer4.2.conv2.weight": (1024, 32, 3, 3),
        "models.0.saliency_networks.29.layernorm0.weight": (2048,),
        "models.1.saliency_networks.0.conv0.weight": (8, 2416, 1, 1),
        "models.2.saliency_networks.3.bias2.bias": (1,),
        "models.3.fixation_selection_networks.5.layernorm0.layernorm_part0.weight": (1,),
        "models.3.fixation_selection_networks.5.conv0.conv_part0.weight": (128, 1, 1, 1),
        "models.0.fixation_selection_networks.0.conv2.weight": (1, 16, 1, 1),
        "models.2.finalizers.17.gauss.sigma": (),
        "models.2.finalizers.17.center_bias_weight": (1,),
    },
}


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_and_shapes_are_those_of_the_published_weights(name):
    state = made(name).state_dict()
    assert {key: tuple(state[key].shape) for key in KEYS[name]} == KEYS[name]


@pytest.mark.parametrize(
    ("name", "millions"), [("u2net", 44.0), ("u2netp", 1.13), ("isnet", 44.0), ("egnet", 111.7)]
)
def test_the_parameters_are_as_many_as_published(name, millions):
    count = sum(each.numel() for each in made(name).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=2e-3)


def test_the_features_that_deepgaze_reads_are_those_of_the_published_readout():
    for model, channels in zip(made("deepgaze").models, (2048, 2416, 2048, 2560), strict=True):
        features = model.features(images(1, 64, 64))
        assert sum(each.shape[1] for each in features) == channels
        assert len(model.finalizers) == len(model.saliency_networks) == 30


def test_the_efficientnet_is_that_of_timm():
    import timm

    torch.manual_seed(0)
    ours, theirs = EfficientNetB5().eval(), timm.create_model("tf_efficientnet_b5").eval()
    state = {key: value + 0.1 if value.ndim == 1 else value for key, value in theirs.state_dict().items()}
    theirs.load_state_dict(state)
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    # The paddings are those of 456 pixels, so that sizes with the same remainders agree.
    image = images(1, 456, 456)
    with torch.no_grad():
        expected = theirs.blocks(theirs.bn1(theirs.conv_stem(image)))
        torch.testing.assert_close(ours(image), expected)
        assert expected.std() > 0.01


@pytest.mark.parametrize("name", KEYS)
def test_every_pixel_that_a_network_sees_has_a_gradient(name):
    batch = images(1, 64, 64).requires_grad_()
    network = made(name)
    made_of = network(batch, centre_bias(None, batch)) if name == "deepgaze" else network(batch)
    (gradient,) = torch.autograd.grad(
        (made_of * torch.linspace(0, 1, made_of.numel()).view_as(made_of)).sum(), batch
    )
    assert gradient.isfinite().all()
    reached = gradient.abs().sum(1) > 0
    # DeepGaze sees every second pixel of a row and column.
    assert reached.double().mean() > (0.2 if name == "deepgaze" else 0.9)


def test_deepgaze_gives_log_densities():
    batch = images(2, 64, 96)
    found = made("deepgaze")(batch, centre_bias(None, batch))
    assert found.shape == (2, 1, 64, 96)
    torch.testing.assert_close(found.logsumexp((2, 3)), torch.zeros(2, 1), atol=1e-4, rtol=0)


def test_a_mixture_of_deepgaze_depends_on_no_other_image():
    batch, mixture = images(2, 64, 96).double(), copy.deepcopy(made("deepgaze").models[3]).double()
    bias = centre_bias(None, batch)
    alone = torch.cat([mixture(image[None], bias) for image in batch])
    torch.testing.assert_close(mixture(batch, bias), alone)
    assert (alone[0] - alone[1]).abs().max() > 0.01


def test_a_blur_of_deepgaze_is_that_of_scipy_and_its_bias_is_weighed():
    from scipy.ndimage import gaussian_filter

    from limen.structure.saliency.deepgaze import _Finalizer

    final = _Finalizer().double()
    with torch.no_grad():
        final.gauss.sigma.fill_(1.7)
        final.center_bias_weight.fill_(0.5)
        readout = torch.rand(1, 1, 20, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        bias = centre_bias(None, torch.zeros(1, 3, 40, 48, dtype=torch.float64))
        ours = final(readout, bias)[0, 0, ::2, ::2]
    blurred = gaussian_filter(readout[0, 0].numpy(), 1.7, mode="nearest", radius=6)
    expected = blurred + 0.5 * bias[0, 0, ::2, ::2].numpy()
    np.testing.assert_allclose(ours - ours.mean(), expected - expected.mean(), rtol=1e-9, atol=1e-12)


def test_the_centre_bias_is_read_enlarged_and_made_a_log_density(tmp_path):
    file, batch = tmp_path / "bias.npy", images(1, 6, 4)
    np.save(file, np.log(np.array([[1.0, 3.0], [5.0, 7.0], [2.0, 6.0]])))
    found = centre_bias(file, batch)[0, 0].exp()
    assert found.sum().item() == pytest.approx(1)
    expected = (
        torch.tensor([[1.0, 3.0], [5.0, 7.0], [2.0, 6.0]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    )
    torch.testing.assert_close(found, expected / expected.sum())
    torch.testing.assert_close(centre_bias(None, batch)[0, 0].exp(), as_density(centre_prior(6, 4)[None])[0])
    (tmp_path / "text.npy").write_text("no array")
    np.save(file, np.zeros(3))
    for path, message in (
        (tmp_path / "text.npy", "cannot be read as a centre bias"),
        (file, "holds no finite"),
    ):
        with pytest.raises(LimenError, match=message):
            centre_bias(path, batch)


def saved(name: str, folder) -> str:
    """A file of a network's weights; of a large one, in half precision."""
    file, state = folder / f"{name}.pth", made(name).state_dict()
    if name != "u2netp":
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    torch.save(state, file)
    return str(file)


def test_a_density_is_that_of_the_network_behind_the_authors_preprocessing(tmp_path):
    spec = f"u2net:weights={saved('u2netp', tmp_path)},small=true,size=64"
    batch = images() * 0.8
    density = density_of(catalog.SALIENCY.make(spec), batch)
    small = torch.nn.functional.interpolate(batch, (64, 64), mode="bilinear", antialias=True)
    small = small / small.amax((1, 2, 3), keepdim=True)
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, None, :, None, None]
    maps = torch.nn.functional.interpolate(
        made("u2netp")((small - mean) / std).sigmoid(), (60, 72), mode="bilinear"
    )
    torch.testing.assert_close(density, as_density(maps[:, 0]), rtol=1e-4, atol=1e-8)
    assert density.std() > 1e-6


def test_a_density_of_a_network_depends_on_no_other_image_and_is_differentiable(tmp_path):
    model = functools.partial(u2net, weights=saved("u2netp", tmp_path), small=True, size=64)
    batch = images()
    alone = torch.cat([density_of(model, image[None]) for image in batch])
    torch.testing.assert_close(density_of(model, batch), alone, rtol=1e-3, atol=1e-7)
    assert density_of(model, batch[:0]).shape == (0, 60, 72)
    assert density_of(model, batch[:, :1].double()).dtype == torch.float64
    image = batch[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(density_of(model, image)[0, :30].sum(), image)
    assert gradient.isfinite().all()
    assert gradient.abs().amax() > 0
    black = torch.zeros(1, 3, 60, 72, requires_grad=True)
    (gradient,) = torch.autograd.grad(density_of(model, black)[0, :30].sum(), black)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", ["u2net", "isnet", "egnet", "deepgaze"])
def test_weights_are_read_from_a_file(name, tmp_path):
    size = {"u2net": 64, "isnet": 64}.get(name)
    model = {"u2net": u2net, "isnet": isnet, "egnet": egnet, "deepgaze": deepgaze}[name]
    options = {} if size is None else {"size": size}
    density = density_of(functools.partial(model, weights=saved(name, tmp_path), **options), images(1))
    torch.testing.assert_close(density.sum((1, 2)), torch.ones(1))
    with pytest.raises(UsageError, match="takes 1 or 3 channels; the images have 2"):
        model(images()[:, :2], weights=tmp_path / "none.pth", **options)


def test_weights_of_another_network_are_refused(tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    save_file({"other.weight": torch.zeros(2)}, wrong)
    with pytest.raises(WeightsError, match=r"wrong.*missing: .*unknown: other\.weight"):
        u2net(images(), weights=wrong, small=True)
    with pytest.raises(WeightsError, match="no such file of weights"):
        u2net(images(), weights=tmp_path / "none.pth", small=True)


def test_no_image_has_no_density(monkeypatch):
    monkeypatch.setattr(sys.modules[deepgaze.__module__], "network_of", lambda *given: None)
    assert deepgaze(torch.zeros(0, 3, 64, 96), weights="net.pth").shape == (0, 64, 96)
