from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor

from limen.errors import UnknownNameError, UsageError
from limen.images import dot, from_uint8
from limen.metrics import local_dissimilarity, ssim, ssim_map
from limen.operators import SsimTensor

BORDERS = ("reflect", "valid")
MEASURES = {
    "valid": lambda x, y: (1 - ssim(x, y)).sum(),
    "reflect": lambda x, y: (1 - ssim_map(x, y).mean((1, 2, 3))).sum(),
}


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def photograph(size: int, channels: int = 3) -> Tensor:
    return from_uint8(data.astronaut()[None, 30 : 30 + size, 180 : 180 + size, :channels]).double()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(1, 1, 11, 11), (1, 1, 12, 17), (1, 3, 14, 11), (2, 1, 13, 13)])
def test_the_matrix_is_the_hessian_of_autograd(border, shape):
    x = drawn(*shape)
    hessian = torch.autograd.functional.hessian(lambda y: MEASURES[border](x, y), x.clone())
    hessian = hessian.reshape(x.numel(), x.numel())
    tensor, v = SsimTensor.at(x, border), drawn(*shape, seed=1) - 0.5
    scale = hessian.abs().max()
    assert (tensor.matvec(v).flatten() - hessian @ v.flatten()).abs().max() <= 1e-10 * scale
    assert (tensor.diagonal().flatten() - hessian.diagonal()).abs().max() <= 1e-10 * scale
    blocks = (v.flatten() * (hessian @ v.flatten())).reshape(len(x), -1).sum(1)
    torch.testing.assert_close(tensor.energy(v), blocks, rtol=1e-10, atol=0)


@pytest.mark.parametrize("border", BORDERS)
def test_on_a_photograph_half_the_energy_is_what_a_small_change_costs(border):
    x = photograph(48).clamp(0.01, 0.99)
    v = 1e-5 * (drawn(1, 3, 48, 48) - 0.5)
    cost = 1 - ssim_map(x, x + v).mean() if border == "reflect" else local_dissimilarity(x, x + v).mean()
    assert SsimTensor.at(x, border).energy(v).item() / 2 == pytest.approx(cost.item(), rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(BORDERS),
    st.integers(0, 9999),
    st.integers(11, 19),
    st.integers(11, 19),
    st.integers(1, 3),
)
def test_it_is_symmetric_and_positive(border, seed, height, width, channels):
    x, u, v = (drawn(2, channels, height, width, seed=seed + i) for i in range(3))
    u, v, tensor = u - 0.5, v - 0.5, SsimTensor.at(x, border)
    scale = (tensor.energy(u) * tensor.energy(v)).sqrt()
    assert ((dot(u, tensor.matvec(v)) - dot(v, tensor.matvec(u))).abs() <= 1e-12 * scale).all()
    torch.testing.assert_close(tensor.energy(v), dot(v, tensor.matvec(v)), rtol=1e-9, atol=0)
    assert (tensor.energy(v) > 0).all()
    assert (tensor.diagonal() > 0).all()


def test_it_is_positive_definite_on_a_flat_image_too():
    x = torch.full((1, 1, 11, 12), 0.4, dtype=torch.float64)
    for border in BORDERS:
        tensor = SsimTensor.at(x, border)
        basis = torch.eye(132, dtype=torch.float64).reshape(-1, 1, 11, 12)
        matrix = tensor.select(torch.zeros(132, dtype=torch.int64)).matvec(basis).flatten(1)
        assert torch.linalg.eigvalsh(matrix).min() > 0


def test_of_valid_windows_the_border_is_nearly_free_and_of_mirrored_ones_it_is_not():
    x = torch.full((1, 1, 40, 40), 0.5, dtype=torch.float64)
    valid, reflect = (SsimTensor.at(x, border).diagonal()[0, 0] for border in ("valid", "reflect"))
    assert valid[0, 0] < 1e-4 * valid[20, 20]
    assert reflect[0, 0] > 0.5 * reflect[20, 20]


@pytest.mark.parametrize("border", BORDERS)
def test_float32_is_float64_to_its_digits(border):
    x, v = photograph(40), drawn(1, 3, 40, 40) - 0.5
    wide, narrow = SsimTensor.at(x, border), SsimTensor.at(x.float(), border)
    scale = wide.matvec(v).abs().max()
    assert (narrow.matvec(v.float()) - wide.matvec(v)).abs().max() <= 3e-4 * scale


def test_a_sample_agrees_to_rounding_in_any_batch():
    x = torch.cat([photograph(32).float(), drawn(6, 3, 32, 32, dtype=torch.float32)])
    v = drawn(7, 3, 32, 32, seed=1, dtype=torch.float32) - 0.5
    whole = SsimTensor.at(x)
    for row in (0, 3, 6):
        alone, only = SsimTensor.at(x[row : row + 1]), v[row : row + 1]
        kept = whole.select(torch.tensor([row]))
        for one, other in (
            (kept.weight, alone.weight),
            (whole.matvec(v)[row : row + 1], alone.matvec(only)),
            (whole.energy(v)[row : row + 1], kept.energy(only)),
            (whole.preconditioner()(v)[row : row + 1], alone.preconditioner()(only)),
        ):
            assert (one - other).norm() <= 1e-5 * other.norm()


def test_no_samples_are_no_trouble():
    tensor = SsimTensor.at(torch.zeros(0, 3, 12, 12))
    assert tensor.matvec(torch.zeros(0, 3, 12, 12)).shape == (0, 3, 12, 12)
    assert tensor.energy(torch.zeros(0, 3, 12, 12)).shape == (0,)


@pytest.mark.parametrize("weight", [0.0, 0.2, 1.0])
def test_between_the_borders_it_is_the_hessian_of_the_weighted_map(weight):
    x, v = drawn(1, 2, 14, 15), drawn(1, 2, 14, 15, seed=1) - 0.5
    counted = torch.full((14, 15), weight, dtype=torch.float64)
    counted[5:-5, 5:-5] = 1

    def dissimilarity(y: Tensor) -> Tensor:
        return ((1 - ssim_map(x, y)).mean(1) * counted).sum() / counted.sum()

    hessian = torch.autograd.functional.hessian(dissimilarity, x.clone()).reshape(x.numel(), -1)
    found = SsimTensor.at(x, weight).matvec(v).flatten()
    assert (found - hessian @ v.flatten()).abs().max() <= 1e-10 * hessian.abs().max()


def test_what_it_cannot_do_is_refused():
    with pytest.raises(UsageError, match="11×11 pixels, the images only 10×30"):
        SsimTensor.at(torch.zeros(1, 1, 10, 30))
    with pytest.raises(UnknownNameError, match="did you mean 'reflect'"):
        SsimTensor.at(torch.zeros(1, 1, 16, 16), "reflct")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"border is 1\.5; expected a weight from 0 to 1"):
        SsimTensor.at(torch.zeros(1, 1, 16, 16), 1.5)


def test_its_digits_hold_where_one_minus_ssim_would_be_rounded_away():
    x = photograph(40)
    y = (x + 1e-5 * (0.5 - x).sign()).float()
    exact = local_dissimilarity(x.float().double(), y.double()).mean()
    assert local_dissimilarity(x.float(), y).mean().item() == pytest.approx(exact.item(), rel=0.02)
    assert (1 - ssim(x.float(), y)).item() != pytest.approx(exact.item(), rel=0.02)
