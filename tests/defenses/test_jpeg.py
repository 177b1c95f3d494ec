"""JPEG, with and without a gradient, WebP and DNN-JPEG, against Pillow, OpenCV, kornia and SciPy."""

from __future__ import annotations

import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import fft
from torch import Tensor, nn

from limen import catalog, data, defenses
from limen.images import from_uint8, to_uint8

from .photographs import photographs


def stored(image: np.ndarray, kind: str, **options) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return np.asarray(Image.open(file).convert("L" if image.ndim == 2 else "RGB"))


@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize(
    ("name", "kind", "options"), [("jpeg", "JPEG", {"subsampling": 2}), ("webp", "WEBP", {})]
)
def test_codecs_are_pillows(name, kind, options, quality):
    images = photographs(40, 51)
    expected = np.stack([stored(each, kind, quality=quality, **options) for each in to_uint8(images)])
    assert torch.equal(defenses.DEFENSES[name](images, quality), from_uint8(expected))
    grey = images[:, :1]
    expected = np.stack([stored(each[..., 0], kind, quality=quality)[..., None] for each in to_uint8(grey)])
    assert torch.equal(defenses.DEFENSES[name](grey, quality), from_uint8(expected))


def test_subsampling_is_that_of_opencvs_codec():
    image = to_uint8(photographs(48, count=1))[0]
    factors = {"4:4:4": 0x111111, "4:2:2": 0x211111, "4:2:0": 0x221111}
    decoded = {}
    for subsampling, factor in factors.items():
        settings = [cv2.IMWRITE_JPEG_QUALITY, 75, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
        _, data = cv2.imencode(".jpg", image[..., ::-1], settings)
        decoded[subsampling] = from_uint8(cv2.imdecode(data, cv2.IMREAD_COLOR)[None, ..., ::-1])
        ours = defenses.jpeg(from_uint8(image[None]), 75, subsampling)
        assert (ours - decoded[subsampling]).abs().mean() * 255 < 0.5
    assert (decoded["4:4:4"] - decoded["4:2:0"]).abs().mean() * 255 > 0.5


def levels_apart(a: Tensor, b: Tensor) -> Tensor:
    return ((a - b).double() * 255).abs()


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", [5, 25, 53, 75, 95])
@pytest.mark.parametrize("sides", [(96, 96), (75, 61), (17, 16)])
def test_jpeg_with_a_gradient_is_close_to_the_codec(sides, quality, subsampling):
    for images in (photographs(*sides), photographs(*sides)[:, 1:2]):
        apart = levels_apart(
            defenses.differentiable_jpeg(images, quality, subsampling),
            defenses.jpeg(images, quality, subsampling),
        )
        assert apart.mean() < 0.3
        assert (apart < 0.5).double().mean() > 0.8


def test_jpeg_with_a_gradient_is_closer_to_the_codec_than_kornias():
    from kornia.enhance import jpeg_codec_differentiable

    images = photographs(96)
    for quality in (25, 75):
        codec = defenses.jpeg(images, quality)
        kornias = jpeg_codec_differentiable(images, torch.full((len(images),), float(quality)))
        ours = levels_apart(defenses.differentiable_jpeg(images, quality), codec).mean()
        theirs = levels_apart(kornias, codec).mean()
        assert 4 * ours < theirs
        assert theirs < 2


def test_each_image_may_have_a_quality_of_its_own():
    images = photographs(33, 40)
    qualities = torch.tensor([10.0, 40.0, 60.0, 90.0])
    together = defenses.differentiable_jpeg(images, qualities)
    for place, quality in enumerate(qualities.tolist()):
        alone = defenses.differentiable_jpeg(images[place : place + 1], quality)
        torch.testing.assert_close(together[place], alone[0], rtol=0, atol=1e-6)


def test_the_gradient_is_that_of_the_cubed_rounding_error():
    """At quality 100 of a grey image all steps are 1, and the transforms are orthonormal."""
    images = photographs(16, count=1)[:, :1].double().requires_grad_()
    weights = torch.randn(images.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((defenses.differentiable_jpeg(images, 100) * weights).sum(), images)
    levels = (255 * images.detach().numpy() - 128).reshape(2, 8, 2, 8).transpose(0, 2, 1, 3)
    errors = fft.dctn(levels, axes=(2, 3), norm="ortho")
    errors = np.round(8 * errors) / 8
    errors -= np.sign(errors) * np.floor(np.abs(errors) + 0.5)
    felt = fft.dctn(weights.numpy().reshape(2, 8, 2, 8).transpose(0, 2, 1, 3), axes=(2, 3), norm="ortho")
    expected = fft.idctn(3 * errors**2 * felt, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3)
    np.testing.assert_allclose(gradient.numpy().reshape(2, 8, 2, 8), expected, atol=1e-9)


def dnn_jpeg(image: np.ndarray, factor: float) -> np.ndarray:
    """DNN-oriented JPEG of one channel, block by block, in Python."""
    height, width = image.shape
    padded = np.pad(255.0 * image, ((0, -height % 8), (0, -width % 8)), mode="edge")
    for top in range(0, padded.shape[0], 8):
        for left in range(0, padded.shape[1], 8):
            block = padded[top : top + 8, left : left + 8]
            coefficients = fft.dctn(block, norm="ortho")
            for (row, column), value in np.ndenumerate(coefficients):
                step = (25 if row < 4 and column < 4 else 30) * factor
                coefficients[row, column] = step * round(value / step)
            block[:] = fft.idctn(coefficients, norm="ortho")
    return np.clip(padded[:height, :width] / 255, 0, 1)


@pytest.mark.parametrize(("quality", "factor"), [(50, 1.0), (20, 2.5), (80, 0.4)])
def test_dnn_jpeg_is_what_scipy_says_block_by_block(quality, factor):
    images = torch.rand(2, 3, 19, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = [[dnn_jpeg(plane, factor) for plane in image] for image in images.numpy()]
    np.testing.assert_allclose(defenses.dnn_jpeg(images, quality).numpy(), np.array(expected), atol=1e-12)


def test_ties_go_to_the_even_multiple():
    """A flat block of 25·(k + ½)/8 levels has a mean frequency of k + ½ steps."""
    for level, expected in [(25 * 0.5 / 8, 0), (25 * 1.5 / 8, 2), (25 * 2.5 / 8, 2), (25 * 3.5 / 8, 4)]:
        image = torch.full((1, 1, 8, 8), level / 255, dtype=torch.float64)
        torch.testing.assert_close(
            defenses.dnn_jpeg(image) * 255, torch.full_like(image, 25 * expected / 8), rtol=0, atol=1e-9
        )


def test_the_steps_of_the_best_quality_are_one_level():
    images = photographs(24)
    assert levels_apart(defenses.dnn_jpeg(images, 100), images).mean() < 0.5


def fooled_behind_the_codec(surrogate: Callable[[Tensor], Tensor]) -> int:
    """How many of 16 photographs signed steps make the classifier miss, with the surrogate's gradient."""
    classifier = catalog.model("demo:photos")
    (batch,) = data.batches(catalog.data("demo:photos,count=16"), range(16), 16, print)
    images, labels, eps = batch.images, batch.labels, 4 / 255
    adversarial = images
    for _ in range(10):
        inputs = adversarial.clone().requires_grad_()
        felt = surrogate(inputs)
        seen = defenses.jpeg(inputs, 50) + (felt - felt.detach())
        loss = nn.functional.cross_entropy(classifier(seen.clamp(0, 1)), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, inputs)
        moved = adversarial + eps / 4 * gradient.sign()
        adversarial = torch.clamp(images + (moved - images).clamp(-eps, eps), 0, 1)
    return int((classifier(defenses.jpeg(adversarial, 50)).argmax(1) != labels).sum())


def test_its_gradient_finds_more_behind_the_codec_than_the_identitys():
    ours = fooled_behind_the_codec(lambda images: defenses.differentiable_jpeg(images, 50))
    identity = fooled_behind_the_codec(lambda images: images)
    assert ours > 1 + identity
