"""Attacks whose perturbation is smooth wherever the image is."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from limen.attacks.composition import Composition
from limen.attacks.constraint import L2Ball
from limen.attacks.direction import Normalize, SmoothGradient, SmoothTotal
from limen.attacks.factory import attack
from limen.attacks.library.arguments import Loss, budget, loss_named, one_of, positive, step_length
from limen.attacks.library.carlini_wagner import least_distance
from limen.attacks.perturbation import Additive, GraphSmooth
from limen.attacks.search import InTurn, Search
from limen.attacks.update import Scale
from limen.operators import Smoothing
from limen.operators.graph_laplacian import Kernel
from limen.operators.smoother import Solver
from limen.safety import check_count

Smoothed = Literal["gradient", "total"]
Distance = Literal["squared", "norm"]


@attack()
def smooth_carlini_wagner_l2(
    steps: int = 100,
    search_steps: int = 9,
    learning_rate: float | None = None,
    final_rate: float = 0.05,
    initial_constant: float | None = None,
    margin: float = 0.0,
    patience: float | None = None,
    distance: Distance = "squared",
    kernel: Kernel = "gaussian",
    rate: float = 300.0,
    alpha: float = 0.997,
    neighbours: int = 4,
    joint: bool = False,
    solver: Solver = "auto",
    tolerance: float = 1e-5,
    iterations: int = 1000,
    memory: float = 2.0,
) -> Search:
    """`carlini_wagner_l2` over perturbations x = clip(x0 + ŝ(z)) that are smooth as the original is.

    Where the image is flat the perturbation is, too; it may jump at edges and be rough in texture.

    Args:
        steps: Steps in each climb.
        search_steps: How many multipliers are tried.
        learning_rate: Adam's step length, in z; None for one that the margin around each image asks for.
        final_rate: The share of the step length that is left at the last step, reached along a
            cosine; 1 keeps it.
        initial_constant: The first multiplier c of the hinge, which depends on the scale of the logits;
            None for one that the margin around each image asks for.
        margin: The logit margin at which the hinge lets go.
        patience: A sample ends a climb when its objective has not improved by 0.01 % over this
            share of the steps; None to go on. Adam's first steps overshoot in smooth perturbations, and
            a short patience takes that for the end.
        distance: Whether the Lagrangian has the distance squared (the paper), or as it is (its program).
        kernel: How the affinity of neighbouring pixels falls with their difference Δ:
            exp(−rate·Δ²), or exp(−rate·|Δ|).
        rate: How fast.
        alpha: How much smoothness counts against nearness to z, from 0 (none) to below 1.
        neighbours: 4 or 8 a pixel.
        joint: Whether the channels share a graph, rather than have one each.
        solver: How ŝ is found: by factors that are kept for the whole attack, anew by conjugate
            gradients, or "auto" for the first where the memory allows it.
        tolerance: The relative residual of conjugate gradients; 0 for a fixed number of iterations.
        iterations: How many of them at most; the paper's setting is tolerance 0, iterations 50.
        memory: How many GiB the factors may take. Of a batch that needs more, so many images are
            attacked at a time as they suffice for.

    Source:
        Zhang, Avrithis, Furon & Amsaleg 2020, Smooth adversarial examples, Section 4.2, eq. 18. The paper
        has learning_rate 0.1, final_rate 1, on ImageNet initial_constant 100, on MNIST
        initial_constant 15, margin 1, kernel "laplacian", rate 10, alpha 0.95.

    Example:
        >>> smooth_carlini_wagner_l2(steps=50, search_steps=4).name
        'smooth_carlini_wagner_l2'
    """
    one_of("distance", distance, Distance)
    smoothing = _smoothing(kernel, rate, alpha, neighbours, joint, solver, tolerance, iterations, memory)
    return least_distance(
        Additive((GraphSmooth(smoothing),)),
        steps,
        search_steps,
        learning_rate,
        final_rate,
        initial_constant,
        margin,
        patience,
        squared=distance == "squared",
    )


@attack(budget="eps")
def qpgd_l2(
    eps: float | Tensor = 3.0,
    steps: int = 40,
    step_size: float | Tensor | None = None,
    exact: bool = False,
    smooth: Smoothed = "gradient",
    loss: Loss = "cross_entropy",
    early_stop: bool = False,
    kernel: Kernel = "gaussian",
    rate: float = 300.0,
    alpha: float = 0.997,
    neighbours: int = 4,
    joint: bool = False,
    solver: Solver = "auto",
    tolerance: float = 1e-5,
    iterations: int = 1000,
    memory: float = 2.0,
) -> Search:
    """`pgd_l2` along the gradient made smooth as the original is: the quick and dirty way.

    The smoothed gradient is a poor direction on some images; `smooth_carlini_wagner_l2` descends
    in the space of smooth perturbations instead.

    Args:
        eps: The budget in L2, a number or one per sample.
        steps: How many steps.
        step_size: The length of a step in L2; None for 2.5 · eps / steps.
        exact: Whether every iterate has length eps exactly (the paper), where the bounds of [0, 1]
            allow it, rather than at most.
        smooth: Whether each step's gradient is smoothed, or the whole perturbation after each step.
        loss: What is climbed.
        early_stop: Whether a sample stops at its first success.
        kernel: How the affinity of neighbouring pixels falls with their difference Δ:
            exp(−rate·Δ²), or exp(−rate·|Δ|).
        rate: How fast.
        alpha: How much smoothness counts against nearness, from 0 (none) to below 1.
        neighbours: 4 or 8 a pixel.
        joint: Whether the channels share a graph, rather than have one each.
        solver: How smoothing is done, as in `smooth_carlini_wagner_l2`; so are the next three.
        tolerance: The relative residual of conjugate gradients; 0 for a fixed number of iterations.
        iterations: How many of them at most.
        memory: How many GiB the factors may take.

    Source:
        Zhang, Avrithis, Furon & Amsaleg 2020, Smooth adversarial examples, Section 4.1, eq. 12. The
        paper has exact=True and step_size 3 for eps 5.

    Example:
        >>> qpgd_l2(eps=3.0, steps=40, early_stop=True).name
        'qpgd_l2'
    """
    eps, steps = budget(eps), check_count("steps", steps)
    one_of("smooth", smooth, Smoothed)
    smoothing = _smoothing(kernel, rate, alpha, neighbours, joint, solver, tolerance, iterations, memory)
    length = Scale(step_length(step_size, 2.5 * eps / steps))
    rule = (
        (SmoothGradient(smoothing), Normalize(), length)
        if smooth == "gradient"
        else (Normalize(), length, SmoothTotal(smoothing))
    )
    parts = Composition(
        objective=loss_named(loss),
        rule=rule,
        steps=steps,
        constraint=L2Ball(eps=eps, exact=exact),
        early_stop=early_stop,
    )
    return InTurn((parts,))


def _smoothing(
    kernel: Kernel,
    rate: float,
    alpha: float,
    neighbours: int,
    joint: bool,
    solver: Solver,
    tolerance: float,
    iterations: int,
    memory: float,
) -> Smoothing:
    return Smoothing(
        kernel=kernel,
        rate=float(positive("rate", rate, zero=True)),
        alpha=float(positive("alpha", alpha, zero=True)),
        neighbours=neighbours,
        joint=joint,
        solver=solver,
        tolerance=float(positive("tolerance", tolerance, zero=True)),
        iterations=check_count("iterations", iterations),
        memory=float(positive("memory", memory)),
    )
