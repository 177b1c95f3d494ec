"""Where people look: models that predict the density of their fixations."""

from __future__ import annotations

from limen.structure.saliency.center_surround import center_surround
from limen.structure.saliency.class_activation import attention
from limen.structure.saliency.density import Saliency, as_density, centre_prior
from limen.structure.saliency.spectral_residual import spectral_residual
from limen.structure.saliency.table import SALIENCY, density_of, saliency_named

__all__ = [
    "SALIENCY",
    "Saliency",
    "as_density",
    "attention",
    "center_surround",
    "centre_prior",
    "density_of",
    "saliency_named",
    "spectral_residual",
]
