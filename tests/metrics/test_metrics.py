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

pytestmark = pytest.mark.usefixtures("random_weights")

TABLE = [name for name in METRICS if name != "pieapp"]  # whose network is large: see test_pieapp.py
LIKENESSES = ("psnr", "wpsnr", "ssim", "ms_ssim", "fsim")  # of these, more is better
UNSEEN = metrics.noticed_from_mad(torch.zeros((), dtype=torch.float64)).item()
EQUAL = dict.fromkeys(TABLE, 0.0) | {"psnr": math.inf, "wpsnr": math.inf, "noticed": UNSEEN}
EQUAL |= dict.fromkeys(("ssim", "ms_ssim", "fsim"), 1.0)
MASKED = ("wpsnr", "mad", "noticed")  # the original decides what is seen of a change
THRESHOLD = ("mad", "noticed")  # do not see the faintest changes
WITHOUT_GRADIENT = ("l0", "mad", "noticed")
DIRECTED = (
    "lpips",
    "dists",
    "ms_ssim",
    "fsim",
)  # their filters, or where these begin, know left from right
# Rounding adds up in the layers of a network and the filters of FSIM.
SINGLE = {"lpips": 2e-4, "dists": 2e-4, "fsim": 2e-5}


def named_without(*left_out: str) -> list[str]:
    return [name for name in TABLE if name not in left_out]


def sides(name: str, least: int = 16) -> int:
    return max(least, METRICS[name].least_side)


few = settings(max_examples=30, deadline=None)


@st.composite
def cases(draw: st.DrawFn, *left_out: str) -> tuple[str, Tensor, Tensor]:
    """A metric and two batches, 1 to 3 samples, grey or colour, smooth to noisy, partly flat or black."""
    name = draw(st.sampled_from(sorted(named_without(*left_out))))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    least = sides(name)
    shape = (
        draw(st.integers(1, 3)),
        draw(st.sampled_from((1, 3))),
        draw(st.integers(least, least + 8)),
        draw(st.integers(least, least + 8)),
    )
    a = torch.rand(shape, generator=generator, dtype=torch.float64)
    scale = draw(st.sampled_from((1e-3, 0.03, 0.3, 2.0)))
    b = (a + scale * torch.randn(shape, generator=generator, dtype=torch.float64)).clamp(0, 1)
    if draw(st.booleans()):
        a[..., :6], b[..., 3:9] = (
            draw(st.sampled_from((0.0, 0.4, 1.0))),
            draw(st.sampled_from((0.0, 0.6, 1.0))),
        )
    return name, a, b


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


@pytest.mark.parametrize("name", TABLE)
def test_images_down_to_the_least_side_are_measured(name: str) -> None:
    least = METRICS[name].least_side
    assert METRICS[name](*torch.rand(2, 1, 3, least, least + 1)).shape == (1,)
    if least > 1:
        with pytest.raises(UsageError, match="the images only"):
            METRICS[name](*torch.rand(2, 1, 3, least - 1, least))


