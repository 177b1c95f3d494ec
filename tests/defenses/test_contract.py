"""What holds of every defence: those of the table, and JPEG with a gradient."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor

from limen import Classifier, catalog, defenses
from limen.defenses import DEFENSES, Defended
from limen.errors import UsageError

from .photographs import photographs

EVERY = {**DEFENSES, "differentiable_jpeg": defenses.differentiable_jpeg}
WITH_GRADIENT = {"resize", "average_pool", "max_pool", "bilateral", "differentiable_jpeg"}
LEVEL = 1 / 255


@pytest.fixture(params=EVERY)
def name(request) -> str:
    return request.param


def random_images(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(0, 3, 16, 16), (1, 1, 12, 12), (2, 3, 13, 22), (3, 1, 9, 17)])
def test_images_keep_their_shape_dtype_and_range_and_are_changed(name, dtype, shape):
    images = random_images(*shape, dtype=dtype)
    before, state = images.clone(), torch.get_rng_state()
    defended = EVERY[name](images)
    assert (defended.shape, defended.dtype, defended.device) == (images.shape, dtype, images.device)
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    if shape[0]:
        assert defended.min() >= 0
        assert defended.max() <= 1
        assert (defended - images).abs().mean() > LEVEL


def test_an_image_is_defended_alike_in_every_batch(name):
    images = photographs(45, 51)
    whole = EVERY[name](images)
    torch.testing.assert_close(EVERY[name](images[[2, 0]]), whole[[2, 0]], rtol=0, atol=1e-6)
    for place in range(len(images)):
        alone = EVERY[name](images[place : place + 1])
        torch.testing.assert_close(alone[0], whole[place], rtol=0, atol=1e-6)


def test_both_dtypes_see_the_same_image(name):
    images = photographs(40, 35, count=2)
    torch.testing.assert_close(
        EVERY[name](images.double()).float(), EVERY[name](images), rtol=0, atol=LEVEL / 2
    )


@pytest.mark.parametrize("value", [0.0, 0.2, 1.0])
def test_a_flat_image_stays_flat(name, value):
    """Up to what a codec rounds, and to what TVM leaves of the values dropped when it stops."""
    most = {"dnn_jpeg": 30 / 16 * LEVEL, "total_variation": 0.05, "bit_depth": 1 / 14}.get(name, 1.01 * LEVEL)
    images = torch.full((1, 3, 24, 24), value)
    defended = EVERY[name](images)
    assert (defended - images).abs().mean() <= most
    if name not in ("total_variation", "webp"):
        assert defended.max() - defended.min() < 1e-6


def test_a_gradient_flows_exactly_where_the_table_of_this_test_says_so(name):
    images = photographs(24, count=2).requires_grad_()
    defended = EVERY[name](images)
    assert defended.requires_grad == (name in WITH_GRADIENT)
    if name in WITH_GRADIENT:
        weights = random_images(*images.shape)
        (gradient,) = torch.autograd.grad((defended * weights).sum(), images)
        assert torch.isfinite(gradient).all()
        assert ((gradient != 0).flatten(1).float().mean(1) > 0.1).all()


def test_an_attack_is_refused_where_no_gradient_flows(name):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 24 * 24, 4))
    defended = Defended(Classifier(net), EVERY[name])
    images = photographs(24, count=2).requires_grad_()
    if name in WITH_GRADIENT:
        assert defended(images).requires_grad
    else:
        with pytest.raises(UsageError, match=f"no gradient flows through the defence \\({name}\\)"):
            defended(images)


def test_what_is_no_batch_of_images_is_refused(name):
    with pytest.raises(UsageError, match=r"scale them to \[0, 1\]"):
        EVERY[name](torch.full((1, 3, 16, 16), 255.0))
    with pytest.raises(UsageError, match="divide by 255"):
        EVERY[name](torch.zeros(1, 3, 16, 16, dtype=torch.uint8))


NEEDED = {"resize": 2, "average_pool": 2, "bilateral": 6}
"""Pixels that the shorter side needs, where it needs more than one."""


@pytest.mark.parametrize("small", [(1, 1), (2, 5), (8, 3)])
def test_a_small_image_is_defended_or_refused_in_words(name, small):
    images = random_images(1, 3, *small)
    if min(small) < NEEDED.get(name, 1):
        with pytest.raises(UsageError, match=r"pixels|radius"):
            EVERY[name](images)
    else:
        assert torch.isfinite(defended := EVERY[name](images)).all()
        assert defended.shape == images.shape


def test_channels_that_a_codec_does_not_know_are_refused():
    images = random_images(1, 4, 16, 16)
    for name, defense in EVERY.items():
        if name in ("jpeg", "webp", "differentiable_jpeg"):
            with pytest.raises(UsageError, match="takes grey or RGB images, not 4 channels"):
                defense(images)
        else:
            assert defense(images).shape == images.shape


def test_a_random_defence_takes_seeds_and_no_other_does(name):
    assert ("seeds" in inspect.signature(EVERY[name]).parameters) == (name == "total_variation")


REFUSED = [
    "resize:factor=0.99",
    "resize:factor=300",
    "resize:factor=inf",
    "jpeg:quality=0",
    "jpeg:quality=101",
    "webp:quality=0",
    "webp:quality=101",
    "dnn_jpeg:quality=0",
    "dnn_jpeg:quality=101",
    "average_pool:size=2",
    "average_pool:size=-1",
    "average_pool:size=599",
    "max_pool:size=4",
    "bit_depth:bits=0",
    "bit_depth:bits=9",
    "bit_depth:levels=odd",
    "total_variation:drop=1",
    "total_variation:drop=-0.1",
    "total_variation:weight=0",
    "total_variation:weight=inf",
]


@pytest.mark.parametrize("spec", REFUSED)
def test_a_value_out_of_range_is_refused_with_its_spec_and_parameter(spec):
    parameter = spec.partition(":")[2].partition("=")[0]
    with pytest.raises(UsageError, match=f"^defense spec '{spec}': {parameter} ") as raised:
        catalog.defense(spec)
    assert spec.rpartition("=")[2] in str(raised.value)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda x: defenses.jpeg(x, subsampling="4:1:1"), "subsampling must be one of 4:4:4, 4:2:2, 4:2:0"),
        (lambda x: defenses.differentiable_jpeg(x, subsampling="4:1:1"), "subsampling must be one of"),
        (lambda x: defenses.differentiable_jpeg(x, 0.5), "quality must lie from 1 to 100"),
        (lambda x: defenses.differentiable_jpeg(x, torch.tensor([50.0, 101.0])), "quality must lie from"),
        (lambda x: defenses.jpeg(x, quality=75.5), "quality must be a whole number"),
        (lambda x: defenses.bit_depth(x, bits=True), "bits must be a whole number"),
        (lambda x: defenses.bit_depth(x, levels="odd"), "levels must be one of even, power"),
        (lambda x: defenses.total_variation(x, seeds=torch.arange(3)), "one seed for each of 2 images"),
        (lambda x: defenses.total_variation(x, seeds=torch.zeros(2)), "seeds must be an int64 tensor"),
        (lambda x: defenses.webp(x[:, :, :1].repeat(1, 1, 1, 2000)), "cannot be stored as WEBP"),
    ],
)
def test_a_value_that_only_python_can_give_is_refused_too(call, complaint):
    with pytest.raises(UsageError, match=complaint):
        call(random_images(2, 3, 16, 16))
