from __future__ import annotations

import io
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage, stats
from skimage import data
from torch import Tensor

from limen import metrics
from limen.errors import UsageError
from limen.images import from_uint8, quantize, read_image, to_uint8
from limen.metrics import apparent_distortion, mad
from limen.metrics.apparent_distortion import combine
from limen.metrics.appearance import appearance_distortion, log_gabor
from limen.metrics.moments import block_moments, cell_moments, widen
from limen.metrics.visibility import contrast_sensitivity, detected_distortion, visibility

CPU = torch.device("cpu")
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")


def photographs(height: int = 96, width: int = 100) -> Tensor:
    views = [getattr(data, name)()[60 : 60 + height, 120 : 120 + width] for name in PHOTOGRAPHS]
    return from_uint8(np.stack(views)).double()


def noisy(images: Tensor, deviation: float, seed: int = 0) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed), dtype=images.dtype)
    return quantize((images + deviation * noise).clamp(0, 1))


def blurred(images: Tensor, deviation: float) -> Tensor:
    return torch.from_numpy(ndimage.gaussian_filter(images.numpy(), (0, 0, deviation, deviation)))


def jpeg(images: Tensor, quality: int) -> Tensor:
    decoded = []
    for pixels in to_uint8(images):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        decoded.append(np.asarray(Image.open(file)))
    return from_uint8(np.stack(decoded)).to(images.dtype)


GRADED = {
    "noise": (noisy, (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)),
    "blur": (blurred, (0.4, 0.6, 0.9, 1.4, 2.2, 4.0)),
    "jpeg": (jpeg, (95, 80, 60, 40, 20, 8)),
}


# The whole metric once more, plainly, from the paper: float64, block by block.


def plain_blocks(image: np.ndarray, side: int = 16) -> Iterator[np.ndarray]:
    """The blocks that begin where 16×16 ones do; of side 8, their four quarters in turn."""
    for top in range(0, image.shape[0] - 15, 4):
        for left in range(0, image.shape[1] - 15, 4):
            for i in range(0, 16, side):
                for j in range(0, 16, side):
                    yield image[top + i : top + i + side, left + j : left + j + side]


def plain_detection(x: np.ndarray, y: np.ndarray) -> float:
    height, width = x.shape
    v, u = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    f = 64 * np.sqrt(u**2 + v**2) / (0.15 * np.cos(4 * np.arctan2(v, u)) + 0.85)
    csf = 2.6 * (0.0192 + 0.114 * f) * np.exp(-((0.114 * f) ** 1.1))
    csf[f < 7.8909] = 0.9809
    original, shown = (np.fft.ifft2(np.fft.fft2(0.02874 * image ** (2.2 / 3)) * csf).real for image in (x, y))
    quarters = [block.std(ddof=1) for block in plain_blocks(original, 8)]
    least = np.reshape(quarters, (-1, 4)).min(1)
    weighted = []
    for block, change, deviation, error in zip(
        plain_blocks(original), plain_blocks(shown - original), least, plain_blocks(y - x), strict=True
    ):
        c_ref = math.log(deviation / block.mean())
        c_err = math.log(change.std(ddof=1) / block.mean()) if block.mean() >= 0.5 else -math.inf
        seen = 0.0
        if c_ref > -5 and c_err > c_ref:
            seen = c_err - c_ref
        elif c_ref <= -5 and c_err > -5:
            seen = c_err + 5
        weighted.append(seen * (error**2).mean())
    return float(np.sqrt(np.mean(np.square(weighted))))


def plain_filter(height: int, width: int, wavelength: float, centre: float) -> np.ndarray:
    gains = np.zeros((height, width))
    for i, v in enumerate(np.fft.fftfreq(height)):
        for j, u in enumerate(np.fft.fftfreq(width)):
            if i == j == 0:
                continue
            radial = math.exp(-(math.log(math.hypot(u, v) * wavelength) ** 2) / (2 * math.log(0.55) ** 2))
            # An even side's highest frequency stands for both its signs.
            signs = [(a, b) for a in {v, abs(v) if v == -0.5 else v} for b in {u, abs(u) if u == -0.5 else u}]
            for a, b in signs:
                angle = math.atan2(-a, b)
                distance = abs(math.atan2(math.sin(angle - centre), math.cos(angle - centre)))
                gains[i, j] += radial * math.exp(-(distance**2) / (2 * (math.pi / 6) ** 2)) / len(signs)
    return gains