@few
@given(cases(*MASKED))
def test_metrics_without_masking_are_symmetric(case: tuple[str, Tensor, Tensor]) -> None:
    name, a, b = case
    torch.testing.assert_close(METRICS[name](a, b), METRICS[name](b, a), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", TABLE)
def test_the_table_hands_on_the_originals_first(name: str) -> None:
    flat = torch.full((1, 1, sides(name, 32), sides(name, 32)), 0.5)
    noisy = quantize(
        (flat + 0.05 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    )
    there, back = METRICS[name](flat, noisy), METRICS[name](noisy, flat)
    assert torch.equal(there, getattr(metrics, name)(flat, noisy))
    assert (there == back).all() == (name not in MASKED)


@few
@given(cases())
def test_equal_images_give_the_perfect_value_and_others_do_not(case: tuple[str, Tensor, Tensor]) -> None:
    name, a, b = case
    assert METRICS[name](a, a.clone()).tolist() == pytest.approx([EQUAL[name]] * len(a), rel=1e-14, abs=0)
    assert name in THRESHOLD or (METRICS[name](a, b) != EQUAL[name]).all()


@few
@given(cases())
def test_values_stay_in_their_range(case: tuple[str, Tensor, Tensor]) -> None:
    name, *pair = case
    count = pair[0][0].numel()
    low = -1 if name == "ssim" else 0
    high = {
        "l0": count,
        "l1": count,
        "l2": math.sqrt(count),
        "linf": 1,
        "ssim": 1,
        "noticed": 1,
        "ciede2000": 150,
        "ms_ssim": 1,
        "fsim": 1,
        "dists": 1.5,
    }
    value = METRICS[name](*pair)
    assert ((value >= low) & (value <= high.get(name, math.inf))).all()


@few
@given(cases(), st.randoms(use_true_random=False))
def test_a_sample_does_not_depend_on_its_batch(case: tuple[str, Tensor, Tensor], random) -> None:
    name, a, b = case
    together = METRICS[name](a, b)
    alone = torch.cat([METRICS[name](a[i : i + 1], b[i : i + 1]) for i in range(len(a))])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=1e-12)
    order = random.sample(range(len(a)), len(a))
    torch.testing.assert_close(METRICS[name](a[order], b[order]), together[order], rtol=1e-12, atol=1e-12)


@few
@given(cases(*DIRECTED))
def test_mirrored_images_compare_alike(case: tuple[str, Tensor, Tensor]) -> None:
    name, a, b = case
    if name in THRESHOLD:  # their blocks begin at every fourth pixel, and mirrored again only in such sizes
        a, b = (each[..., : each.shape[2] // 4 * 4, : each.shape[3] // 4 * 4] for each in (a, b))
    for change in (lambda x: x.flip(2), lambda x: x.flip(3), lambda x: x.transpose(2, 3)):
        torch.testing.assert_close(
            METRICS[name](change(a), change(b)), METRICS[name](a, b), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("name", named_without("l0", *THRESHOLD))
def test_more_noise_is_further_away(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (1, 3, sides(name, 32), sides(name, 32))
    image = 0.3 + 0.4 * torch.rand(shape, generator=generator, dtype=torch.float64)
    noise = torch.rand(shape, generator=generator, dtype=torch.float64) - 0.5
    scales = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6)
    values = torch.cat([METRICS[name](image, image + scale * noise) for scale in scales])
    assert (values.diff() < 0).all() if name in LIKENESSES else (values.diff() > 0).all()
    assert METRICS[name].column.higher_is_better == (name in LIKENESSES)


@pytest.mark.parametrize("name", TABLE)
def test_float32_agrees_with_float64(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    shape = (3, 3, sides(name, 40), sides(name, 40))
    a = quantize(torch.rand(shape, generator=generator, dtype=torch.float64))
    b = quantize((a + 0.02 * torch.randn(a.shape, generator=generator, dtype=torch.float64)).clamp(0, 1))
    single = METRICS[name](a.float(), b.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), METRICS[name](a, b), rtol=SINGLE.get(name, 2e-6), atol=2e-6)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("channels", [3, 1])
def test_an_empty_batch_gives_no_values(name: str, channels: int) -> None:
    shape = (0, channels, sides(name), sides(name) + 1)
    value = METRICS[name](torch.rand(shape), torch.rand(shape))
    assert value.shape == (0,)
    assert value.dtype == torch.float32


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_single_sample_is_enough(name: str, channels: int) -> None:
    a = torch.full((1, channels, sides(name), sides(name)), 0.5, dtype=torch.float64)
    assert METRICS[name](a, a).tolist() == [EQUAL[name]]
    assert METRICS[name](a, a + 0.1).shape == (1,)


@pytest.mark.parametrize("name", TABLE)
def test_bad_pairs_are_refused(name: str) -> None:
    good = torch.rand(2, 3, sides(name), sides(name))
    for bad in (good * 2, good[:1], good.double(), good * math.nan, (good * 255).byte(), good[0]):
        with pytest.raises(UsageError):
            METRICS[name](good, bad)
        with pytest.raises(UsageError):
            METRICS[name](bad, good)


@pytest.mark.parametrize("name", named_without("psnr", "wpsnr", *WITHOUT_GRADIENT))
@pytest.mark.parametrize("value", [0.0, 1 / 255, 0.5, 1.0, None])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_at_equal_images_is_zero(name: str, value: float | None, channels: int) -> None:
    shape = (2, channels, sides(name, 12), sides(name, 12))
    a = torch.rand(shape) if value is None else torch.full(shape, value)
    b = a.clone().requires_grad_()
    METRICS[name](a, b).sum().backward()
    bound = 1e-7 if name == "fsim" else 0  # whose terms cancel, and are not left out
    torch.testing.assert_close(b.grad, torch.zeros_like(a), rtol=0, atol=bound)


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_the_others_belong_to_no_graph(name: str) -> None:
    a, b = torch.rand(2, 1, 3, 16, 16).requires_grad_()
    assert not METRICS[name](a, b).requires_grad


@pytest.mark.parametrize("name", named_without(*WITHOUT_GRADIENT))
def test_gradients_equal_finite_differences(name: str) -> None:
    generator = torch.Generator().manual_seed(2)
    shape = (2, 3, sides(name, 12), sides(name, 11))
    a = 0.2 + 0.6 * torch.rand(shape, generator=generator, dtype=torch.float64)
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
