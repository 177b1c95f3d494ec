"""Set-up checks: what is planted is found and named, and of what is sound nothing is said."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import limen
from limen.audit import Finding, Subject, check, subject_of
from limen.audit.plan import spread
from limen.audit.setup import names
from limen.audit.setup.model import indicated
from limen.audit.setup.preprocessing import _MEAN as MEAN
from limen.audit.setup.preprocessing import _STD as STD
from limen.audit.setup.preprocessing import _clearly, _Fed, preprocessing
from limen.classifier import Classifier
from limen.data import Dataset, from_arrays
from limen.errors import LimenWarning, UsageError
from limen.evaluation.indicators import INDICATORS

DIGITS, PHOTOS = "demo:digits,count=60", "demo:photos,count=24"
OF_MODEL = {key for key, each in INDICATORS.items() if each.of == "model"}


class Around(nn.Module):
    """A network with something before it and after it."""

    def __init__(self, net: nn.Module, before: Callable = lambda x: x, after: Callable = lambda y: y):
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.net(self.before(x)))


def logits_of(name: str) -> nn.Module:
    """The demo's network with its own preprocessing inside, so that it takes images in [0, 1]."""
    known = limen.catalog.model(name)
    return Around(known.module, known.normalised)


@cache
def data(spec: str) -> Dataset:
    return limen.catalog.data(spec)


def subject(classifier: Classifier, dataset: Dataset, seen: int = 60) -> Subject:
    return subject_of(classifier, dataset, range(min(seen, len(dataset))), 60)


