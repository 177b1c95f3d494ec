"""`smoothed:MODEL` as any other model's spec."""

from __future__ import annotations

import pytest
import torch

import limen
from limen.catalog import model
from limen.errors import LimenError, UsageError
from limen.evaluation import describe_run
from limen.smoothing import Smoothed


def test_a_spec_makes_the_model_inside_and_smooths_it():
    made = model("smoothed:demo:digits,sigma=0.5,draws=7,seed=3")
    assert isinstance(made, Smoothed)
    assert (made.sigma, made.draws, made.seed) == (0.5, 7, 3)
    assert made.class_names == model("demo:digits").class_names
    assert made.identity.label == "smoothed:demo:digits,sigma=0.5,draws=7,seed=3"
    images = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(made(images), Smoothed(model("demo:digits"), 0.5, 7, 3)(images))
    assert made.fingerprint() == Smoothed(model("demo:digits"), 0.5, 7, 3).fingerprint()


def test_options_of_the_model_inside_have_their_commas_twice():
    assert not torch.equal(*(next(each.module.parameters()) for each in map(model, ("demo:digits", RANDOM))))


RANDOM = "smoothed:demo:digits,,weights=random"


def test_the_users_file_of_the_model_inside_belongs_to_the_run(tmp_path):
    file = tmp_path / "nets.py"
    file.write_text("from limen.models import demo\n\ndef net():\n    return demo('digits')\n")
    spec = f"smoothed:python:{file}:net,draws=3"
    first = model(spec)
    assert first.identity.code == model(f"python:{file}:net").identity.code is not None
    dataset = limen.data.demo("digits", count=2)
    entry = describe_run(first, dataset, [limen.attacks.fgsm()], model_spec=spec).model
    assert limen.catalog.model_of(entry).fingerprint() == first.fingerprint()
    file.write_text(file.read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match="other code"):
        limen.catalog.model_of(entry)


def test_a_defence_comes_before_the_noise():
    made = model("smoothed:demo:digits,draws=3", defenses=["bit_depth:bits=2"])
    images = torch.rand(2, 1, 28, 28)
    rounded = limen.defenses.bit_depth(images, bits=2)
    assert torch.equal(made(images), model("smoothed:demo:digits,draws=3")(rounded))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("smoothed", "needs MODEL"),
        ("smoothed:demo:digit", "digits"),
        ("smoothed:demo:digits,sigma=0", "sigma is 0"),
        ("smoothed:demo:digits,draws=0", "draws is 0"),
        ("smoothed:demo:digits,strength=1", "strength"),
    ],
)
def test_a_spec_that_cannot_be_followed_is_refused_by_its_name(spec, said):
    with pytest.raises(LimenError, match=said) as caught:
        model(spec)
    assert str(caught.value).startswith(f"model spec {spec!r}")
