"""Attacks: factories that return a composition, ready to run on any classifier."""

from __future__ import annotations

import difflib

from limen.attacks.factory import Attack, Factory, attack
from limen.attacks.features import FEATURES, Features
from limen.attacks.libraries import LIBRARIES, from_function
from limen.attacks.library.auto_pgd import apgd_l1, apgd_l2, apgd_linf, minimal_apgd
from limen.attacks.library.carlini_wagner import carlini_wagner_l2
from limen.attacks.library.ddn import ddn
from limen.attacks.library.deepfool import deepfool
from limen.attacks.library.dual import dual_ddn, dual_perturbation
from limen.attacks.library.ensemble import autoattack
from limen.attacks.library.fab import fab
from limen.attacks.library.jsma import jsma
from limen.attacks.library.l2 import fgm, pgd_l2
from limen.attacks.library.linf import fgsm, ifgsm, mifgsm, pgd_linf
from limen.attacks.library.minimum_norm import exchange, fmn, pdpgd, sigma_zero
from limen.attacks.library.neural import lpa, ppgd
from limen.attacks.library.perceptual import perc_al, perceptual_gradient
from limen.attacks.library.perceptual_least import least_noticed, perceptual_ddn, perceptual_pgd
from limen.attacks.library.smooth import qpgd_l2, smooth_carlini_wagner_l2
from limen.attacks.library.square import square
from limen.attacks.library.ssim import fpgap, pgap
from limen.attacks.library.ssim_tensor import ssim_ddn, ssim_pgd, ssim_step
from limen.attacks.library.superpixel import m_sai_fgm, sa_fgm, sai_fgm
from limen.attacks.library.superpixel_least import (
    superpixel_carlini_wagner_l2,
    superpixel_ddn,
    superpixel_ssim_pgd,
)
from limen.attacks.outcome import Outcome

FACTORIES: dict[str, Factory[...]] = {
    factory.__name__: factory
    for factory in (
        fgsm,
        fgm,
        ifgsm,
        mifgsm,
        pgd_linf,
        pgd_l2,
        carlini_wagner_l2,
        ddn,
        deepfool,
        jsma,
        ssim_step,
        ssim_pgd,
        ssim_ddn,
        pgap,
        fpgap,
        qpgd_l2,
        smooth_carlini_wagner_l2,
        sa_fgm,
        sai_fgm,
        m_sai_fgm,
        superpixel_ddn,
        superpixel_carlini_wagner_l2,
        superpixel_ssim_pgd,
        dual_perturbation,
        dual_ddn,
        perceptual_gradient,
        perc_al,
        ppgd,
        lpa,
        perceptual_pgd,
        perceptual_ddn,
        least_noticed,
        apgd_linf,
        apgd_l2,
        apgd_l1,
        minimal_apgd,
        fmn,
        pdpgd,
        sigma_zero,
        exchange,
        fab,
        square,
        autoattack,
    )
}
"""Every attack by its name."""


def __getattr__(name: str) -> object:
    """Say of an attack that other libraries call otherwise which are its kin."""
    close = [each for each in FACTORIES if name in each.split("_") or name.replace("_", "") in each]
    close = close or difflib.get_close_matches(name, FACTORIES)
    hint = f"; did you mean {' or '.join(close)}?" if close and not name.startswith("_") else ""
    raise AttributeError(f"limen.attacks has no attack {name!r}{hint}")


__all__ = [
    "FACTORIES",
    "FEATURES",
    "LIBRARIES",
    "Attack",
    "Factory",
    "Features",
    "Outcome",
    "apgd_l1",
    "apgd_l2",
    "apgd_linf",
    "attack",
    "autoattack",
    "carlini_wagner_l2",
    "ddn",
    "deepfool",
    "dual_ddn",
    "dual_perturbation",
    "exchange",
    "fab",
    "fgm",
    "fgsm",
    "fmn",
    "fpgap",
    "from_function",
    "ifgsm",
    "jsma",
    "least_noticed",
    "lpa",
    "m_sai_fgm",
    "mifgsm",
    "minimal_apgd",
    "pdpgd",
    "perc_al",
    "perceptual_ddn",
    "perceptual_gradient",
    "perceptual_pgd",
    "pgap",
    "pgd_l2",
    "pgd_linf",
    "ppgd",
    "qpgd_l2",
    "sa_fgm",
    "sai_fgm",
    "sigma_zero",
    "smooth_carlini_wagner_l2",
    "square",
    "ssim_ddn",
    "ssim_pgd",
    "ssim_step",
    "superpixel_carlini_wagner_l2",
    "superpixel_ddn",
    "superpixel_ssim_pgd",
]
