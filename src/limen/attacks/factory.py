"""An attack: a search that knows what it is, ready to run on any classifier."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar, cast

import torch
from torch import Tensor

from limen.attacks.best import Best, Latest
from limen.attacks.doubts import TOO_SMALL, doubts
from limen.attacks.given import (
    Array,
    Labels,
    Model,
    as_classifier,
    as_images,
    as_labels,
    as_masks,
    bind_settings,
    check_call,
)
from limen.attacks.outcome import Outcome
from limen.attacks.part import Problem
from limen.attacks.search import Search
from limen.attacks.tracing import Traced
from limen.classifier import Classifier, check_labels
from limen.errors import LimenWarning, UsageError
from limen.identity import Identity
from limen.images import LATTICE, check_images, per_sample
from limen.seeds import sample_seeds

B = TypeVar("B", bound=Best)


class Attack:
    """A composition of parts under a search, ready to run on any classifier.

    Args:
        identity: What it is: an identity, its name alone, or a function that makes it once it is asked for.
        search: What is tried.
        per_sample: Tensors that it was made with, by the names of its parameters, which errors call them by.
        name: Its name, if not that of the identity, which cannot be told where a parameter has no spec.
    """

    def __init__(
        self,
        identity: Identity | str | Callable[[], Identity],
        search: Search,
        per_sample: Mapping[str, Tensor] | None = None,
        name: str | None = None,
    ) -> None:
        self._identity = Identity(identity, {}) if isinstance(identity, str) else identity
        self.search = search
        self._per_sample = per_sample or {}
        self._name = name

    @functools.cached_property
    def identity(self) -> Identity:
        """The factory's name, the value of every parameter, and which of them is the budget."""
        return self._identity if isinstance(self._identity, Identity) else self._identity()

    @property
    def name(self) -> str:
        """The factory's name."""
        return self._name or self.identity.name

    def __repr__(self) -> str:
        return f"<attack {self.identity.label}>"

    def __call__(
        self,
        classifier: Model,
        images: Array,
        labels: Labels = None,
        targeted: bool = False,
        ids: Sequence[object] | None = None,
        seed: int = 0,
        lattice: int | None = LATTICE,
        masks: Array | None = None,
        trace: bool = False,
    ) -> Outcome:
        """Attack a batch of images.

        Up to the rounding of a pass, a sample's result depends on its image, label, id and the seed
        alone, and not on the rest of the batch. An image that already is what the attack is after is
        not perturbed, only stored.

        Args:
            classifier: The model under attack; a plain network is taken to want images in [0, 1].
            images: (N, C, H, W) in [0, 1], on the model's device; also NumPy floats of this shape, or bytes
                (N, H, W, C).
            labels: The true classes (N,), or the classes to reach if `targeted`: whole numbers of any kind;
                None for the model's own predictions.
            targeted: Whether success is to reach the label.
            ids: A name for each sample, from which its random numbers come; None for its row.
            seed: The seed of all random numbers.
            lattice: Steps between 0 and 1 of the stored image; None for floats.
            masks: Which pixels are foreground, bool (N, 1, H, W), as the data says, or a NumPy array, also
                (N, H, W); for attacks that ask it.
            trace: Whether `Outcome.trace` is to hold every look of the attack at the model.

        Raises:
            UsageError: If an argument is wrong, naming it and the cure.
            ModelError: If the model raises, has no gradient, or returns something other than finite logits.

        Warns:
            LimenWarning: Where no gradient could move an image, or the model returns probabilities: a
                failure then says nothing of the model's robustness. Also, before any step is made, where a
                budget is less than what a file can store; where a mask says nothing, and where
                a success did not hold when the model was asked again.
        """
        problem = self._problem(classifier, images, labels, targeted, ids, seed, lattice, masks)
        roomy = self._warn_of_small_budgets(problem)
        bests = self._run(problem, Traced if trace else Best)
        if text := doubts(bests, still=roomy):
            warnings.warn(f"{self.name}: {text}", LimenWarning, stacklevel=1)
        return Outcome.joined([best.outcome() for best in bests])

    def perturb(
        self,
        classifier: Model,
        images: Array,
        labels: Labels = None,
        targeted: bool = False,
        ids: Sequence[object] | None = None,
        seed: int = 0,
        lattice: int | None = None,
        masks: Array | None = None,
    ) -> Tensor:
        """Where the attack takes a batch of images, whether they then fool the model or not.

        Training needs this: an `Outcome` has the original of a sample that withstood, and of one that was
        wrong before, and training on those would be training on clean images. So no sample is settled
        beforehand, and the last iterate is not looked at, which saves a pass; of an attack that looks for
        the least perturbation, a success is still where it ends. Arguments and errors are those of a call.

        Returns:
            Images (N, C, H, W) within the attack's budget, not rounded to a lattice unless one is given, as
            no file will hold them.

        Example:
            >>> from limen.attacks import fgsm
            >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 5))
            >>> images, labels = torch.full((2, 3, 2, 2), 0.5), torch.tensor([0, 1])
            >>> moved = fgsm(eps=0.1).perturb(Classifier(net), images, labels) - images
            >>> bool((moved.abs() - 0.1).abs().max() < 1e-6)
            True
        """
        problem = self._problem(classifier, images, labels, targeted, ids, seed, lattice, masks)
        return torch.cat([best.images for best in self._run(problem, Latest)])

    def select(self, rows: Tensor) -> Attack:
        """The attack with those of its settings per sample that are at `rows`."""
        settings = {k: v[rows.to(v.device)] for k, v in self._per_sample.items() if v.ndim}
        return Attack(self._identity, self.search.select(rows), settings, self._name)

    def _problem(
        self,
        classifier: Model,
        images: Array,
        labels: Labels,
        targeted: bool,
        ids: Sequence[object] | None,
        seed: int,
        lattice: int | None,
        masks: Array | None,
    ) -> Problem:
        """The samples of a call, checked."""
        classifier = as_classifier(classifier)
        images = as_images(images, classifier)
        check_images(images)
        check_call(targeted, lattice, ids, len(images))
        labels = as_labels(labels, images, classifier, targeted)
        check_labels(labels, images, name="targets" if targeted else "labels")
        for name, value in self._per_sample.items():
            per_sample(value, images, name)
        foreground = None if masks is None else as_masks(masks, images)
        seeds = sample_seeds(seed, range(len(images)) if ids is None else ids).to(images.device)
        return Problem(
            originals=images.detach(),
            labels=labels,
            seeds=seeds,
            targeted=targeted,
            lattice=lattice,
            classifier=classifier,
            foreground=foreground,
        )

    def _warn_of_small_budgets(self, problem: Problem) -> bool:
        """Say, before any step, how many budgets hold no change that a file stores; whether all hold one."""
        count = len(problem.labels)
        room = self.search.room(problem).expand(count)
        small = int(((room > 0) & (room < 1 - 1e-4)).sum())
        if small:
            text = TOO_SMALL.format(small=small, count=count, lattice=problem.lattice)
            warnings.warn(f"{self.name}: {text}", LimenWarning, stacklevel=2)
        return small == 0 and bool((room > 0).all())

    def _run(self, problem: Problem, kind: type[B]) -> list[B]:
        """What was kept of the samples of each piece."""
        classifier = cast(Classifier, problem.classifier)
        with classifier.frozen(), torch.no_grad():
            return [_run(search, classifier, piece, kind(piece)) for search, piece in self._pieces(problem)]

    def _pieces(self, problem: Problem) -> Iterator[tuple[Search, Problem]]:
        """The samples, cut into as many as the parts can be bound to at once."""
        self.search.check(problem)
        count = len(problem.labels)
        if not count or count <= (size := self.search.capacity(problem.originals)):
            yield self.search, problem
            return
        for rows in torch.arange(count, device=problem.labels.device).split(int(size)):
            yield self.search.select(rows), problem.select(rows)


