"""What indicators measure: a classifier on some images, and an attack on them that is made again."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from limen import catalog
from limen.attacks import Outcome, square
from limen.attacks.constraint import FallingL1Ball, L0Ball, L1Ball, L2Ball, LinfBall
from limen.attacks.library.square import Ball
from limen.attacks.mask import known_masks
from limen.attacks.part import Problem
from limen.attacks.search import InTurn
from limen.attacks.tracing import known_trace
from limen.catalog.budget_search import restored
from limen.classifier import Classifier
from limen.defenses import Adaptive
from limen.errors import LimenError, UsageError
from limen.evaluation.adaptive_attack import AdaptiveAttack
from limen.evaluation.cleans import as_stored
from limen.identity import Identity
from limen.images import norm, to_uint8
from limen.runs import Settings
from limen.seeds import draw, sample_seeds

_FILLED = 0.25
"""From which share of its values on, moved by all of the L∞ distance, a perturbation counts as one of L∞."""


@dataclass(frozen=True)
class Effort:
    """How much is tried.

    Attributes:
        draws: Draws of noise.
        queries: Passes of an attack without a gradient.
    """

    draws: int = 100
    queries: int = 200


class Subject:
    """A classifier under test, on images that it has right.

    Args:
        classifier: The classifier.
        originals: The images (n, C, H, W), as their files hold them.
        goals: Their labels (n,), or the targets of a targeted run.
        ids: Their names.
        settings: Those of the run.
        effort: How much is tried.
    """

    def __init__(
        self,
        classifier: Classifier,
        originals: Tensor,
        goals: Tensor,
        ids: Sequence[str],
        settings: Settings,
        effort: Effort,
    ) -> None:
        self.classifier, self.originals, self.goals = classifier, originals, goals
        self.ids, self.settings, self.effort = list(ids), settings, effort
        seeds = sample_seeds(settings.seed, [f"indicators of {each}" for each in ids])
        self.seeds = seeds.to(originals.device)
        self.problem = Problem(
            originals=originals, labels=goals, seeds=self.seeds, targeted=settings.targeted
        )

    def answers(self, images: Tensor, classifier: Classifier | None = None) -> Tensor:
        """Logits (n, K), without a gradient; the subject's own classifier if no other is given."""
        with torch.no_grad():
            return (classifier or self.classifier)(images)

    def margin(self, images: Tensor) -> Tensor:
        """The logit margin (n,) of images in the place of the originals."""
        return self.problem.margin(self.answers(images))

    def noise(self, salt: int) -> Tensor:
        """Random numbers in [0, 1) of the images' shape, each image's from its own seed."""
        return draw(torch.rand, self.seeds, self.originals.shape[1:], self.originals.dtype, salt)

    @functools.cached_property
    def source(self) -> Classifier:
        """The classifier as attacks have it: with a gradient through defences that they know of."""
        draws = self.settings.adaptive
        return self.classifier if draws is None else Adaptive(self.classifier, draws)

    @functools.cached_property
    def slopes(self) -> tuple[Tensor, Tensor] | None:
        """The gradients at the originals of the logit margin, and of the cross-entropy of the model's class.

        None where none flows through the model.
        """
        images = self.originals.clone().requires_grad_()
        try:
            with torch.enable_grad():
                answers = self.source(images)
                loss = torch.nn.functional.cross_entropy(answers, answers.argmax(1), reduction="sum")
                margin = self.problem.margin(answers).sum()
                (first,) = torch.autograd.grad(margin, images, retain_graph=True, materialize_grads=True)
                return first, torch.autograd.grad(loss, images, materialize_grads=True)[0]
        except (LimenError, RuntimeError):
            return None

    @property
    def slope(self) -> Tensor | None:
        """The first of them."""
        return None if self.slopes is None else self.slopes[0]

    def known(self, value: float = math.nan) -> Tensor:
        """The same number for each image."""
        return self.originals.new_full((len(self.ids),), value)

    def of_images(self, shown: Tensor) -> Tensor:
        """1 for the images of which something is so, and 0 for the others."""
        return shown.to(self.originals.dtype)


