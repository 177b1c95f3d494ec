"""Attacks of fixed budget take the steps that Foolbox's and torchattacks' take, iterate by iterate."""

from __future__ import annotations

import eagerpy
import pytest
import torch
import torchattacks

from limen.attacks import fgm, fgsm, ifgsm, mifgsm, pgd_l2, pgd_linf
from limen.images import norm

from .oracles import assert_same, foolbox, from_foolbox, from_torchattacks, limen, watched

# Images between 60/255 and 196/255 move freely; those of the whole range meet the bounds 0 and 1.
RANGES = [pytest.param((60, 196), id="inside"), pytest.param((0, 255), id="at-bounds")]
KURAKIN = {"eps": 8 / 255, "steps": 10, "step_size": 1 / 255}
DONG = {"eps": 16 / 255, "steps": 10, "step_size": 1.6 / 255, "decay": 1.0}
MADRY = {"eps": 8 / 255, "steps": 7, "step_size": 2 / 255}
MADRY_L2 = {"eps": 0.5, "steps": 20, "step_size": 2.5 * 0.5 / 20}


@pytest.mark.parametrize("span", RANGES)
@pytest.mark.parametrize("eps", [0.007, 0.25])
def test_fgsm_takes_the_step_of_both(span, targeted, eps):
    problem = watched(targeted=targeted, span=span)
    _, ours = limen(problem, fgsm(eps=eps))
    theirs = foolbox.attacks.LinfBasicIterativeAttack(rel_stepsize=1.0, steps=1)  # its FGSM knows no targets
    images, seen = from_foolbox(problem, theirs, epsilon=eps)
    assert_same(ours, [*seen, images])
    images, seen = from_torchattacks(problem, torchattacks.FGSM, eps=eps)
    assert_same(ours, [*seen, images])


def test_fgm_takes_the_step_of_foolbox_inside_the_bounds(targeted):
    # At the bounds it gives what they take to the other values, where Foolbox clips.
    problem = watched(targeted=targeted)
    _, ours = limen(problem, fgm(eps=0.5))
    theirs = foolbox.attacks.L2BasicIterativeAttack(rel_stepsize=1.0, steps=1)
    images, seen = from_foolbox(problem, theirs, epsilon=0.5)
    assert_same(ours, [*seen, images], atol=1e-6)


def test_fgm_at_the_bounds_goes_further_than_foolbox():
    problem = watched(span=(0, 255))
    _, (start, ours) = limen(problem, fgm(eps=3.0))
    theirs, _ = from_foolbox(problem, foolbox.attacks.L2FastGradientAttack(), epsilon=3.0)
    assert (norm(ours - start) > norm(theirs - start) + 0.01).all()
    assert (norm(ours - start) <= 3.0 + 1e-6).all()


@pytest.mark.parametrize("span", RANGES)
def test_ifgsm_takes_the_steps_of_both(span, targeted):
    problem = watched(targeted=targeted, span=span)
    _, ours = limen(problem, ifgsm(**KURAKIN))
    theirs = foolbox.attacks.LinfBasicIterativeAttack(abs_stepsize=1 / 255, steps=10)
    images, seen = from_foolbox(problem, theirs, epsilon=8 / 255)
    assert_same(ours, [*seen, images])
    images, seen = from_torchattacks(problem, torchattacks.BIM, eps=8 / 255, alpha=1 / 255, steps=10)
    assert_same(ours, [*seen, images])


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_mifgsm_takes_the_steps_of_torchattacks(targeted, decay):
    # Foolbox takes signs before it sums, which is another attack than the paper's.
    problem = watched(targeted=targeted)
    _, ours = limen(problem, mifgsm(**{**DONG, "decay": decay}))
    settings = {"eps": 16 / 255, "alpha": 1.6 / 255, "steps": 10, "decay": decay}
    images, seen = from_torchattacks(problem, torchattacks.MIFGSM, **settings)
    assert_same(ours, [*seen, images])
    _, without = limen(problem, ifgsm(eps=16 / 255, steps=10, step_size=1.6 / 255))
    assert not torch.allclose(without[-1], ours[-1])


@pytest.mark.parametrize("span", RANGES)
def test_pgd_linf_without_a_random_start_takes_the_steps_of_both(span, targeted):
    problem = watched(targeted=targeted, span=span)
    _, ours = limen(problem, pgd_linf(**MADRY, random_start=False))
    theirs = foolbox.attacks.LinfPGD(abs_stepsize=2 / 255, steps=7, random_start=False)
    images, seen = from_foolbox(problem, theirs, epsilon=8 / 255)
    assert_same(ours, [*seen, images])
    settings = {"eps": 8 / 255, "alpha": 2 / 255, "steps": 7, "random_start": False}
    images, seen = from_torchattacks(problem, torchattacks.PGD, **settings)
    assert_same(ours, [*seen, images])


@pytest.mark.parametrize("span", RANGES)
def test_pgd_l2_without_a_random_start_takes_the_steps_of_both(span, targeted):
    problem = watched(targeted=targeted, span=span)
    _, ours = limen(problem, pgd_l2(**MADRY_L2))
    theirs = foolbox.attacks.L2PGD(abs_stepsize=0.0625, steps=20, random_start=False)
    images, seen = from_foolbox(problem, theirs, epsilon=0.5)
    assert_same(ours, [*seen, images])
    settings = {"eps": 0.5, "alpha": 0.0625, "steps": 20, "random_start": False}
    images, seen = from_torchattacks(problem, torchattacks.PGDL2, **settings)
    assert_same(ours, [*seen, images])


@pytest.mark.parametrize(
    ("attack", "kind", "eps", "step"),
    [
        (pgd_linf(**MADRY, random_start=True), foolbox.attacks.LinfPGD, 8 / 255, 2 / 255),
        (pgd_l2(eps=0.5, steps=7, step_size=0.1, random_start=True), foolbox.attacks.L2PGD, 0.5, 0.1),
    ],
    ids=["linf", "l2"],
)
def test_pgd_from_a_random_start_takes_the_steps_of_foolbox_from_there(attack, kind, eps, step):
    problem = watched()
    _, (_, *ours) = limen(problem, attack, seed=3)
    assert (ours[0] != problem.images).all()

    class Started(kind):
        def get_random_start(self, x0, epsilon):
            return x0 * 0 + eagerpy.astensor(ours[0])

    images, seen = from_foolbox(problem, Started(abs_stepsize=step, steps=7), epsilon=eps)
    assert_same(ours, [*seen, images])
