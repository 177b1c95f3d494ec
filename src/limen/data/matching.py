"""Which of a model's classes each class of a data set is, by their names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from limen.data.dataset import Dataset, Sample
from limen.data.errors import DataError

_SAME_LIST = 0.9
_SYNSET = re.compile(r"n\d{8}")
_NAMELESS = re.compile(r"LABEL_\d+")  # how Hugging Face calls a class without a name

Forms = Callable[[str], Iterable[str]]
"""The ways to write a name that count as the same."""


def numbered_as(dataset: Dataset, known: Sequence[str] | None) -> Dataset:
    """The data set with the model's numbers as labels and targets.

    Where the model or the data set knows no names, or the user has stated the numbers, labels are these
    numbers already. Otherwise each class is looked up by its name. Where no name is equal, case, underscores,
    hyphens, how accents are encoded and a WordNet number before a name do not count; of names with synonyms,
    such as "tench, Tinca tinca", one is enough. WordNet numbers alone, on either side, are ImageNet's.

    Args:
        dataset: The data set.
        known: The model's class names.

    Raises:
        DataError: If a class is none of the model's, or could be several of them.

    Example:
        >>> import numpy as np
        >>> from limen.data import from_arrays
        >>> pixels = np.zeros((2, 8, 8, 3), np.uint8)
        >>> pets = from_arrays("pets", pixels, np.array([0, 1]), ["Dog", "house_cat"])
        >>> numbered_as(pets, ["cat, house cat", "cow", "dog"]).load(0).label
        2
    """
    if known is None or dataset.class_names is None or dataset.numbered:
        return dataset
    if all(map(_NAMELESS.fullmatch, known)):
        return dataset
    numbers = match(dataset.spec, dataset.class_names, known)
    if numbers == tuple(range(len(numbers))):
        return dataset

    def read(index: int) -> Sample:
        sample = dataset.read(index)
        target = None if sample.target is None else numbers[sample.target]
        also = tuple(numbers[each] for each in sample.also)
        return replace(sample, label=numbers[sample.label], target=target, also=also)

    renumbered = replace(dataset, read=read, class_names=tuple(known))
    if (redraw := dataset.redraw) is not None:
        renumbered = replace(renumbered, redraw=lambda seed: numbered_as(redraw(seed), known))
    return renumbered


def match(spec: str, names: Sequence[str], known: Sequence[str]) -> tuple[int, ...]:
    """The place of each of a data set's class names among those that a model knows.

    Raises:
        DataError: If a name is not known, or is that of several.
    """
    if (equal := _equal(names, known)) is not None:
        return equal
    if any(_SYNSET.fullmatch(name) for name in (*names, *known)):
        described = imagenet_names()
        if all(name in described for name in names) and _one_list([*described.values()], known):
            # Two of ImageNet's classes are called crane; their numbers tell them apart.
            return tuple([*described].index(name) for name in names)
        names, known = ([described.get(name, name) for name in each] for each in (names, known))
        if (equal := _equal(names, known)) is not None:
            return equal
    if _one_list(names, known):
        return tuple(range(len(names)))
    tables: dict[Forms, dict[str, list[int]]] = {
        _exact: _table(known, _exact),
        **{forms: _table(known, forms) for forms in (_whole, _first, _synonyms)},
    }
    return tuple(_place(spec, name, known, tables) for name in names)


def _equal(names: Sequence[str], known: Sequence[str]) -> tuple[int, ...] | None:
    """The places of names that each stand among the known ones, once, to the letter."""
    exact = _table(known, _exact)
    places = [exact.get(_exact(name)[0], []) for name in names]
    return tuple(place[0] for place in places) if all(len(place) == 1 for place in places) else None


def _one_list(names: Sequence[str], known: Sequence[str]) -> bool:
    """Whether both are one list: its spellings differ in a few names, and may give two classes one."""
    alike = [bool({*_synonyms(a)} & {*_synonyms(b)}) for a, b in zip(names, known, strict=False)]
    return len(names) == len(known) and sum(alike) >= _SAME_LIST * len(names)


def _place(
    spec: str, name: str, known: Sequence[str], tables: Mapping[Forms, Mapping[str, list[int]]]
) -> int:
    for forms, table in tables.items():
        found = sorted({place for form in forms(name) for place in table.get(form, ())})
        if len(found) == 1:
            return found[0]
        if found:
            several = " and ".join(f"{known[place]!r} ({place})" for place in found)
            raise DataError(f"{spec}: class {name!r} could be the model's {several}; {_cure(name)}")
    synonyms = tables[_synonyms]
    near = [f"{known[synonyms[form][0]]!r}" for form in get_close_matches(_plain(name), synonyms, 2)]
    hint = f" (nearest: {', '.join(near)})" if near else ""
    raise DataError(
        f"{spec}: class {name!r} is none of the model's {len(known)} classes{hint}; {_cure(name)}"
    )


def _cure(name: str) -> str:
    return (
        f"rename {name!r} as the model does, name all class folders by the model's class numbers, or list "
        "the classes in the model's order with classes=FILE"
    )


def _table(known: Sequence[str], forms: Forms) -> dict[str, list[int]]:
    table: dict[str, list[int]] = {}
    for place, name in enumerate(known):
        for form in forms(name):
            table.setdefault(form, []).append(place)
    return table


def _exact(name: str) -> tuple[str]:
    return (unicodedata.normalize("NFC", name),)


def _plain(name: str) -> str:
    words = re.sub(r"[_\-\s]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()
    return re.sub(rf"^{_SYNSET.pattern}\b", "", words).strip() or words


def _whole(name: str) -> tuple[str]:
    return (_plain(name.replace(",", " ")),)


def _first(name: str) -> tuple[str]:
    return (_plain(_plain(name).partition(",")[0]),)


def _synonyms(name: str) -> tuple[str, ...]:
    return (*_whole(name), *(_plain(part) for part in _plain(name).split(",")))


def imagenet_names() -> dict[str, str]:
    """ImageNet's names by their WordNet numbers."""
    from timm.data.imagenet_info import ImageNetInfo

    table = ImageNetInfo("imagenet-1k")
    return dict(zip(table.label_names(), table.label_descriptions(), strict=True))
