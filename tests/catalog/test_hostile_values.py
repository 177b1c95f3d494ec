"""Every number that a spec can give is sent to its extremes: it is taken, or refused in one line."""

from __future__ import annotations

import pytest

from limen import catalog, evaluation, training
from limen.catalog import Catalog
from limen.errors import LimenError
from limen.recipes import RECIPES

TABLES: dict[str, Catalog] = {
    "attacks": catalog.ATTACKS,
    "defenses": catalog.DEFENSES,
    "saliency": catalog.SALIENCY,
    "foregrounds": catalog.FOREGROUNDS,
    "features": catalog.FEATURES,
    "attention": catalog.ATTENTION,
    "evaluations": evaluation.EVALUATIONS,
    "objectives": training.OBJECTIVES,
    "augmentations": training.AUGMENTATIONS,
    "optimizers": training.OPTIMIZERS,
    "schedules": training.SCHEDULES,
    "samplings": training.SAMPLINGS,
    "recipes": RECIPES,
}
VALUES = ("-1", "1" + "0" * 20, "-1e308", "nan", "a\0b")
TOO_LARGE = ("1" + "0" * 20, "-1e308")


@pytest.mark.parametrize("value", VALUES, ids=ascii)
@pytest.mark.parametrize("name", TABLES)
def test_every_number_of_a_spec_is_taken_or_refused_in_one_line(name, value):
    table = TABLES[name]
    for each in table.names():
        for parameter in table.entry(each).parameters:
            if not {int, float}.intersection(parameter.types):
                continue
            try:
                table.make(f"{each}:{parameter.name}={value}")
            except LimenError as error:
                said = str(error)
                assert "\n" not in said
                assert parameter.name in said
            else:
                assert value not in TOO_LARGE or float(value) < 1e37