class Trial:
    """An attack of a run, made again on a subject's images with a trace.

    Args:
        subject: The classifier whose robustness is in question, and the images.
        given: The classifier that the attack is given; mostly the same.
        identity: What the attack is.
        adaptive: The draws of an attack that knows of the defences; None for one that does not.
        masks: The foreground of the images, where the attack asks the data for it.
    """

    def __init__(
        self,
        subject: Subject,
        given: Classifier,
        identity: Identity,
        adaptive: int | None = None,
        masks: Tensor | None = None,
    ) -> None:
        self.subject, self.identity = subject, identity
        self._given, self._adaptive, self._masks = given, adaptive, masks
        # What the attack takes its gradient and its successes of.
        self.source = given if adaptive is None else Adaptive(given, adaptive)
        self.attack = restored(catalog.ATTACKS, identity)
        self.outcome = self.run(self.attack, trace=True)
        self.fools_source = self.fooled(self.outcome.images, self.source)
        self.fools = self.fooled(self.outcome.images, subject.classifier)

    def run(self, attack: Callable[..., Outcome], rows: Tensor | None = None, trace: bool = False) -> Outcome:
        """An attack on the images at `rows`, or on all, as the run makes it."""
        subject, settings = self.subject, self.subject.settings
        rows = torch.arange(len(subject.ids)) if rows is None else rows.cpu()
        if self._adaptive is not None:
            attack = AdaptiveAttack(attack, self._adaptive)
        masks = None if self._masks is None else self._masks[rows]
        return attack(
            self._given,
            subject.originals[rows],
            subject.goals[rows],
            targeted=settings.targeted,
            ids=[subject.ids[row] for row in rows.tolist()],
            seed=settings.seed,
            lattice=settings.lattice,
            **known_masks(attack, masks),
            **known_trace(attack, trace),
        )

    def fooled(self, images: Tensor, classifier: Classifier, rows: Tensor | None = None) -> Tensor:
        """Whether (n,) a classifier takes images, as files store them, for what the attack is after."""
        problem = self.subject.problem if rows is None else self.subject.problem.select(rows)
        stored = as_stored(to_uint8(images), classifier)
        return problem.adversarial(self.subject.answers(stored, classifier).argmax(1))

    def varied(self, changes: Mapping[str, Any], rows: Tensor | None = None) -> Tensor | None:
        """Whether (n,) the attack fools its source with other parameters; None if they are refused."""
        try:
            attack = catalog.ATTACKS.varied(self.identity, **changes)
        except UsageError:
            return None
        return self.fooled(self.run(attack, rows).images, self.source, rows)

    def left(self, classifier: Classifier) -> Tensor:
        """The places (k,) of the images that do not fool a classifier yet."""
        fools = self.fools_source if classifier is self.source else self.fools
        return (~fools).nonzero()[:, 0]

    def unknown(self) -> Tensor:
        """NaN for each image."""
        return self.subject.known()

    @functools.cached_property
    def whole(self) -> float | None:
        """A budget that holds every image in [0, 1]; None where there is none, or its norm is not known."""
        search, values = getattr(self.attack, "search", None), self.subject.originals[0].numel()
        if self.identity.budget is None or not isinstance(search, InTurn):
            return None
        sizes: dict[type, float] = {L0Ball: values, L2Ball: math.sqrt(values), LinfBall: 1.0}
        sizes |= dict.fromkeys((L1Ball, FallingL1Ball), values)
        free = [
            parts
            for parts in search.compositions
            if parts.perturbation.is_image and not getattr(parts.constraint, "exact", False)
        ]
        balls = {type(parts.constraint) for parts in free}.intersection(sizes)
        return sizes[balls.pop()] if len(balls) == 1 and len(free) == len(search.compositions) else None

    @functools.cached_property
    def paths(self) -> list[dict[str, np.ndarray]]:
        """The columns of the trace for each image; of an attack that cannot be traced, none."""
        trace = self.outcome.trace
        if trace is None:
            return []
        columns = {name: values.cpu().numpy() for name, values in vars(trace).items()}
        each = [columns["sample"] == row for row in range(len(self.subject.ids))]
        return [{name: values[rows] for name, values in columns.items()} for rows in each]

    @functools.cached_property
    def sizes(self) -> tuple[Tensor, Tensor]:
        """The L2 and L∞ lengths (n,) of each image's perturbation: where it ended, or of its success."""
        moved = self.outcome.images - self.subject.originals
        found = torch.stack([norm(moved), norm(moved, torch.inf)])
        for row, path in enumerate(self.paths):
            if not bool(self.outcome.success[row]) and len(path["l2"]):
                found[:, row] = torch.tensor([path["l2"][-1], path["linf"][-1]])
        return found[0], found[1]

    def blind(self, rows: Tensor) -> Tensor:
        """Whether (k,) an attack without a gradient, as long on these images, fools the classifier."""
        subject = self.subject
        l2, linf = (size[rows] for size in self.sizes)
        flat = l2.square() >= _FILLED * subject.originals[0].numel() * linf.square()
        fooled = torch.zeros_like(flat)
        tried: list[tuple[Ball, Tensor, Tensor]] = [("linf", flat, linf), ("l2", ~flat, l2)]
        for name, those, eps in tried:
            places = (those & (eps > 0)).nonzero()[:, 0]
            if len(places):
                attack = square(eps=eps[places], norm=name, steps=subject.effort.queries)
                chosen = rows[places]
                images = attack(
                    subject.classifier,
                    subject.originals[chosen],
                    subject.goals[chosen],
                    targeted=subject.settings.targeted,
                    ids=[subject.ids[row] for row in chosen.tolist()],
                    seed=subject.settings.seed,
                ).images
                fooled[places] = self.fooled(images, subject.classifier, chosen)
        return fooled
