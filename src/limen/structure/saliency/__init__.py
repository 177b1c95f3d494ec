"""Where people look: models that predict the density of their fixations."""

from __future__ import annotations

from limen.structure.saliency.center_surround import center_surround
from limen.structure.saliency.class_activation import attention
from limen.structure.saliency.deepgaze import deepgaze
from limen.structure.saliency.density import Saliency, as_density, centre_prior
from limen.structure.saliency.egnet import egnet
from limen.structure.saliency.fixations import auc_judd, nss
from limen.structure.saliency.isnet import isnet
from limen.structure.saliency.spectral_residual import spectral_residual
from limen.structure.saliency.table import SALIENCY, density_of, saliency_maps, saliency_named
from limen.structure.saliency.u2net import u2net

__all__ = [
    "SALIENCY",
    "Saliency",
    "as_density",
    "attention",
    "auc_judd",
    "center_surround",
    "centre_prior",
    "deepgaze",
    "density_of",
    "egnet",
    "isnet",
    "nss",
    "saliency_maps",
    "saliency_named",
    "spectral_residual",
    "u2net",
]