def _run(search: Search, classifier: Classifier, problem: Problem, best: B) -> B:
    if len(problem.labels):
        search(classifier, dataclasses.replace(problem, taken=best.taken), best)
        best.confirm(classifier, problem)
    return best


P = ParamSpec("P")


Usual = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Of the settings that are given, the defaults that depend on them, such as budgets on the norm."""


class Factory(Protocol[P]):
    """A function that makes an attack, and says of its parameters what others need to know.

    Attributes:
        budget: The one that is the budget; None where there is none.
        usual: Says of given settings which others then have other defaults than the signature's.
        kept: The counts that are not cut where passes are few.
    """

    __name__: str
    budget: str | None
    usual: Usual
    kept: frozenset[str]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Attack:
        """The attack with these parameters."""
        ...


def attack(
    budget: str | None = None, usual: Usual = lambda given: {}, kept: Collection[str] = ()
) -> Callable[[Callable[P, Search]], Factory[P]]:
    """Make an attack's factory of a function that returns a search.

    Args:
        budget: The parameter that bounds the perturbation; None for an attack that looks for the least.
        usual: Says of given settings which others then have other defaults than the signature's; those that
            are given stay as they are.
        kept: The counts that a benchmark leaves at their defaults where it cuts others to the passes.

    Example:
        >>> from limen.attacks.direction import Sign
        >>> from limen.attacks.constraint import LinfBall
        >>> from limen.attacks.composition import Composition
        >>> from limen.attacks.objective import Margin
        >>> from limen.attacks.search import InTurn
        >>> from limen.attacks.update import Scale
        >>> @attack(budget="eps")
        ... def one_step(eps: float = 0.1) -> InTurn:
        ...     ball, rule = LinfBall(eps=eps), (Sign(), Scale(eps))
        ...     return InTurn((Composition(objective=Margin(), constraint=ball, rule=rule, steps=1),))
        >>> one_step(0.2).identity.label, one_step.budget
        ('one_step:eps=0.2', 'eps')
    """

    def public(make: Callable[P, Search]) -> Factory[P]:
        signature = inspect.signature(make)
        if budget is not None and budget not in signature.parameters:
            raise UsageError(f"{make.__name__} has no parameter {budget!r} to be its budget")

        @functools.wraps(make)
        def factory(*args: P.args, **kwargs: P.kwargs) -> Attack:
            bound = bind_settings(make, signature, args, kwargs)
            bound.arguments = arguments = {**usual(bound.arguments), **bound.arguments}
            # Only once it is asked for: a budget per sample on a GPU would be waited for.
            identity = functools.partial(Identity.of, make, arguments, budget=budget)
            tensors = {name: value for name, value in arguments.items() if isinstance(value, Tensor)}
            return Attack(identity, make(*bound.args, **bound.kwargs), tensors, make.__name__)

        named = cast(Factory[P], factory)
        named.budget, named.usual, named.kept = budget, usual, frozenset(kept)
        return named

    return public
