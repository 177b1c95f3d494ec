"""Saliency models, against numpy, scipy and hand-made images."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

from limen import Classifier, catalog
from limen.errors import LimenError, UnknownNameError, UsageError
from limen.images import grey
from limen.structure import cam, density_of, foreground_score, gradcam, passes_taken, saliency_named
from limen.structure.saliency import (
    as_density,
    attention,
    center_surround,
    centre_prior,
    spectral_residual,
)

WEIGHT_FREE = {"spectral_residual": spectral_residual, "center_surround": center_surround}


def images(count: int = 2, channels: int = 3, height: int = 20, width: int = 28, dtype=torch.float32):
    generator = torch.Generator().manual_seed(count + height)
    return 0.1 + 0.8 * torch.rand(
        count, channels, height, width, generator=generator, dtype=torch.float64
    ).to(dtype)


def spot(row: int, column: int, side: int = 64) -> torch.Tensor:
    image = torch.full((1, 3, side, side), 0.5)
    image[:, 0, row - 3 : row + 3, column - 3 : column + 3] = 1.0
    image[:, 1:, row - 3 : row + 3, column - 3 : column + 3] = 0.1
    return image


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)
    )


def of(name: str, batch: torch.Tensor) -> torch.Tensor:
    return density_of(name, batch, Classifier(network().to(batch.dtype)))


def by_numpy(plane: np.ndarray, deviation: float = 2.5) -> np.ndarray:
    """The authors' program, in numpy, of an image that is 64 pixels wide."""
    spectrum = np.fft.fft2(plane)
    logarithm = np.log(np.abs(spectrum) + 1e-3)
    residual = logarithm - ndimage.uniform_filter(logarithm, 3, mode="nearest")
    energy = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    offsets = np.arange(10) - 4.5
    kernel = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * deviation**2))
    # scipy's middle of an even number of taps is the second of the two; MATLAB's is the first.
    blurred = ndimage.correlate(energy, kernel / kernel.sum(), mode="constant", origin=-1)
    return (blurred - blurred.min()) / (blurred.max() - blurred.min())


@pytest.mark.parametrize("height", [48, 64, 90])
def test_the_spectral_residual_is_that_of_the_authors_program(height):
    batch = images(3, 3, height, 64, torch.float64)
    expected = np.stack([by_numpy(plane) for plane in grey(batch).numpy()])
    ours = spectral_residual(batch, prior=None).numpy()
    np.testing.assert_allclose(ours, expected / expected.sum((1, 2), keepdims=True), rtol=2e-3, atol=1e-7)
    weighted = expected * centre_prior(height, 64, dtype=torch.float64).numpy()
    with_prior = spectral_residual(batch).numpy()
    np.testing.assert_allclose(
        with_prior, weighted / weighted.sum((1, 2), keepdims=True), rtol=2e-3, atol=1e-7
    )


def test_centre_and_surround_are_those_of_scipy():
    batch = images(2, 3, 64, 64, torch.float64)
    red, green, blue = batch.numpy().transpose(1, 0, 2, 3)
    features = (batch.numpy().mean(1), red - green, blue - (red + green) / 2)
    expected = np.zeros_like(red)
    for feature in features:
        for plane, total in zip(feature, expected, strict=True):
            for sigma in (1.0, 2.0, 4.0):
                blur = [
                    ndimage.gaussian_filter(plane, each, mode="nearest", radius=round(3 * each))
                    for each in (sigma, 3 * sigma)
                ]
                total += np.abs(blur[0] - blur[1])
    expected /= expected.sum((1, 2), keepdims=True)
    ours = center_surround(batch, prior=None, finest=1.0, scales=3)
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_what_stands_out_is_salient_wherever_it_is(name):
    for row, column in ((16, 20), (40, 44)):
        density = WEIGHT_FREE[name](spot(row, column), prior=None)[0]
        around = density[row - 5 : row + 5, column - 5 : column + 5]
        assert around.mean() > 4 * density.mean()


def test_colour_alone_stands_out():
    image = torch.full((1, 3, 64, 64), 0.5)
    image[:, 0, 20:28, 20:28] += 0.2
    image[:, 1, 20:28, 20:28] -= 0.2  # as bright as its surroundings
    density = center_surround(image, prior=None)[0]
    assert density[20:28, 20:28].mean() > 4 * density.mean()