def plain_appearance(x: np.ndarray, y: np.ndarray) -> float:
    total = 0.0
    for scale, weight in enumerate((0.5, 0.75, 1, 5, 6)):
        for orientation in range(4):
            gains = plain_filter(*x.shape, 3 * 3**scale, orientation * math.pi / 4)
            before, after = (np.abs(np.fft.ifft2(np.fft.fft2(image) * gains)) for image in (x, y))
            changes = [
                sum(
                    k * abs(p - q)
                    for k, p, q in zip((1, 2, 1), plain_statistics(a), plain_statistics(b), strict=True)
                )
                for a, b in zip(plain_blocks(before), plain_blocks(after), strict=True)
            ]
            total = total + weight / 13.25 * np.array(changes)
    return float(np.sqrt(np.mean(np.square(total))))


def plain_statistics(block: np.ndarray) -> tuple[float, float, float]:
    offset = block - block.mean()
    variance = (offset**2).mean() + 1e-6
    return block.std(ddof=1), (offset**3).mean() / variance**1.5, (offset**4).mean() / variance**2


def plain_mad(a: Tensor, b: Tensor) -> float:
    x, y = (255 * np.tensordot([0.299, 0.587, 0.114], image.numpy(), axes=(0, 0)) for image in (a, b))
    detected, appearance = plain_detection(x, y), plain_appearance(x, y)
    alpha = 1 / (1 + math.exp(-2.55 / 3.35) * detected ** (1 / (math.log(10) * 3.35)))
    return appearance ** (1 - alpha) * detected**alpha


