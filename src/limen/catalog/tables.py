"""The tables of all things by kind that a spec can name."""

from __future__ import annotations

from limen import attacks, defenses, metrics, models, structure
from limen import data as datasets
from limen.catalog.hints import attack_hint, data_hint, model_hint
from limen.catalog.kinds import (
    known_attack,
    known_data,
    known_metric,
    known_model,
    measuring,
    no_images,
    tried_on,
)
from limen.catalog.parameters import READERS
from limen.catalog.smoothed import smoothed
from limen.catalog.table import Catalog

MODELS = Catalog(
    "model",
    {**models.SOURCES, "smoothed": smoothed},
    "limen.models",
    hidden=frozenset({"device"}),
    own=models.from_function,
    finish=known_model,
    hint=model_hint,
)
"""The models that a spec can name; a user's own is a function that returns a module or a `Classifier`."""

_OWN = frozenset({"crop"})
DATA = Catalog("data", datasets.SOURCES, "limen.data", hidden=_OWN, finish=known_data, hint=data_hint)
"""The data sets that a spec can name; a user's own is a function that returns a `Dataset`."""

ATTACKS = Catalog(
    "attack",
    attacks.FACTORIES,
    "limen.attacks",
    argument=False,
    own=attacks.from_function,
    finish=known_attack,
    hint=attack_hint,
    libraries=attacks.LIBRARIES,
)
"""The attacks that a spec can name; a user's own is a function of model, images and labels that returns
images, or one that returns whatever is called as an attack."""


DEFENSES = Catalog(
    "defense", defenses.DEFENSES, "limen.defenses", argument=False, takes=1, finish=tried_on(no_images)
)
"""The defences that a spec can name; a user's own is a function of images, and of keywords of its own."""

ATTENTION = Catalog("attention method", structure.ATTENTION, "limen.attention", argument=False, takes=3)
"""Every method of attention; a user's own is a function of a classifier, images, classes, and its options."""

READERS[structure.Attention] = ATTENTION.make
READERS[attacks.Attack] = ATTACKS.make

_ASKED = frozenset({"classifier"})
SALIENCY = Catalog(
    "saliency model", structure.SALIENCY, "limen.saliency", argument=False, takes=1, hidden=_ASKED
)
"""Every saliency model; a user's own is a function of images, and of its options."""

READERS[structure.Saliency] = SALIENCY.make

FOREGROUNDS = Catalog(
    "foreground",
    structure.FOREGROUNDS,
    "limen.foregrounds",
    argument=False,
    takes=1,
    hidden=frozenset({"classifier", "masks"}),
)
"""Every way to find foregrounds; a user's own is a function of images, and of its options."""

READERS[structure.Foreground] = FOREGROUNDS.make

FEATURES = Catalog(
    "feature network", attacks.FEATURES, "limen.features", argument=False, takes=1, hidden=_ASKED
)
"""The networks whose features attacks measure by; a user's own is a function of images, with options."""

READERS[attacks.Features] = FEATURES.make

METRICS = Catalog(
    "metric",
    metrics.METRICS,
    "limen.metrics",
    argument=False,
    takes=2,
    calls=measuring,
    finish=known_metric,
)
"""The metrics that a spec can name; a user's own is a function of two batches of images and its options, or a
`Metric`."""

READERS[metrics.Metric] = METRICS.make