@pytest.mark.parametrize("name", [*WEIGHT_FREE, "attention"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_density_is_nonnegative_and_sums_to_one_at_any_size(name, dtype):
    for sides in ((20, 28), (64, 64), (5, 130), (30, 7), (1, 2)):
        density = of(name, images(2, 3, *sides, dtype))
        assert density.shape == (2, *sides)
        assert density.dtype == dtype
        assert (density >= 0).all()
        torch.testing.assert_close(density.sum((1, 2)), torch.ones(2, dtype=dtype))


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_a_grey_image_is_as_salient_as_the_same_in_colour(name):
    image = images(2, 1)
    torch.testing.assert_close(
        WEIGHT_FREE[name](image), WEIGHT_FREE[name](image.expand(-1, 3, -1, -1)), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("name", [*WEIGHT_FREE, "attention"])
def test_a_density_depends_on_no_other_image(name):
    batch = images(3)
    alone = torch.cat([of(name, image[None]) for image in batch])
    torch.testing.assert_close(of(name, batch), alone, rtol=1e-4, atol=1e-7)
    assert of(name, batch[:0]).shape == (0, 20, 28)


@pytest.mark.parametrize("name", WEIGHT_FREE)
@pytest.mark.parametrize("squared", [True, False])
def test_the_gradient_is_that_of_finite_differences(name, squared):
    options = {"squared": squared} if name == "spectral_residual" else {"scales": 2}
    batch = images(1, 3, 6, 9, torch.float64).requires_grad_()
    weights = torch.rand(6, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda each: (WEIGHT_FREE[name](each, **options) * weights).sum(), batch, rtol=1e-3
    )


@pytest.mark.parametrize("method", ["cam", "gradcam", "gradcam++"])
def test_the_gradient_of_attention_is_that_of_finite_differences(method):
    classifier = Classifier(network().double())
    batch = images(2, 3, 6, 5, torch.float64).requires_grad_()
    weights = torch.rand(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda each: (attention(each, classifier, method=method) * weights).sum((1, 2)), batch, rtol=1e-3
    )
    assert not attention(batch.detach(), classifier, method=method).requires_grad


@pytest.mark.parametrize("name", WEIGHT_FREE)
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("squared", [True, False])
def test_the_gradient_on_flat_images_is_finite(name, value, squared):
    options = {"squared": squared} if name == "spectral_residual" else {}
    for dtype in (torch.float32, torch.float64):
        batch = torch.full((1, 3, 24, 32), value, dtype=dtype, requires_grad=True)
        density = WEIGHT_FREE[name](batch, **options)
        (density[0, :12] ** 2).sum().backward()
        assert torch.isfinite(density).all()
        assert torch.isfinite(batch.grad).all()


def test_nothing_to_see_leaves_the_prior():
    black = torch.zeros(1, 3, 24, 32)
    expected = as_density(centre_prior(24, 32)[None])
    torch.testing.assert_close(center_surround(torch.full_like(black, 0.4)), expected)
    torch.testing.assert_close(spectral_residual(black), expected)
    torch.testing.assert_close(spectral_residual(black, prior=None), torch.full((1, 24, 32), 1 / (24 * 32)))


@pytest.mark.parametrize("deviation", [0.1, 0.25])
def test_the_prior_is_a_gaussian_in_shares_of_the_sides(deviation):
    prior = centre_prior(41, 81, deviation, torch.float64)
    assert prior[20, 40] == 1
    assert torch.equal(prior, prior.flip(0))
    assert torch.equal(prior, prior.flip(1))
    assert prior[20, 60] == pytest.approx(np.exp(-((20 / (deviation * 81)) ** 2) / 2))
    assert prior[30, 40] == pytest.approx(np.exp(-((10 / (deviation * 41)) ** 2) / 2))
    with pytest.raises(UsageError, match="must be above 0, not 0"):
        centre_prior(4, 4, 0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spectral_residual", {"width": 32}),
        ("spectral_residual", {"deviation": 1.0}),
        ("spectral_residual", {"squared": False}),
        ("spectral_residual", {"prior": 0.5}),
        ("spectral_residual", {"prior": None}),
        ("center_surround", {"width": 32}),
        ("center_surround", {"finest": 2.0}),
        ("center_surround", {"scales": 1}),
        ("center_surround", {"ratio": 5.0}),
        ("center_surround", {"prior": 0.5}),
        ("center_surround", {"prior": None}),
    ],
)
def test_every_option_changes_the_density(name, options):
    batch = images(1, 3, 40, 50)
    assert not torch.allclose(WEIGHT_FREE[name](batch), WEIGHT_FREE[name](batch, **options), rtol=1e-2)


def test_the_score_is_the_density_on_the_foreground_and_has_its_gradient():
    batch = images(2).requires_grad_()
    masks = torch.zeros(2, 1, 20, 28, dtype=torch.bool)
    masks[0, :, 5:, 3:9] = True
    scores = foreground_score(batch, masks)
    assert scores[0].item() == pytest.approx(spectral_residual(batch)[0, 5:, 3:9].sum().item())
    assert scores[1] == 0
    (gradient,) = torch.autograd.grad(scores[0], batch)
    assert gradient[0].abs().sum() > 0
    assert gradient[1].abs().sum() == 0
    torch.testing.assert_close(foreground_score(batch, ~masks) + scores, torch.ones(2))
    with pytest.raises(UsageError, match=r"masks must be bool \(2, 1, 20, 28\).*not torch.float32"):
        foreground_score(batch, masks.float())


def test_a_map_of_ones_own_is_divided_by_its_sum():
    maps = torch.tensor([[[1.0, 3.0]], [[0.0, 0.0]]])
    batch = torch.rand(2, 3, 1, 2)
    torch.testing.assert_close(
        density_of(lambda images: maps, batch), torch.tensor([[[0.25, 0.75]], [[0.5, 0.5]]])
    )


def test_a_model_that_names_the_classifier_is_given_it():
    classifier, seen = Classifier(network()), []

    def mine(images, classifier):
        seen.append(classifier)
        return images.mean(1)

    density_of(mine, images(), classifier)
    assert seen == [classifier]
    with pytest.raises(UsageError, match="this saliency model needs classifier, and none is given"):
        density_of(mine, images())
    density_of(functools.partial(mine, classifier=None), images(), classifier)
    assert seen[1] is None


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (
            torch.ones(2, 1, 20, 28),
            r"floating maps \(2, 20, 28\).*not torch.float32 \(2, 1, 20, 28\)",
        ),
        (torch.ones(2, 20, 28, dtype=torch.int64), "not torch.int64"),
        (np.ones((2, 20, 28)), "not ndarray"),
        (torch.full((2, 20, 28), -0.5), "from -0.5 to -0.5.*0 or more, such as exp of a log density"),
        (torch.full((2, 20, 28), torch.nan), "from nan"),
        (torch.full((2, 20, 28), torch.inf), "to inf"),
    ],
)
def test_what_is_no_saliency_is_refused(maps, message):
    with pytest.raises(UsageError, match=message):
        density_of(lambda images: maps, images())


