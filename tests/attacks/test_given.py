"""What a newcomer hands to an attack: taken where it has one meaning, else refused with the cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from limen import Classifier
from limen.attacks import Outcome, fgsm, pgd_l2
from limen.errors import UsageError
from limen.images import quantize, to_uint8

with torch.random.fork_rng():
    torch.manual_seed(0)
    NET = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 6, 10))
MODEL = Classifier(NET)
IMAGES = quantize(torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0)))
LABELS = MODEL(IMAGES).argmax(1)
EPS = (0.02, 0.05, 0.1, 0.2)


def named(given: Any) -> str | None:
    """What is given, in the same words in every process."""
    if not isinstance(given, dict):
        return None
    return " ".join(
        f"{name} {type(value).__name__} {getattr(value, 'dtype', '')}" for name, value in given.items()
    )


def images_of(model: Any = MODEL, images: Any = IMAGES, labels: Any = LABELS, eps: Any = 0.1) -> torch.Tensor:
    found = fgsm(eps=eps)(model, images, labels)
    assert isinstance(found, Outcome)
    return found.images


@pytest.mark.parametrize(
    "given",
    [
        {"model": NET},
        {"images": IMAGES.numpy()},
        {"images": IMAGES.numpy()[..., ::-1].copy()[..., ::-1]},
        {"images": to_uint8(IMAGES)},
        {"labels": None},
        {"labels": LABELS.tolist()},
        {"labels": tuple(LABELS.tolist())},
        {"labels": LABELS.numpy()},
        {"labels": LABELS.numpy().astype(np.int32)},
        {"labels": LABELS.numpy().astype(np.uint8)},
        *({"labels": LABELS.to(kind)} for kind in (torch.int8, torch.uint8, torch.int16, torch.int32)),
        {"eps": np.float64(0.1)},
        {"eps": np.array(0.1)},
        {"eps": torch.tensor(0.1, dtype=torch.float64)},
        {"eps": [0.1] * 4},
    ],
    ids=named,
)
def test_the_same_thing_in_another_form_has_the_same_result(given):
    assert torch.equal(images_of(**given), images_of())


@pytest.mark.parametrize("eps", [[*EPS], EPS, np.array(EPS), np.array(EPS, np.float32)], ids=str)
def test_a_list_or_array_of_budgets_is_one_per_sample(eps):
    each = torch.cat(
        [images_of(images=IMAGES[i : i + 1], labels=LABELS[i : i + 1], eps=EPS[i]) for i in range(4)]
    )
    assert torch.equal(images_of(eps=eps), each)


@pytest.mark.parametrize("seven", [np.int64(7), torch.tensor(7)], ids=["numpy", "torch"])
def test_counts_may_be_numbers_of_numpy_and_torch(seven):
    assert pgd_l2(steps=seven).identity == pgd_l2(steps=7).identity


def test_a_network_in_train_mode_is_attacked_in_eval_mode_and_left_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), *list(NET)[1:]).train()
    assert torch.equal(images_of(model=net), images_of())
    assert net.training


def test_arrays_of_doubles_are_taken_in_the_precision_of_the_model():
    assert images_of(images=IMAGES.double().numpy()).dtype == torch.float32


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": lambda images: images}, "forward of a module"),
        ({"model": NET.state_dict()}, "torch.nn.Module"),
        ({"model": "resnet50"}, "torch.nn.Module"),
        ({"model": None}, "the model is None"),
        ({"images": list(IMAGES)}, r"torch.stack\(images\)"),
        ({"images": IMAGES[0]}, r"images\[None\]"),
        ({"images": IMAGES * 255}, "scale them"),
        ({"images": (IMAGES * 255).byte()}, "divide by 255"),
        ({"images": (IMAGES * 255).byte().numpy()}, "NumPy array of uint8"),
        ({"images": IMAGES.numpy().astype(int)}, "floats in"),
        ({"images": to_uint8(IMAGES) / 255}, r"permute\(0, 3, 1, 2\)"),
        ({"images": Image.new("RGB", (6, 6))}, "read_image"),
        ({"images": "me.jpg"}, "read_image"),
        ({"images": None}, "images are None"),
        ({"labels": LABELS.float()}, r"labels.long\(\)"),
        ({"labels": [0.5, 1.0, 2.0, 3.0]}, r"labels.long\(\)"),
        ({"labels": [True, False, True, False]}, r"labels.long\(\)"),
        ({"labels": LABELS[:, None]}, r"labels.squeeze\(1\)"),
        ({"labels": nn.functional.one_hot(LABELS, 10)}, r"labels.argmax\(1\)"),
        ({"labels": [[1], [2, 3]]}, "whole numbers"),
        ({"labels": "cat"}, "whole numbers"),
        ({"labels": ["cat", "dog", "cat", "dog"]}, "whole numbers"),
        ({"labels": 3}, r"shape \(N,\)"),
        ({"labels": LABELS.to_sparse()}, "labels are a torch.sparse_coo tensor; pass a dense one"),
        ({"images": IMAGES.to_sparse()}, "images are a torch.sparse_coo tensor; pass a dense one"),
        ({"labels": [1, 2]}, "2 labels for 4 images"),
        ({"labels": []}, "0 labels for 4 images"),
        ({"labels": [0, 1, 2, -1]}, r"labels\[3\] is -1"),
        ({"eps": [0.1, 0.2]}, "eps has shape"),
        ({"eps": [[0.1], [0.2]]}, "eps is"),
        ({"eps": [0.1, float("nan"), 0.1, 0.1]}, "finite"),
        ({"eps": []}, "eps is"),
        ({"eps": "8/255"}, "expected a number"),
        ({"eps": None}, "expected a number"),
        ({"eps": np.array(["a"])}, "expected a number"),
    ],
    ids=named,
)
def test_what_has_no_one_meaning_is_refused_with_the_cure_in_one_line(given, message):
    with pytest.raises(UsageError, match=message) as told:
        images_of(**given)
    assert "\n" not in str(told.value)


def test_a_targeted_attack_without_targets_says_what_it_needs():
    with pytest.raises(UsageError, match="classes to reach"):
        fgsm()(MODEL, IMAGES, targeted=True)


def test_an_attack_and_its_outcome_say_what_they_are():
    attack = fgsm(eps=8 / 255)
    assert repr(attack) == "<attack fgsm:eps=8/255>"
    assert repr(attack(MODEL, IMAGES[:0], LABELS[:0])) == "<outcome of images (0, 3, 6, 6): 0 succeeded>"
