"""The entries of a run's manifest: the model, the data, the settings, each attack, each image left out."""

from __future__ import annotations

from dataclasses import dataclass

from limen.identity import Identity
from limen.spec import value_text


@dataclass(frozen=True)
class ModelEntry:
    """The model under test.

    Attributes:
        spec: How to make it.
        weights: The SHA-256 of its weights.
        class_names: Its class names, where known.
        defenses: What images pass before they reach it, in this order.
        code: The SHA-256 of the user's file that it comes from; None where it comes from none.
    """

    spec: str
    weights: str
    class_names: tuple[str, ...] | None = None
    defenses: tuple[Identity, ...] = ()
    code: str | None = None

    @property
    def chain(self) -> str:
        """The defences for people; empty without any."""
        return ", then ".join(defense.label for defense in self.defenses)


@dataclass(frozen=True)
class DataEntry:
    """The data set.

    Attributes:
        spec: How to make it.
        count: Its number of images, bad ones too.
        class_names: Its class names, where known.
        fingerprint: The SHA-256 of what is known of it without reading every image: the names of images and
            classes, and the labels or the archive where these are. Each record has the hash of its image.
        labelled: Whether it has labels; where it has none, they are what the model itself says.
        code: The SHA-256 of the user's file that makes it; None where none does.
    """

    spec: str
    count: int
    class_names: tuple[str, ...] | None = None
    fingerprint: str | None = None
    labelled: bool = True
    code: str | None = None


@dataclass(frozen=True)
class Settings:
    """What, besides model, data and attack, decides the result of a run.

    Attributes:
        seed: Of all random numbers.
        lattice: Steps between 0 and 1 that attacks round to; None for floats.
        targeted: Whether attacks aim at targets.
        aim: Which targets: `least_likely`, `random`, or the number of a class; None for those of the data.
        adaptive: How many draws of random defences attacks average over that know of the model's defences;
            None where they know of none.
    """

    seed: int = 0
    lattice: int | None = 255
    targeted: bool = False
    adaptive: int | None = None
    aim: str | None = None


@dataclass(frozen=True)
class AttackEntry:
    """An attack of the run: what it is, and its folder under `images/`."""

    identity: Identity
    folder: str

    @property
    def label(self) -> str:
        """What records call it."""
        return self.identity.label

    @property
    def budget(self) -> str | None:
        """The value of its budget, for people; None where it has none."""
        budget = self.identity.budget
        return None if budget is None else value_text(self.identity.parameters.get(budget))


@dataclass(frozen=True)
class SkippedImage:
    """An image that could not be read, and why."""

    id: str
    reason: str