@pytest.mark.parametrize("size", [(40, 44), (35, 33), (16, 16), (23, 42)])
@pytest.mark.parametrize("deviation", [0.02, 0.2])
def test_mad_equals_its_plain_restatement(size: tuple[int, int], deviation: float) -> None:
    a = photographs(*size)[:2]
    b = noisy(a, deviation)
    expected = torch.tensor([plain_mad(x, y) for x, y in zip(a, b, strict=True)], dtype=torch.float64)
    assert deviation == 0.02 or (expected > 1).all()
    torch.testing.assert_close(mad(a, b), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", GRADED)
def test_float32_keeps_four_digits(kind: str) -> None:
    distort, levels = GRADED[kind]
    a = photographs(96, 75)[2:].float()
    for level in levels[1::2]:
        b = distort(a, level)
        pairs = {mad: (a, b)} | dict.fromkeys(
            (detected_distortion, appearance_distortion), (255 * a[:, 1], 255 * b[:, 1])
        )
        for stage, (x, y) in pairs.items():
            exact = stage(x.double(), y.double())
            torch.testing.assert_close(stage(x, y).double(), exact, rtol=1e-4, atol=1e-4)


def test_equal_images_have_no_distortion() -> None:
    images = torch.cat([photographs(), torch.zeros(1, 3, 96, 100), torch.ones(1, 3, 96, 100)])
    for batch in (images, images.float()):
        assert mad(batch, batch.clone()).tolist() == [0] * 6
        grey = 255 * batch[:, 0]
        assert detected_distortion(grey, grey.clone()).tolist() == [0] * 6
        assert appearance_distortion(grey, grey.clone()).max() < 1e-4


@pytest.mark.parametrize("kind", GRADED)
def test_mad_grows_with_noise_blur_and_compression(kind: str) -> None:
    distort, levels = GRADED[kind]
    a = photographs()
    values = torch.stack([mad(a, distort(a, level)) for level in levels])
    rises = values.diff(dim=0)
    assert ((rises > 0) | (values[1:] == 0)).all()
    assert (values[-1] > 7).all()


def test_mad_ranks_distortions_as_other_metrics_do() -> None:
    a = photographs()
    distorted = [distort(a, level) for distort, levels in GRADED.values() for level in levels]
    values = {
        name: torch.cat([metrics.METRICS[name](a, b) for b in distorted]).numpy()
        for name in ("mad", "l2", "ssim", "psnr")
    }
    ranks = {name: stats.spearmanr(values["mad"], values[name]).statistic for name in values}
    assert ranks["l2"] > 0.8
    assert ranks["psnr"] < -0.8
    assert ranks["ssim"] < -0.75


def test_mad_tells_apart_what_the_mean_square_error_does_not() -> None:
    a = photographs()
    noise = noisy(a, 0.04) - a
    coarse = blurred(noise, 3.0)
    coarse = coarse * (noise.square().mean((1, 2, 3)) / coarse.square().mean((1, 2, 3))).sqrt().view(
        -1, 1, 1, 1
    )
    # The eye is more sensitive to coarse gratings than to fine ones.
    assert (mad(a, (a + coarse).clamp(0, 1)) > 1.5 * mad(a, (a + noise).clamp(0, 1))).all()


def test_texture_hides_noise() -> None:
    calm = torch.full((1, 64, 64), 128.0, dtype=torch.float64)
    texture = 20 * torch.randn(calm.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    noise = 10 * torch.randn(calm.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert detected_distortion(calm, calm + noise) > 100
    assert detected_distortion(calm + texture, calm + texture + noise) == 0


def test_what_is_too_faint_or_in_the_dark_is_not_detected() -> None:
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(1, 64, 64, generator=generator, dtype=torch.float64)
    grey, dark = torch.full_like(noise, 128), torch.full_like(noise, 20)
    assert detected_distortion(grey, grey + 0.1 * noise) == 0
    assert detected_distortion(dark, dark + 5 * noise) == 0
    assert detected_distortion(grey, grey + 10) == 0  # brighter all over: no contrast


@pytest.mark.parametrize("size", [(28, 28), (64, 65)])
def test_a_sample_agrees_in_every_batch_and_in_whatever_pieces_it_is_cut(monkeypatch, size) -> None:
    a = photographs(*size).float().repeat(3, 1, 1, 1)
    b = noisy(a, 0.1)
    b[1] = a[1]  # nothing to be seen, beside others
    together = mad(a, b)
    assert together[1] == 0
    assert together.count_nonzero() > 5
    alone = torch.cat([mad(a[i : i + 1], b[i : i + 1]) for i in range(len(a))])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(together[2:9], mad(a[2:9], b[2:9]))
    module = apparent_distortion
    monkeypatch.setattr(module, "_PIECE", {"cpu": 2 * math.prod(size)})
    torch.testing.assert_close(together, mad(a, b))


def test_a_grey_image_counts_as_one_of_equal_channels() -> None:
    a = photographs()[:, :1]
    b = noisy(a, 0.1)
    colours = (each.expand(-1, 3, -1, -1) for each in (a, b))
    torch.testing.assert_close(mad(*colours), mad(a, b), rtol=1e-10, atol=0)


@pytest.mark.parametrize(("height", "width"), [(48, 60), (48, 48)])
def test_mirrored_images_have_the_same_distortion_where_their_blocks_are_the_same(height, width) -> None:
    a = photographs(height, width)
    b = noisy(a, 0.1)
    for change in (lambda x: x.flip(2), lambda x: x.flip(3), lambda x: x.flip(2, 3), lambda x: x.mT):
        torch.testing.assert_close(mad(change(a), change(b)), mad(a, b), rtol=1e-10, atol=0)


def test_transposed_images_have_the_same_distortion_in_any_size() -> None:
    a = photographs(41, 58)
    b = noisy(a, 0.1)
    torch.testing.assert_close(mad(a.mT, b.mT), mad(a, b), rtol=1e-10, atol=0)


def test_three_channels_or_one_and_sixteen_pixels_are_needed() -> None:
    with pytest.raises(UsageError, match="1 or 3 channels"):
        mad(*torch.rand(2, 1, 2, 16, 16))
    with pytest.raises(UsageError, match="MAD takes sides of 16 pixels or more, the images only have 15×40"):
        mad(*torch.rand(2, 1, 3, 15, 40))


def test_sensitivity_is_the_papers_at_given_frequencies() -> None:
    gain = contrast_sensitivity(64, 64, CPU)  # one cycle a degree a step
    assert gain.shape == (64, 33)
    assert gain[0, [0, 3, 7]].tolist() == [0.9809] * 3
    assert gain[0, 20].item() == pytest.approx(2.6 * (0.0192 + 2.28) * math.exp(-(2.28**1.1)))
    assert gain[20, 0].item() == gain[-20, 0].item() == gain[0, 20].item()
    oblique = 0.114 * 20 * math.sqrt(2) / 0.7  # at 45° the factor is 0.85 − 0.15
    assert gain[20, 20].item() == pytest.approx(2.6 * (0.0192 + oblique) * math.exp(-(oblique**1.1)))


def test_sensitivity_does_not_depend_on_the_images_size() -> None:
    large, wide = (contrast_sensitivity(*size, CPU) for size in ((64, 64), (32, 128)))
    torch.testing.assert_close(large[::2, ::2], wide[:, ::4][:, : 33 // 2 + 1], rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("mean", "c_ref", "c_err", "expected"),
    [
        (1.0, -2.0, -1.0, 1.0),  # above what masks it
        (1.0, -2.0, -3.0, 0.0),  # masked
        (1.0, -6.0, -4.0, 1.0),  # a calm block: the threshold of −5 counts
        (1.0, -6.0, -5.5, 0.0),
        (1.0, -math.inf, -4.0, 1.0),  # a flat block
        (1.0, -2.0, -math.inf, 0.0),  # no error
        (1.0, -math.inf, -math.inf, 0.0),
        (0.49, -2.0, -1.0, 0.0),  # a dark block
        (0.0, -math.inf, 3.0, 0.0),
        (-0.1, -2.0, -1.0, 0.0),
    ],
)
def test_masking_follows_the_papers_rule(mean: float, c_ref: float, c_err: float, expected: float) -> None:
    seen = visibility(
        torch.tensor(mean),
        torch.tensor(math.exp(c_ref)) * abs(mean),
        torch.tensor(math.exp(c_err)) * abs(mean),
    )
    assert seen.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("level", [0.0, 1000.0])
def test_block_moments_are_those_of_scipy(level: float) -> None:
    maps = level + torch.rand(2, 25, 38, generator=torch.Generator().manual_seed(0), dtype=torch.float64) ** 3
    moments = block_moments(maps)
    assert [each.shape for each in moments] == [(2, 3, 6)] * 4
    for index, i, j in np.ndindex(2, 3, 6):
        block = maps[index, 4 * i : 4 * i + 16, 4 * j : 4 * j + 16].numpy().ravel()
        mean, second, third, fourth = (float(each[index, i, j]) for each in moments)
        assert mean == pytest.approx(block.mean(), rel=1e-12)
        assert second == pytest.approx(block.var(), rel=1e-9)
        assert third / second**1.5 == pytest.approx(stats.skew(block), rel=1e-9)
        assert fourth / second**2 == pytest.approx(stats.kurtosis(block, fisher=False), rel=1e-9)


def test_moments_far_from_zero_keep_their_digits_in_float32() -> None:
    maps = 1000 + torch.rand(1, 32, 32, generator=torch.Generator().manual_seed(0))
    for single, double in zip(block_moments(maps), block_moments(maps.double()), strict=True):
        torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


def test_groups_of_eight_lie_inside_those_of_sixteen() -> None:
    maps = torch.rand(21, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, second = cells = cell_moments(maps, 2)
    assert mean.shape == (5, 6)
    torch.testing.assert_close(second[1, 2], maps[4:8, 8:12].var(correction=0))
    _, second = widen(cells, 1)
    torch.testing.assert_close(second[1, 2], maps[4:12, 8:16].var(correction=0))


def test_few_moments_are_the_first_of_all() -> None:
    maps = torch.rand(2, 25, 38, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(block_moments(maps, 2), block_moments(maps)[:2], rtol=0, atol=0)


def test_filters_are_log_gabor() -> None:
    bands, orientations = log_gabor(81, 162, torch.float64, CPU)
    assert bands.shape == (5, 81, 162)
    assert orientations.shape == (4, 81, 162)
    assert bands[:, 0, 0].tolist() == [0] * 5
    assert [bands[i, 0, 54 // 3**i].item() for i in range(4)] == pytest.approx([1] * 4)  # 1/3, 1/9, … cycles
    v, u = 10 / 81, -20 / 162
    expected = math.exp(-(math.log(9 * math.hypot(u, v)) ** 2) / (2 * math.log(0.55) ** 2))
    assert bands[1, 10, -20].item() == pytest.approx(expected)
    angles = [math.atan2(-v, u) - k * math.pi / 4 for k in range(4)]
    turns = [math.atan2(math.sin(angle), math.cos(angle)) for angle in angles]
    expected = [math.exp(-(turn**2) / (2 * (math.pi / 6) ** 2)) for turn in turns]
    assert orientations[:, 10, -20].tolist() == pytest.approx(expected)


def test_a_grating_answers_with_its_amplitude_in_its_own_band_and_orientation() -> None:
    grating = 7 * torch.cos(2 * math.pi * torch.arange(90.0, dtype=torch.float64) / 9).expand(90, 90)
    bands, orientations = log_gabor(90, 90, torch.float64, CPU)
    answer = torch.fft.ifft2(torch.fft.fft2(grating) * bands[:, None] * orientations).abs()
    assert answer[1, 0].min().item() == pytest.approx(7 / 2, abs=1e-6)
    assert answer[1, 0].max().item() == pytest.approx(7 / 2, abs=1e-6)
    assert (answer.mean((-1, -2)) <= 3.5 + 1e-6).all()


@pytest.mark.parametrize(
    ("detected", "appearance", "expected"),
    [
        (0.0, 5.0, 0.0),
        (0.0, 0.0, 0.0),
        (3.0, 0.0, 0.0),
        (10**2.55, 4.0, 2 * math.sqrt(10**2.55)),  # both count alike
        (1.0, 4.0, 4 ** (1 - 1 / (1 + math.exp(-2.55 / 3.35)))),
    ],
)
def test_stages_are_combined_by_the_papers_rule(detected: float, appearance: float, expected: float) -> None:
    pair = (torch.tensor(each, dtype=torch.float64) for each in (detected, appearance))
    assert combine(*pair).item() == pytest.approx(expected)


def test_the_constants_round_to_those_printed_in_the_paper() -> None:
    for detected in (0.1, 30.0, 2000.0):
        alpha = 1 / (1 + 0.467 * detected**0.130)
        exact = combine(torch.tensor(detected, dtype=torch.float64), torch.tensor(9.0, dtype=torch.float64))
        assert exact.item() == pytest.approx(9 ** (1 - alpha) * detected**alpha, rel=5e-3)


@pytest.mark.data
def test_a_real_photograph_in_full_size(real_data) -> None:
    path = sorted((real_data / "nips2017" / "images").glob("*.png"))[0]
    a = read_image(path)[None]
    assert a.shape == (1, 3, 299, 299)
    values = torch.cat([mad(a, jpeg(a, quality)) for quality in (90, 50, 20, 5)])
    assert (values.diff() > 0).all()
    exact = torch.cat([mad(a.double(), jpeg(a, quality).double()) for quality in (90, 50, 20, 5)])
    torch.testing.assert_close(values.double(), exact, rtol=1e-4, atol=1e-4)
