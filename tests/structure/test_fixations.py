"""NSS and AUC, against scikit-learn and numpy, and the default saliency on real fixations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from limen.errors import UsageError
from limen.images import read_image
from limen.structure import density_of, foreground_score, masks_of
from limen.structure.saliency import as_density, centre_prior
from limen.structure.saliency.fixations import auc_judd, nss


def maps(dtype=torch.float64) -> torch.Tensor:
    # Few values, so that there are ties.
    return torch.randint(0, 9, (3, 7, 11), generator=torch.Generator().manual_seed(0)).to(dtype) / 9


def fixations() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randint(0, size, (40,), generator=generator) for size in (2, 7, 11)]
    return torch.stack(rows, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nss_is_the_mean_z_score_at_the_fixations(dtype):
    ours = nss(maps(dtype), fixations())
    for number in range(2):
        each = maps().numpy()[number]
        points = fixations()[fixations()[:, 0] == number].numpy()
        expected = ((each - each.mean()) / each.std())[points[:, 1], points[:, 2]].mean()
        assert ours[number].item() == pytest.approx(expected, rel=1e-5)
    assert ours[2].isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_auc_is_that_of_scikit_learn_between_fixations_and_all_other_pixels(dtype):
    ours = auc_judd(maps(dtype), fixations())
    for number in range(2):
        each = maps().numpy()[number]
        points = fixations()[fixations()[:, 0] == number].numpy()
        free = np.ones_like(each, dtype=bool)
        free[points[:, 1], points[:, 2]] = False
        positives = each[points[:, 1], points[:, 2]]
        values = np.concatenate([positives, each[free]])
        labels = np.arange(len(values)) < len(positives)
        assert ours[number].item() == pytest.approx(roc_auc_score(labels, values), rel=1e-5)
    assert ours[2].isnan()


def test_both_are_invariant_under_affine_changes_and_know_chance():
    points = fixations()
    for measure in (nss, auc_judd):
        torch.testing.assert_close(measure(3 * maps() + 1, points)[:2], measure(maps(), points)[:2])
    noise = torch.rand(1, 40, 50, generator=torch.Generator().manual_seed(2))
    everywhere = torch.cartesian_prod(torch.tensor([0]), torch.arange(0, 40, 2), torch.arange(50))
    assert nss(noise, everywhere).item() == pytest.approx(0, abs=0.1)
    assert auc_judd(noise, everywhere).item() == pytest.approx(0.5, abs=0.03)


def test_no_images_and_no_other_pixels_have_no_figures():
    none = torch.zeros(0, 3, dtype=torch.int64)
    assert nss(maps()[:0], none).shape == auc_judd(maps()[:0], none).shape == (0,)
    assert auc_judd(torch.ones(1, 1, 1), torch.tensor([[0, 0, 0]])).isnan().all()


def test_what_is_no_fixation_is_refused():
    for measure in (nss, auc_judd):
        with pytest.raises(UsageError, match=r"fixations must be int64 \(F, 3\).*torch.float32 \(4, 3\)"):
            measure(maps(), torch.zeros(4, 3))
        with pytest.raises(UsageError, match=r"a fixation is outside the maps, which are \(3, 7, 11\)"):
            measure(maps(), torch.tensor([[0, 7, 0]]))
        with pytest.raises(UsageError, match=r"density must be floating \(N, H, W\)"):
            measure(maps()[0], fixations())


@pytest.mark.data
def test_the_default_foretells_real_fixations_better_than_the_centre_does(real_data):
    folder = real_data / "saliency" / "osie"
    record = np.load(folder / "fixations.npz")
    count = 20
    kept = record["image"] < count
    places = [record["image"][kept], record["y"][kept].round() - 1, record["x"][kept].round() - 1]
    points = torch.from_numpy(np.stack(places, 1).astype(np.int64)).clamp_min(0)
    points = torch.minimum(points, torch.tensor([count, 599, 799]))
    batch = torch.stack([read_image(folder / str(name)) for name in record["names"][:count]])
    density = density_of("spectral_residual", batch)
    prior = as_density(centre_prior(600, 800).expand(count, -1, -1))
    gained = nss(density, points) - nss(prior, points)
    assert gained.mean() > 3 * gained.std() / count**0.5
    assert nss(density, points).mean() > 1.3
    assert auc_judd(density, points).mean() > auc_judd(prior, points).mean() > 0.65
    masks = masks_of("saliency", batch)
    assert 0.45 < masks.double().mean() < 0.7
    assert foreground_score(batch, masks).mean() > 0.9
