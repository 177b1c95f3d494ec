"""The same attacks in Limen and in four other libraries, each as a function (images, labels) -> images.

Where a library cannot be given a setting that the others have, the comment there says so. An attack
that a library lacks is missing from its table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from limen import attacks
from limen.attacks import LIBRARIES, Attack
from limen.classifier import Classifier
from limen.images import LATTICE

Run = Callable[[Tensor, Tensor], Tensor]
Table = dict[str, Run]


@dataclass(frozen=True)
class Settings:
    """What all libraries are given.

    Attributes:
        shape: Of an image (C, H, W).
        classes: How many classes the network tells apart.
        batch: Images a batch.
        steps: Steps of each attack.
        eps_linf: The budget in L∞.
        eps_l2: The budget in L2.
        random_start: Whether PGD starts at a random point of its ball, rather than at the image.
        search_steps: Multipliers that C&W tries.
        learning_rate: C&W's, in the variables w of (tanh w + 1) / 2.
        constant: C&W's first multiplier.
        candidates: Classes other than the label that DeepFool considers.
    """

    shape: tuple[int, ...]
    classes: int
    batch: int
    steps: dict[str, int]
    eps_linf: float
    eps_l2: float
    random_start: bool
    search_steps: int
    learning_rate: float = 0.01
    constant: float = 1.0
    candidates: int = 9

    def step_size(self, attack: str) -> float:
        eps = self.eps_linf if attack == "pgd_linf" else self.eps_l2
        return 2.5 * eps / self.steps[attack]


def runner_of(attack: Attack, classifier: Classifier, lattice: int | None) -> Run:
    return lambda images, labels: attack(classifier, images, labels, lattice=lattice).images


def limen(classifier: Classifier, given: Settings, lattice: int | None) -> Table:
    steps, start = given.steps, {"random_start": given.random_start}
    made = [
        attacks.pgd_linf(given.eps_linf, steps["pgd_linf"], given.step_size("pgd_linf"), **start),
        attacks.pgd_l2(given.eps_l2, steps["pgd_l2"], given.step_size("pgd_l2"), **start),
        attacks.carlini_wagner_l2(
            steps["carlini_wagner_l2"],
            given.search_steps,
            # Limen's variables are w of σ(w) = (tanh(w / 2) + 1) / 2, where a step moves a pixel half as far.
            learning_rate=2 * given.learning_rate,
            final_rate=1.0,  # the others keep theirs, and look for progress every tenth of the steps
            initial_constant=given.constant,
            patience=0.1,
        ),
        attacks.deepfool(steps["deepfool"], given.candidates),
        # Limen looks at the last iterate too, so that this makes the forward passes of the others.
        attacks.ddn(max(1, steps["ddn"] - 1)),
    ]
    return {attack.name: runner_of(attack, classifier, lattice) for attack in made}


def limen_defaults(classifier: Classifier, given: Settings) -> Table:
    """The attacks whose own defaults are others than the settings that libraries share."""
    attack = attacks.carlini_wagner_l2(given.steps["carlini_wagner_l2"], given.search_steps)
    return {attack.name: runner_of(attack, classifier, LATTICE)}


def device_of(network: nn.Module) -> torch.device:
    return next(network.parameters()).device


def foolbox(network: nn.Module, given: Settings) -> Table:
    import foolbox

    model = foolbox.PyTorchModel(network, bounds=(0, 1), device=device_of(network))
    steps, start, library = given.steps, {"random_start": given.random_start}, foolbox.attacks

    def runner(attack, eps: float | None = None) -> Run:
        def run(images: Tensor, labels: Tensor) -> Tensor:
            found = attack(model, images, foolbox.criteria.Misclassification(labels), epsilons=eps)[1]
            # A black image is what its C&W returns where it found nothing.
            nothing = (found == 0).flatten(1).all(1).reshape(-1, 1, 1, 1)
            return torch.where(nothing, images, found)

        return run

    return {
        "pgd_linf": runner(
            library.LinfPGD(abs_stepsize=given.step_size("pgd_linf"), steps=steps["pgd_linf"], **start),
            given.eps_linf,
        ),
        "pgd_l2": runner(
            library.L2PGD(abs_stepsize=given.step_size("pgd_l2"), steps=steps["pgd_l2"], **start),
            given.eps_l2,
        ),
        # Ends a search step early only when the loss of the whole batch has stopped falling.
        "carlini_wagner_l2": runner(
            library.L2CarliniWagnerAttack(
                binary_search_steps=given.search_steps,
                steps=steps["carlini_wagner_l2"],
                stepsize=given.learning_rate,
                initial_const=given.constant,
            )
        ),
        # Counts the label among the candidates, and needs a forward pass for each of the others.
        "deepfool": runner(
            library.L2DeepFoolAttack(steps=steps["deepfool"], candidates=given.candidates + 1)
        ),
        "ddn": runner(library.DDNAttack(steps=steps["ddn"])),
    }


def torchattacks(network: nn.Module, given: Settings) -> Table:
    import torchattacks

    steps, start = given.steps, {"random_start": given.random_start}
    table: Table = {
        "pgd_linf": torchattacks.PGD(
            network, given.eps_linf, given.step_size("pgd_linf"), steps["pgd_linf"], **start
        ),
        "pgd_l2": torchattacks.PGDL2(
            network, given.eps_l2, given.step_size("pgd_l2"), steps["pgd_l2"], **start
        ),
        # Has no multiplier search: one climb with the first constant, ended when the batch's loss rises.
        "carlini_wagner_l2": torchattacks.CW(
            network, c=given.constant, steps=steps["carlini_wagner_l2"], lr=given.learning_rate
        ),
    }
    if given.classes == given.candidates + 1:
        # Considers every class, one image after the other.
        table["deepfool"] = torchattacks.DeepFool(network, steps=steps["deepfool"])
    return table


def adv_lib(network: nn.Module, given: Settings) -> Table:
    library = LIBRARIES["advlib"].load("adv_lib").attacks
    steps = given.steps

    def runner(attack: Callable[..., Tensor], **settings: object) -> Run:
        return lambda images, labels: attack(network, images, labels, **settings)

    table = {
        "pgd_linf": runner(
            library.pgd_linf,
            ε=given.eps_linf,
            steps=steps["pgd_linf"],
            random_init=given.random_start,
            absolute_step_size=given.step_size("pgd_linf"),
        ),
        # Ends a search step early only when no image of the batch improves any more.
        "carlini_wagner_l2": runner(
            library.carlini_wagner_l2,
            learning_rate=given.learning_rate,
            initial_const=given.constant,
            binary_search_steps=given.search_steps,
            max_iterations=steps["carlini_wagner_l2"],
            abort_early=steps["carlini_wagner_l2"] >= 10,  # it divides by a tenth of the steps
        ),
        # Rounds to 8 bits inside its loop, as Limen does by default.
        "ddn": runner(library.ddn, steps=steps["ddn"]),
    }
    if given.classes == given.candidates + 1:
        table["deepfool"] = runner(library.df, steps=steps["deepfool"])  # considers every class
    return table


def art(network: nn.Module, given: Settings) -> Table:
    from art.attacks.evasion import CarliniL2Method, DeepFool, ProjectedGradientDescentPyTorch
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        network,
        nn.CrossEntropyLoss(),
        input_shape=given.shape,
        nb_classes=given.classes,
        clip_values=(0.0, 1.0),
        device_type=device_of(network).type,
    )
    common = {"batch_size": given.batch, "verbose": False}

    def runner(attack) -> Run:
        def run(images: Tensor, labels: Tensor) -> Tensor:
            return torch.from_numpy(attack.generate(images.cpu().numpy(), labels.cpu().numpy())).to(images)

        return run

    def pgd(name: str, norm: float, eps: float) -> Run:
        attack = ProjectedGradientDescentPyTorch(
            classifier,
            norm=norm,
            eps=eps,
            eps_step=given.step_size(name),
            max_iter=given.steps[name],
            num_random_init=int(given.random_start),
            **common,
        )
        return runner(attack)

    return {
        "pgd_linf": pgd("pgd_linf", np.inf, given.eps_linf),
        "pgd_l2": pgd("pgd_l2", 2, given.eps_l2),
        # Gradient descent with a line search of up to ten forward passes a step, where the others have Adam;
        # never ends a search step early.
        "carlini_wagner_l2": runner(
            CarliniL2Method(
                classifier,
                learning_rate=given.learning_rate,
                binary_search_steps=given.search_steps,
                max_iter=given.steps["carlini_wagner_l2"],
                initial_const=given.constant,
                **common,
            )
        ),
        # Counts the prediction among the classes, considers for each image the classes of all images of the
        # batch, and applies the overshoot once, at the end.
        "deepfool": runner(
            DeepFool(
                classifier,
                max_iter=given.steps["deepfool"],
                epsilon=0.02,
                nb_grads=given.candidates + 1,
                **common,
            )
        ),
    }


PEERS: dict[str, Callable[[nn.Module, Settings], Table]] = {
    "foolbox": foolbox,
    "torchattacks": torchattacks,
    "art": art,
    "adv-lib": adv_lib,
}


def limen_variants(classifier: Classifier, given: Settings) -> dict[str, Table]:
    """Limen on the lattice, without it as the others are, and with its own defaults."""
    return {
        "limen": limen(classifier, given, LATTICE),
        "limen, float": limen(classifier, given, None),
        "limen, defaults": limen_defaults(classifier, given),
    }
