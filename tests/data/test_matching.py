"""Labels are the model's numbers: classes are found by their names, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from limen.data import DataError, demo, from_arrays, numbered_as
from limen.data.matching import imagenet_names, match

MODEL = ("tench, Tinca tinca", "goldfish, Carassius auratus", "great white shark, man-eater", "cat", "fox")


def numbers(*names: str, known: tuple[str, ...] = MODEL) -> tuple[int, ...]:
    return match("folder:photos", names, known)


def test_names_are_found_whatever_their_place():
    assert numbers("fox", "cat") == (4, 3)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("Tench", 0),
        ("tinca_tinca", 0),
        ("tench, Tinca tinca", 0),
        ("Carassius  auratus", 1),
        ("n01443537_goldfish", 1),
        ("n01443537-goldfish", 1),
        ("great_white_shark", 2),
        ("man eater", 2),
        ("MAN-EATER", 2),
    ],
)
def test_case_underscores_hyphens_synonyms_and_wordnet_numbers_do_not_count(name, place):
    assert numbers("cat", name) == (3, place)


def test_wordnet_numbers_alone_are_imagenets():
    assert numbers("n01443537", "n01440764") == (1, 0)


def test_imagenets_names_of_torchvision_and_timm_are_the_same_list():
    from timm.data.imagenet_info import ImageNetInfo
    from torchvision.models import ResNet50_Weights

    short = tuple(ResNet50_Weights.DEFAULT.meta["categories"])
    long = tuple(ImageNetInfo("imagenet-1k").label_descriptions())
    assert match("nips2017", short, long) == match("nips2017", long, short) == tuple(range(1000))
    # And an eleventh of it, shuffled, is found name by name.
    some = [place for place in range(7, 1000, 11) if short.count(short[place]) == 1]
    names = tuple(short[place] for place in reversed(some))
    assert match("folder", names, short) == tuple(reversed(some))
    synsets = tuple(ImageNetInfo("imagenet-1k").label_names())
    assert match("folder", synsets[50:60], long) == tuple(range(50, 60))


def test_a_whole_name_goes_before_a_synonym():
    assert numbers("crane", known=("crane bird, crane", "crane")) == (1,)
    assert numbers("panther", known=("jaguar, panther", "panther, leopard")) == (1,)


def test_what_could_be_several_is_refused_by_name():
    with pytest.raises(
        DataError, match=r"class 'crane' could be the model's 'crane' \(0\) and 'crane' \(2\)"
    ):
        numbers("crane", known=("crane", "cat", "crane"))
    with pytest.raises(DataError, match="could be the model's"):
        numbers("panther", known=("jaguar, panther", "leopard, panther"))


def test_what_the_model_does_not_know_is_refused_with_the_nearest_and_the_cure():
    with pytest.raises(DataError) as caught:
        numbers("cat", "gold fish")
    message = str(caught.value)
    assert message.startswith("folder:photos: class 'gold fish' is none of the model's 5 classes")
    assert "nearest: 'goldfish, Carassius auratus'" in message
    for cure in ("rename 'gold fish'", "the model's class numbers", "classes=FILE"):
        assert cure in message


def data(names, labels=(0, 1, 2)):
    return from_arrays("pets", np.zeros((3, 4, 4, 1), np.uint8), np.array(labels), names)


def test_samples_carry_the_models_numbers_and_the_set_its_names():
    dataset = numbered_as(data(("fox", "cat", "tench")), MODEL)
    assert [dataset.load(place).label for place in range(3)] == [4, 3, 0]
    assert dataset.class_names == MODEL


def test_new_draws_of_a_set_carry_the_models_numbers_too():
    photos = demo("photos", count=3)
    known = photos.class_names[::-1]
    redrawn = numbered_as(photos, known).redraw(1)
    names = [known[redrawn.load(place).label] for place in range(3)]
    assert names == ["astronaut", "bricks", "cat"]


def test_labels_stay_where_a_side_knows_no_names_or_the_order_is_the_models():
    for dataset, known in (
        (data(("fox", "cat", "tench")), None),
        (data(None), MODEL),
        (data(MODEL[:3]), MODEL),
    ):
        assert numbered_as(dataset, known) is dataset


def test_wordnet_numbers_tell_classes_apart_that_have_one_name():
    names = imagenet_names()
    numbers = [*names]
    known = [name.partition(",")[0] for name in names.values()]
    assert known.count("crane") == 2
    cranes = [place for place, name in enumerate(known) if name == "crane"]
    assert match("photos", [numbers[place] for place in cranes], known) == tuple(cranes)
    assert match("photos", [numbers[7], numbers[3]], numbers) == (7, 3)
