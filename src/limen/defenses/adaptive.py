"""A defended classifier as an attacker has it who knows of the defences (Athalye, Carlini & Wagner 2018)."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor

from limen.classifier import Classifier, Wrapped
from limen.defenses.defended import Defended, undefended
from limen.errors import UnknownNameError
from limen.identity import Named
from limen.images import straight_through
from limen.safety import check_count
from limen.seeds import content_seeds

Defense = Callable[..., Tensor]

Backward = Literal["own", "identity"]
"""What the gradient goes through where a defence has none: what stands in for it, or nothing at all."""


class Adaptive(Wrapped):
    """A classifier behind defences, with a gradient through all of them, for attacks that know of them.

    Where a defence has a gradient it is taken. Where it has none, the image goes forward through the defence,
    and its gradient back through what stands in for it (`with_stand_in`), or straight through (BPDA). Where a
    defence draws random numbers, the logits are the mean over several draws (EOT), and an attack climbs its
    loss at these. The draws are not the defence's own: what it will draw, an attacker does not know.

    The answers are for attacks only. Whether an image fools is for the defended classifier to say.

    Args:
        classifier: The classifier behind its defences, mostly a `Defended`.
        draws: How many draws of random defences a pass is the mean of; of others one is enough.
        backward: Whether what stands in for a defence counts, or the identity does.

    Raises:
        UsageError: If there is not one draw at least.

    Source:
        Athalye, Carlini & Wagner, Obfuscated gradients give a false sense of security, ICML 2018, Section 4;
        Athalye et al., Synthesizing robust adversarial examples, ICML 2018.

    Example:
        >>> from limen.attacks import pgd_l2
        >>> from limen.defenses import bit_depth
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
        >>> images, labels = torch.rand(2, 3, 4, 4), torch.tensor([0, 1])
        >>> pgd_l2(steps=2)(Adaptive(Defended(Classifier(net), bit_depth)), images, labels).images.shape
        torch.Size([2, 3, 4, 4])
    """

    def __init__(self, classifier: Classifier, draws: int = 1, backward: Backward = "own") -> None:
        check_count("draws", draws)
        if backward not in get_args(Backward):
            raise UnknownNameError("backward", str(backward), get_args(Backward))
        super().__init__(classifier)
        self.chain = _chain(classifier)
        self._rounds = draws if any(map(is_random, self.chain)) else 1
        self.draws = self._rounds * undefended(classifier).draws
        self.backward: Backward = backward

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) of images (N, C, H, W) in [0, 1], the mean over all draws.

        Raises:
            UsageError: As the classifier.
            ModelError: As the classifier.
        """
        answers = [self._answer(images, draw) for draw in range(self._rounds)]
        return answers[0] if len(answers) == 1 else torch.stack(answers).mean(0)

    @property
    def has_stand_ins(self) -> bool:
        """Whether the gradient through any defence may be taken in two ways."""
        return any(_stand_in(defense) is not None for defense in self.chain)

    def _answer(self, images: Tensor, draw: int) -> Tensor:
        for defense in self.chain:
            images = self._through(defense, images, draw)
        return undefended(self.classifier)(images)

    def _through(self, defense: Defense, images: Tensor, draw: int) -> Tensor:
        # The defence's own draws come of seeds of 0 and more.
        drawn = {"seeds": content_seeds(-1 - draw, images.detach())} if is_random(defense) else {}
        made = defense(images, **drawn)
        if made.requires_grad or not (torch.is_grad_enabled() and images.requires_grad):
            return made
        stand_in = _stand_in(defense) if self.backward == "own" else None
        return straight_through(images if stand_in is None else stand_in(images, made), made)


F = TypeVar("F", bound=Defense)


def with_stand_in(stand_in: Defense) -> Callable[[F], F]:
    """Say what stands in for a defence in the backward pass of attacks that know of it.

    Args:
        stand_in: A function of the same arguments that is near to the defence, and has a gradient. If it also
            takes `made`, it is given what the defence made of the images.

    Example:
        >>> @with_stand_in(lambda images, levels: images)
        ... def rounded(images, levels: int = 8):
        ...     return images.detach().mul(levels).round().div(levels)
    """

    def public(defense: F) -> F:
        vars(defense).update(stand_in=stand_in)
        return defense

    return public


def is_random(defense: Defense) -> bool:
    """Whether a defence draws random numbers: whether it takes `seeds`, one per sample.

    Example:
        >>> from limen.defenses import total_variation
        >>> is_random(total_variation), is_random(torch.relu)
        (True, False)
    """
    try:
        return "seeds" in inspect.signature(_parts(defense)[0]).parameters
    except ValueError:
        return False


def _chain(classifier: Classifier) -> tuple[Defense, ...]:
    """The defences that images pass on their way to a classifier, in this order."""
    if not isinstance(classifier, Defended):
        return ()
    return (classifier.defense, *_chain(classifier.classifier))


def _stand_in(defense: Defense) -> Callable[[Tensor, Tensor], Tensor] | None:
    """What stands in for a defence, as a function of images and of what the defence made of them."""
    function, keywords = _parts(defense)
    found = getattr(function, "stand_in", None)
    if found is None:
        return None
    if "made" in inspect.signature(found).parameters:
        return lambda images, made: found(images, made=made, **keywords)
    return lambda images, _: found(images, **keywords)


def _parts(defense: Defense) -> tuple[Defense, dict[str, object]]:
    """The function that a defence is, and the keywords that it is called with."""
    keywords: dict[str, object] = {}
    while isinstance(defense, Named | functools.partial):
        if isinstance(defense, functools.partial):
            keywords = {**defense.keywords, **keywords}
            defense = defense.func
        else:
            defense = defense.function
    return defense, keywords