def test_wrong_settings_and_names_are_refused():
    with pytest.raises(
        UnknownNameError, match="unknown saliency model 'spectral'; did you mean 'spectral_re"
    ):
        density_of("spectral", images())
    with pytest.raises(UsageError, match=r"width must be from 1 to 8192 and deviation 0\.1 or more, not 0"):
        spectral_residual(images(), width=0)
    with pytest.raises(UsageError, match="finest above 0 and ratio above 1, not 64, 4"):
        center_surround(images(), ratio=1.0)
    with pytest.raises(UsageError, match="take 1 or 3 channels; the images have 2"):
        center_surround(images(2, 2))


def test_passes_are_those_that_a_model_takes_of_the_classifier():
    assert passes_taken(saliency_named("spectral_residual")) == (0, 0)
    assert passes_taken(saliency_named("attention")) == (1, 1)
    assert passes_taken(functools.partial(attention, method="cam")) == (1, 0)
    assert passes_taken(catalog.SALIENCY.make("attention:method=cam")) == (1, 0)
    assert passes_taken(catalog.SALIENCY.make("attention:method=gradcam")) == (1, 1)
    assert passes_taken(functools.partial(attention, method=cam)) == (1, 0)
    assert passes_taken(functools.partial(attention, method=gradcam)) == (1, 1)


def test_specs_name_models_with_options_and_ones_own(tmp_path):
    batch = images()
    model = catalog.SALIENCY.make("spectral_residual:prior=none,deviation=2")
    torch.testing.assert_close(model(batch), spectral_residual(batch, prior=None, deviation=2.0))
    assert model.identity.label == "spectral_residual:prior=none,deviation=2"
    nested = catalog.SALIENCY.make("attention:method=cam:enlarge=nearest")
    classifier = Classifier(network())
    torch.testing.assert_close(
        density_of(nested, batch, classifier), as_density(cam(classifier, batch, enlarge="nearest"))
    )
    file = tmp_path / "bright.py"
    file.write_text("def bright(images, power: float = 1.0):\n    return images.mean(1) ** power\n")
    own = catalog.SALIENCY.make(f"python:{file}:bright,power=2")
    torch.testing.assert_close(density_of(own, batch), as_density(batch.mean(1) ** 2))
    with pytest.raises(LimenError, match="unknown parameter 'sigma'"):
        catalog.SALIENCY.make("spectral_residual:sigma=2")


@pytest.mark.parametrize(
    "options", [{"width": 10**9}, {"scales": 40}, {"ratio": 1e6, "finest": 1e6}], ids=str
)
def test_surrounds_beyond_all_images_are_refused(options):
    with pytest.raises(UsageError, match=r"the widest surround .* pixels at most"):
        center_surround(images(1), **options)
