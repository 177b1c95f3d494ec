"""Defences that an evaluation puts in front of a classifier, one strength after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from limen import catalog
from limen.classifier import Classifier
from limen.defenses import is_random
from limen.errors import UsageError
from limen.identity import Named
from limen.seeds import sample_seeds
from limen.spec import Spec, split_chain

SWEEPS = (
    "resize:factor=" + ",".join(f"{1 + step / 10:g}" for step in range(21)),
    "jpeg:quality=95,85,75,65,55,45,35,25,15,5",
    "dnn_jpeg:quality=95,85,75,65,55,45,35,25,15,5",
    "average_pool:size=3,5,7",
    "max_pool:size=3,5,7",
    "total_variation",
    "bit_depth:bits=4,3,2",
)
"""The defences of Dong et al. 2020, Section 4.2, each over its strengths."""


@dataclass(frozen=True)
class Shield:
    """A chain of defences at one strength.

    Attributes:
        name: The chain without the value that differs, such as `jpeg`.
        parameter: What differs, such as `quality`; empty where nothing does.
        strength: Its value; None where nothing differs.
        chain: The defences, in the order of the images' way.
    """

    name: str
    parameter: str
    strength: float | None
    chain: tuple[Named, ...]

    def __call__(self, images: Tensor, ids: Sequence[str], seed: int) -> Tensor:
        """What the chain makes of images (N, C, H, W); what is random in it is drawn by their ids."""
        for place, defense in enumerate(self.chain):
            # Each by seeds of its own, as what stands in a chain twice draws twice.
            seeds = sample_seeds(seed, [f"{place}:{image_id}" for image_id in ids]).to(images.device)
            images = defense(images, seeds=seeds) if is_random(defense) else defense(images)
        return images

    def before(self, classifier: Classifier) -> Classifier:
        """The classifier behind the chain."""
        return catalog.behind(classifier, self.chain)


def read_shields(specs: Sequence[str]) -> list[Shield]:
    """The shields that specs name, one for each value where a parameter has several.

    Raises:
        UsageError: If a spec cannot be followed, or gives several values to more than one parameter.

    Example:
        >>> [(each.name, each.strength) for each in read_shields(["jpeg:quality=75,50+resize"])]
        [('jpeg+resize', 75.0), ('jpeg+resize', 50.0)]
    """
    found = [shield for spec in specs for shield in _swept(spec)]
    seen = [(each.name, each.strength) for each in found]
    for name, strength in seen:
        if seen.count((name, strength)) > 1:
            at = "" if strength is None else f" at {strength:g}"
            raise UsageError(f"defence {name} is given twice{at}")
    return found


def _swept(chain: str) -> Iterator[Shield]:
    links = [catalog.DEFENSES.parse(text) for text in split_chain(chain)]
    swept = [
        (place, key, texts)
        for place, link in enumerate(links)
        for key, texts in link.values
        if len(texts) > 1
    ]
    if len(swept) > 1:
        raise UsageError(f"defense spec {chain!r}: several values are for one parameter of a chain")
    if not swept:
        made = tuple(catalog.DEFENSES.make(str(link)) for link in links)
        yield Shield("+".join(each.identity.label for each in made), "", None, made)
        return
    ((place, key, texts),) = swept
    before, link, after = links[:place], links[place], links[place + 1 :]
    name = "+".join(map(str, (*before, _without(link, key), *after)))
    for text in texts:
        made = tuple(catalog.DEFENSES.make(str(each)) for each in (*before, _with(link, key, text), *after))
        yield Shield(name, key, _number(made[place], key), made)


def _with(link: Spec, key: str, text: str) -> Spec:
    return replace(link, values=tuple((k, (text,) if k == key else texts) for k, texts in link.values))


def _without(link: Spec, key: str) -> Spec:
    return replace(link, values=tuple((k, texts) for k, texts in link.values if k != key))


def _number(made: Named, key: str) -> float:
    value = made.identity.parameters[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{key} is {value!r}; a defence can be swept over a number alone")
    return float(value)