def odd(classifier: Classifier, spec: str = DIGITS) -> dict[str, Finding]:
    """What weakens a verdict, by its key."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LimenWarning)
        found = check(subject(classifier, data(spec)))
    return {each.key: each for each in found if each.counts}


def digits(before: Callable = lambda x: x, after: Callable = lambda y: y) -> Classifier:
    return Classifier(Around(logits_of("demo:digits"), before, after).eval())


@pytest.mark.parametrize(("model", "spec"), [("demo:digits", DIGITS), ("demo:photos", PHOTOS)])
def test_of_a_sound_model_nothing_is_said(model, spec):
    found = check(subject(limen.catalog.model(model), data(spec)))
    assert [each for each in found if each.counts] == []
    assert {each.key for each in found if each.state == "sound"} == {
        "accuracy",
        "labels",
        "preprocessing",
        *OF_MODEL,
    }


def shifted(by: int, classes: int = 10) -> Dataset:
    def read(index: int):
        sample = data(DIGITS).read(index)
        return replace(sample, label=(sample.label + by) % classes)

    return replace(data(DIGITS), read=read, class_names=None)


@pytest.mark.parametrize("by", [1, -1, 3])
def test_shifted_labels_are_named_with_the_shift(by):
    found = {each.key: each for each in check(subject(limen.catalog.model("demo:digits"), shifted(by)))}
    assert found["labels"].title == "Labels are shifted against the model's numbers"
    assert found["labels"].advice.endswith(f"its number is the label {-by:+d}.")
    assert found["accuracy"].state == "stops"


def test_exchanged_classes_are_named():
    def read(index: int):
        sample = data(DIGITS).read(index)
        return replace(sample, label={2: 7, 7: 2, 4: 5, 5: 4}.get(sample.label, sample.label))

    exchanged = replace(data(DIGITS), read=read, class_names=None)
    found = {each.key: each for each in check(subject(limen.catalog.model("demo:digits"), exchanged))}
    assert found["labels"].title == "Classes are numbered otherwise than the model's"
    assert (
        "2 (2) is the model's 7 (7)" in found["labels"].evidence
        or "is the model's" in found["labels"].evidence
    )
    assert found["accuracy"].state == "sound"


class Warm(nn.Module):
    """Class 1 if an image that was fed so is more red than blue, or, without colours, brighter than half."""

    def __init__(self, undo: Callable, colours: bool) -> None:
        super().__init__()
        self.undo, self.colours = undo, colours

    def forward(self, x: Tensor) -> Tensor:
        red, _, blue = self.undo(x).mean((2, 3)).T
        excess = red - (blue if self.colours else 0.5)
        return torch.stack([-excess, excess], 1)


FED = {
    "channels in the order BGR": (lambda x: x.flip(1), True),
    "values from 0 to 255": (lambda x: x / 255, False),
    "values in [−1, 1]": (lambda x: (x + 1) / 2, False),
}
"""By what a network expects, what it undoes before it looks."""


@pytest.mark.parametrize("way", FED)
def test_a_network_that_is_fed_otherwise_than_it_expects_is_found_out(way):
    pixels = np.full((40, 4, 4, 3), 128, np.uint8)
    pixels[::2, ..., 0] += 40
    pixels[1::2, ..., 0] -= 40
    shades = from_arrays("shades", pixels, np.arange(1, 41) % 2)
    (found,) = preprocessing(subject(Classifier(Warm(*FED[way])), shades))
    assert found.title == "The network is fed otherwise than it expects"
    assert way in found.evidence or (way[-3:] == "BGR" and "in the other order" in found.evidence)


class Contrast(nn.Module):
    """As sure of class 1 as an image is brighter than half: any gain of contrast makes it surer."""

    def forward(self, x: Tensor) -> Tensor:
        excess = x.mean((1, 2, 3)) - 0.5
        return torch.stack([-excess, excess], 1)


def test_that_more_contrast_makes_a_network_surer_says_nothing_of_how_it_is_fed():
    pixels = np.full((40, 4, 4, 3), 128, np.uint8)
    pixels[::2] += np.arange(20, dtype=np.uint8)[:, None, None, None]
    pixels[1::2] -= np.arange(20, dtype=np.uint8)[:, None, None, None] + 1
    labels = np.arange(1, 41) % 2
    labels[:2] = 1 - labels[:2]
    shades = from_arrays("shades", pixels, labels)
    (found,) = preprocessing(subject(Classifier(Contrast()), shades))
    assert found.state == "sound"


def test_what_one_image_gains_says_nothing_of_how_a_network_is_fed():
    now = np.full(40, 0.01)
    now[0] = 2.0
    one, all_of_them = np.full(40, 0.009), np.full(40, 0.001)
    assert not _clearly(_Fed(now, 1.0), _Fed(one, 1.0), 1)
    assert _clearly(_Fed(now, 1.0), _Fed(all_of_them, 1.0), 1)


@pytest.mark.data
@pytest.mark.parametrize("planted", [None, "BGR"])
def test_channels_in_the_wrong_order_are_told_where_accuracy_is_nearly_the_same(planted, nets, real_data):
    held = np.load(real_data / "cifar10" / "test500.npz")
    places = spread(40, 500)
    images = from_arrays("cifar", held["x"][places], held["y"][places])
    network = nets.cifar_resnet().net.eval()
    classifier = Classifier(network, mean=MEAN, std=STD, channels=planted or "RGB")
    (found,) = preprocessing(subject(classifier, images))
    assert found.counts == (planted == "BGR")


PLANTED = {
    "rounding": {"after": lambda y: (y * 4).round() / 4},
    "saturation": {"after": lambda y: 1000 * y},
    "random_answers": {"before": lambda x: x + 0.05 * torch.randn_like(x)},
    "probabilities": {"after": lambda y: y.softmax(1)},
    "no_gradient": {"before": lambda x: x.detach()},
    "batch_dependence": {"after": lambda y: y - 0.5 * y.mean(0)},
}


@pytest.mark.parametrize("key", PLANTED)
def test_what_is_planted_in_a_model_is_found_and_named(key):
    found = odd(digits(**PLANTED[key]))
    assert key in found, found
    about = INDICATORS[key]
    assert (found[key].title, found[key].advice) == (about.title, about.advice)
    assert (found[key].state, found[key].of) == ("weakens", "setup")


def test_a_model_that_has_no_image_right_is_asked_all_the_same():
    other = replace(subject(limen.catalog.model("demo:digits"), data(DIGITS), 9), labels=torch.full((9,), 99))
    found = [*indicated(other)]
    assert {each.key: each.state for each in found} == dict.fromkeys(OF_MODEL, "sound")
    assert {each.key: each.evidence for each in found}["rounding"].startswith("On 0 of 9 images")


def test_what_cannot_be_asked_without_a_gradient_is_to_know():
    found = {each.key: each for each in indicated(subject(digits(lambda x: x.detach()), data(DIGITS), 9))}
    unknown = {key for key, each in found.items() if each.state == "note"}
    assert unknown == {
        "nonfinite_gradients",
        "zero_gradients",
        "saturation",
        "misleading_gradients",
        "aimless_gradients",
    }
    assert found["zero_gradients"].evidence == "It could not be measured on any of these images."


def test_a_defence_in_front_is_named_and_attacked_through():
    from limen.defenses import Defended, bit_depth

    found = odd(Defended(limen.catalog.model("demo:digits"), bit_depth))
    assert [*found] == ["defense", "rounding"]
    assert "bit_depth" in found["defense"].evidence


def test_a_network_in_training_mode_is_noted_and_left_so():
    network = logits_of("demo:digits").train()
    found = {each.key: each for each in check(subject(Classifier(network), data(DIGITS)))}
    assert found["mode"].state == "note"
    assert network.training


def test_classes_that_the_model_does_not_know_stop_an_audit():
    pixels = (torch.rand(2, 8, 8, 3) * 255).byte().numpy()
    pets = from_arrays("pets", pixels, torch.tensor([0, 1]).numpy(), ["cat", "dog"])
    found, same = names(limen.catalog.model("demo:photos"), pets)
    assert (found.state, same) == ("stops", pets)
    assert "'dog' is none of the model's 12 classes" in found.evidence


def test_data_without_labels_say_what_cannot_be_checked():
    unlabelled = limen.catalog.model("demo:digits"), replace(data(DIGITS), photographs=object())
    states = {each.key: each.state for each in check(subject(*unlabelled))}
    assert {states[key] for key in ("accuracy", "labels", "preprocessing")} == {"note"}


def test_data_of_which_nothing_can_be_read_are_refused():
    with pytest.raises(UsageError, match="no image can be read"):
        subject_of(limen.catalog.model("demo:digits"), data(DIGITS), [], 8)
