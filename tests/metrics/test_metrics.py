"""What holds for every metric of the table."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from limen import metrics
from limen.errors import UsageError
from limen.images import quantize
from limen.metrics import METRICS, Metric
from limen.metrics.moments import BLOCK
from limen.operators.window import TAPS
from limen.runs import MetricColumn

DISTANCES = ("l0", "l1", "l2", "linf", "mad", "noticed", "ciede2000")
UNSEEN = metrics.noticed_from_mad(torch.zeros((), dtype=torch.float64)).item()
EQUAL = dict.fromkeys(DISTANCES, 0.0) | {"psnr": math.inf, "wpsnr": math.inf, "ssim": 1.0, "noticed": UNSEEN}
MASKED = ("wpsnr", "mad", "noticed")  # the original decides what is seen of a change
THRESHOLD = ("mad", "noticed")  # do not see the faintest changes
WITHOUT_GRADIENT = ("l0", "mad", "noticed")


def named_without(*left_out: str) -> list[str]:
    return [name for name in METRICS if name not in left_out]


names = st.sampled_from(sorted(METRICS))
few = settings(max_examples=30, deadline=None)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Two batches, 1 to 3 samples, grey or colour, from smooth to noisy, with flat, black and white parts."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    shape = (
        draw(st.integers(1, 3)),
        draw(st.sampled_from((1, 3))),
        draw(st.integers(16, 24)),
        draw(st.integers(16, 24)),
    )
    a = torch.rand(shape, generator=generator, dtype=torch.float64)
    scale = draw(st.sampled_from((1e-3, 0.03, 0.3, 2.0)))
    b = (a + scale * torch.randn(shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    if draw(st.booleans()):
        a[..., :6], b[..., 3:9] = (
            draw(st.sampled_from((0.0, 0.4, 1.0))),
            draw(st.sampled_from((0.0, 0.6, 1.0))),
        )
    return a, b


def test_the_table_names_every_metric_by_its_own_name() -> None:
    assert {name: metric.function.__name__ for name, metric in METRICS.items()} == {n: n for n in METRICS}
    assert {name: metric.column.key for name, metric in METRICS.items()} == {name: name for name in METRICS}
    assert set(METRICS) <= set(metrics.__all__) == set(dir(metrics))
    assert all(callable(getattr(metrics, name)) or name.isupper() for name in metrics.__all__)
    assert (METRICS["ssim"].least_side, METRICS["mad"].least_side) == (TAPS, BLOCK)


def test_no_module_of_metrics_hides_a_function_of_its_name() -> None:
    modules = {path.stem for path in Path(metrics.__file__).parent.glob("*.py")}
    assert not modules & set(metrics.__all__)


def test_the_table_opens_without_torch() -> None:
    script = "import sys, limen.metrics; limen.metrics.METRICS['ssim'].column; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("given", [torch.zeros(()), torch.zeros(3), torch.zeros(2, 1), 0.5])
def test_a_metric_that_is_not_one_number_per_image_is_refused(given: object) -> None:
    mine = Metric(MetricColumn("mine", "mine"), lambda a, b: given)
    with pytest.raises(UsageError, match=r"metric mine gives .*, not one number for each of 2 images"):
        mine(*torch.rand(2, 2, 3, 4, 4))


@pytest.mark.parametrize("name", METRICS)
def test_images_down_to_the_least_side_are_measured(name: str) -> None:
    least = METRICS[name].least_side
    assert METRICS[name](*torch.rand(2, 1, 3, least, least + 1)).shape == (1,)
    if least > 1:
        with pytest.raises(UsageError, match="the images only"):
            METRICS[name](*torch.rand(2, 1, 3, least - 1, least))


@few
@given(st.sampled_from(named_without(*MASKED)), pairs())
def test_metrics_without_masking_are_symmetric(name: str, pair: tuple[Tensor, Tensor]) -> None:
    a, b = pair
    torch.testing.assert_close(METRICS[name](a, b), METRICS[name](b, a), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_the_table_hands_on_the_originals_first(name: str) -> None:
    flat = torch.full((1, 1, 32, 32), 0.5)
    noisy = quantize(
        (flat + 0.05 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    )
    there, back = METRICS[name](flat, noisy), METRICS[name](noisy, flat)
    assert torch.equal(there, getattr(metrics, name)(flat, noisy))
    assert (there == back).all() == (name not in MASKED)


@few
@given(names, pairs())
def test_equal_images_give_the_perfect_value_and_others_do_not(
    name: str, pair: tuple[Tensor, Tensor]
) -> None:
    a, b = pair
    assert METRICS[name](a, a.clone()).tolist() == [EQUAL[name]] * len(a)
    assert name in THRESHOLD or (METRICS[name](a, b) != EQUAL[name]).all()


@few
@given(names, pairs())
def test_values_stay_in_their_range(name: str, pair: tuple[Tensor, Tensor]) -> None:
    count = pair[0][0].numel()
    low = -1 if name == "ssim" else 0
    high = {
        "l0": count,
        "l1": count,
        "l2": math.sqrt(count),
        "linf": 1,
        "psnr": math.inf,
        "wpsnr": math.inf,
        "ssim": 1,
        "mad": math.inf,
        "noticed": 1,
        "ciede2000": 150,
    }
    value = METRICS[name](*pair)
    assert ((value >= low) & (value <= high[name])).all()


@few
@given(names, pairs(), st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_its_batch(name: str, pair: tuple[Tensor, Tensor], random) -> None:
    a, b = pair
    together = METRICS[name](a, b)
    alone = torch.cat([METRICS[name](a[i : i + 1], b[i : i + 1]) for i in range(len(a))])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    order = random.sample(range(len(a)), len(a))
    torch.testing.assert_close(METRICS[name](a[order], b[order]), together[order], rtol=1e-12, atol=1e-12)


@few
@given(names, pairs())
def test_mirrored_images_compare_alike(name: str, pair: tuple[Tensor, Tensor]) -> None:
    if name in THRESHOLD:  # their blocks begin at every fourth pixel, and mirrored again only in such sizes
        pair = tuple(each[..., : each.shape[2] // 4 * 4, : each.shape[3] // 4 * 4] for each in pair)
    a, b = pair
    for change in (lambda x: x.flip(2), lambda x: x.flip(3), lambda x: x.transpose(2, 3)):
        torch.testing.assert_close(
            METRICS[name](change(a), change(b)), METRICS[name](a, b), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("name", named_without("l0", *THRESHOLD))
def test_more_noise_is_further_away(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    image = 0.3 + 0.4 * torch.rand(1, 3, 32, 32, generator=generator, dtype=torch.float64)
    noise = torch.rand(1, 3, 32, 32, generator=generator, dtype=torch.float64) - 0.5
    scales = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6)
    values = torch.cat([METRICS[name](image, image + scale * noise) for scale in scales])
    assert (values.diff() > 0).all() if name in DISTANCES else (values.diff() < 0).all()
    assert METRICS[name].column.higher_is_better == (name not in DISTANCES)


@pytest.mark.parametrize("name", METRICS)
def test_float32_agrees_with_float64(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    a = quantize(torch.rand(3, 3, 64, 64, generator=generator, dtype=torch.float64))
    b = quantize((a + 0.02 * torch.randn(a.shape, generator=generator, dtype=torch.float64)).clamp(0, 1))
    single = METRICS[name](a.float(), b.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), METRICS[name](a, b), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("shape", [(0, 3, 16, 16), (0, 1, 16, 17)])
def test_an_empty_batch_gives_no_values(name: str, shape: tuple[int, ...]) -> None:
    value = METRICS[name](torch.rand(shape), torch.rand(shape))
    assert value.shape == (0,)
    assert value.dtype == torch.float32


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_single_sample_is_enough(name: str, channels: int) -> None:
    a = torch.full((1, channels, 16, 16), 0.5, dtype=torch.float64)
    assert METRICS[name](a, a).tolist() == [EQUAL[name]]
    assert METRICS[name](a, a + 0.1).shape == (1,)


@pytest.mark.parametrize("name", METRICS)
def test_bad_pairs_are_refused(name: str) -> None:
    good = torch.rand(2, 3, 16, 16)
    for bad in (good * 2, good[:1], good.double(), good * math.nan, (good * 255).byte(), good[0]):
        with pytest.raises(UsageError):
            METRICS[name](good, bad)
        with pytest.raises(UsageError):
            METRICS[name](bad, good)


@pytest.mark.parametrize("name", named_without("psnr", "wpsnr", *WITHOUT_GRADIENT))
@pytest.mark.parametrize("value", [0.0, 1 / 255, 0.5, 1.0, None])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_at_equal_images_is_zero(name: str, value: float | None, channels: int) -> None:
    a = torch.rand(2, channels, 12, 12) if value is None else torch.full((2, channels, 12, 12), value)
    b = a.clone().requires_grad_()
    METRICS[name](a, b).sum().backward()
    assert torch.equal(b.grad, torch.zeros_like(a))


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_the_others_belong_to_no_graph(name: str) -> None:
    a, b = torch.rand(2, 1, 3, 16, 16).requires_grad_()
    assert not METRICS[name](a, b).requires_grad


@pytest.mark.parametrize("name", named_without(*WITHOUT_GRADIENT))
def test_gradients_equal_finite_differences(name: str) -> None:
    generator = torch.Generator().manual_seed(2)
    a = 0.2 + 0.6 * torch.rand(2, 3, 12, 11, generator=generator, dtype=torch.float64)
    b = (a + 0.1 * torch.randn(a.shape, generator=generator, dtype=torch.float64)).clamp(0.1, 0.9)
    a.requires_grad_()
    b.requires_grad_()
    assert torch.autograd.gradcheck(METRICS[name], (a, b), fast_mode=True)


@pytest.mark.parametrize(
    "core",
    [metrics.local_dissimilarity, lambda a, b: metrics.delta_e(metrics.rgb_to_lab(a), metrics.rgb_to_lab(b))],
    ids=["ssim", "ciede2000"],
)
@pytest.mark.parametrize("shape", [(2, 3, 12, 13), (1, 1, 12, 13), (0, 3, 12, 13)])
def test_unchecked_parts_run_on_the_device_of_their_images(core, shape: tuple[int, ...]) -> None:
    # The meta device has shapes and no values: anything made on another device, or read, would raise.
    images = torch.empty(shape, device="meta")
    assert core(images, images).device.type == "meta"
