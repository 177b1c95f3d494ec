"""What nobody should hand to Limen, and somebody will: taken where it has one meaning, else one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import limen
from limen import attacks, catalog, defenses, metrics
from limen.errors import LimenError, UsageError

with torch.random.fork_rng():
    torch.manual_seed(0)
    NET = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
MODEL = limen.Classifier(NET)
X = limen.images.quantize(torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)))
Y = MODEL(X).argmax(1)

DENSE = "dense one that holds its values"
TENSORS = {
    "list": (lambda: X.tolist(), "list"),
    "list of tensors": (lambda: [X[0], X[1]], "list"),
    "tuple": (lambda: (X[0], X[1]), "tuple"),
    "None": (lambda: None, "None"),
    "text": (lambda: "cat.png", "str"),
    "number": (lambda: 3, "int"),
    "set": (lambda: {1}, "set"),
    "picture": (lambda: Image.new("RGB", (8, 8)), "Image"),
    "objects": (lambda: np.array([object()]), "ndarray|object"),
    "sparse": (lambda: X.to_sparse(), DENSE),
    "mkldnn": (lambda: X.to_mkldnn(), DENSE),
    "meta": (lambda: X.to("meta"), DENSE),
    "nested": (lambda: torch.nested.nested_tensor([X[0], X[1]]), DENSE),
    "quantized": (lambda: torch.quantize_per_tensor(X, 1 / 255, 0, torch.quint8), DENSE),
    "complex": (lambda: X.to(torch.complex64), "complex64"),
    "int64": (lambda: (X * 255).long(), "int64"),
    "bytes": (lambda: (X * 255).byte(), "uint8"),
    "bool": (lambda: X > 0.5, "bool"),
    "one image": (lambda: X[0], r"\(3, 16, 16\)"),
    "too deep": (lambda: X[None], r"\(1, 2, 3, 16, 16\)"),
    "vector": (lambda: X.flatten(), r"\(1536,\)"),
    "scalar": (lambda: torch.tensor(1.0), r"\(\)"),
    "no pixels": (lambda: X[:, :, :0], r"\(2, 3, 0, 16\)"),
    "NaN": (lambda: X * float("nan"), "NaN"),
    "0 to 255": (lambda: X * 255, r"scale them to \[0, 1\]"),
    "channels last": (lambda: X.permute(0, 2, 3, 1), r"permute\(0, 3, 1, 2\)"),
}
USES = {
    "attack": lambda given: attacks.fgsm()(MODEL, given, Y),
    "metric": lambda given: metrics.ssim(given, X),
    "second of a metric": lambda given: metrics.l2(X, given),
    "defence": lambda given: defenses.jpeg(given),
    "differentiable defence": lambda given: defenses.dnn_jpeg(given),
    "total variation": lambda given: defenses.total_variation(given),
}


def one_line(error: pytest.ExceptionInfo[LimenError]) -> str:
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 400
    return said


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors", "ignore:torch.quantize")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", TENSORS)
def test_what_is_no_batch_of_images_is_refused_by_its_kind(name, use):
    make, said = TENSORS[name]
    if use == "attack" and name == "bytes":
        said = "divide by 255"
    with pytest.raises(UsageError, match=said if name != "None" else "None") as error:
        USES[use](make())
    one_line(error)


def test_a_metric_says_how_an_array_is_compared():
    with pytest.raises(UsageError, match=r"not ndarray; torch\.from_numpy makes one of it"):
        metrics.ssim(X.numpy(), X)


CALLED = {
    "no tensor": (lambda: X.numpy(), r"images are ndarray; expected a tensor \(N, C, H, W\)"),
    "None": (lambda: None, "images are NoneType"),
    "meta": (lambda: X.to("meta"), DENSE),
    "sparse": (lambda: X.to_sparse(), DENSE),
    "scalar": (lambda: torch.tensor(0.5), "images are torch.float32 of shape"),
    "vector": (lambda: X.flatten(), "images are torch.float32 of shape"),
    "whole numbers": (lambda: X.long(), "images are torch.int64 of shape"),
}


@pytest.mark.parametrize("name", CALLED)
def test_a_classifier_says_what_it_cannot_be_called_with(name):
    make, said = CALLED[name]
    with pytest.raises(UsageError, match=said) as error:
        MODEL(make())
    one_line(error)


SETTINGS = [
    ("pgd_linf", {"eps": X}, r"eps has shape \(2, 3, 16, 16\); expected a number or shape"),
    ("pgd_linf", {"eps": X.to_sparse()}, "eps is a torch.sparse_coo tensor"),
    ("pgd_linf", {"eps": torch.ones(2, device="meta")}, "eps is a meta tensor"),
    ("pgd_linf", {"eps": torch.ones(2) * 1j}, "eps is torch.complex64"),
    ("pgd_linf", {"eps": [X, X]}, "eps is .tensor.*; expected a number, or a list of one per sample"),
    ("pgd_linf", {"eps": {"a": 1}}, "eps is {'a': 1}; expected a number"),
    ("pgd_linf", {"eps": 1e308}, r"eps is 1e\+308, too large a number"),
    ("pgd_l2", {"eps": 10**30}, r"eps is 1e\+30, too large a number"),
    ("pgd_l2", {"eps": float("nan")}, "eps is nan"),
    ("pgd_linf", {"steps": torch.tensor([1, 2])}, "steps takes one number for all images, not 2"),
    ("pgd_linf", {"steps": 10**9}, "steps is 1000000000; expected an integer from 1 to 1,000,000"),
    ("pgd_linf", {"steps": 10**30}, r"steps is 1e\+30, too large a number"),
    ("pgd_linf", {"restarts": 10**9}, "restarts is 1000000000; expected an integer from 1 to 1,000,000"),
    ("pgd_linf", {"steps": 2.5}, "steps is 2.5; expected an integer"),
    ("pgd_linf", {"random_start": torch.ones(2)}, "random_start is tensor.*; expected True or False"),
    ("pgd_linf", {"random_start": "yes"}, "random_start is 'yes'; expected True or False"),
    ("pgd_linf", {"loss": ["margin"]}, "loss is .'margin'.; expected a number|unknown loss"),
    ("pgd_linf", {"loss": None}, "unknown loss 'None'"),
    ("pgd_linf", {"loss": Image.new("L", (2, 2))}, "unknown loss"),
    ("carlini_wagner_l2", {"margin": [1.0, 2.0]}, "margin takes one number for all images, not 2"),
    ("carlini_wagner_l2", {"search_steps": 10**7}, "search_steps is 10000000; expected an integer"),
    ("pgap", {"kappa": 1e308}, r"kappa is 1e\+308, too large"),
    ("sa_fgm", {"size": 1e308}, r"size is 1e\+308, too large"),
    ("smooth_carlini_wagner_l2", {"memory": 1e308}, r"memory is 1e\+308, too large"),
    ("smooth_carlini_wagner_l2", {"neighbours": torch.ones(3)}, "neighbours takes one number for all images"),
    ("pgd_linf", {"alpha": 0.1}, "unknown setting of pgd_linf 'alpha'.*Known: .*step_size"),
    ("pgd_linf", {"epz": 0.1}, "unknown setting of pgd_linf 'epz'; did you mean 'eps'"),
]


@pytest.mark.parametrize(("name", "given", "said"), SETTINGS, ids=[f"{n} {s[:30]}" for n, _, s in SETTINGS])
def test_a_setting_that_is_none_is_refused_by_its_name(name, given, said):
    with pytest.raises(UsageError, match=said) as error:
        getattr(attacks, name)(**given)
    one_line(error)


@pytest.mark.parametrize("name", attacks.FACTORIES)
@pytest.mark.parametrize("model", [NET, MODEL], ids=["module", "classifier"])
def test_a_factory_that_is_given_a_model_says_where_the_model_goes(name, model):
    told = rf"{name} makes an attack of its settings.*: {name}\(…\)\(model, images, labels\)"
    with pytest.raises(UsageError, match=told):
        attacks.FACTORIES[name](model)
    with pytest.raises(UsageError, match=told):
        attacks.FACTORIES[name](model=model)


def test_too_many_settings_are_one_line():
    with pytest.raises(UsageError, match="fgsm: too many positional arguments; it takes eps, loss"):
        attacks.fgsm(0.1, "margin", 3)


@pytest.mark.parametrize(
    ("name", "said"),
    [("pgd", "did you mean pgd_l2 or|did you mean pgd_linf or"), ("PGD", "no attack"), ("ddm", "mean ddn")],
)
def test_an_attack_of_another_name_is_told_its_kin(name, said):
    with pytest.raises(AttributeError, match=said):
        getattr(attacks, name)
    assert not hasattr(attacks, name)


CALLS = [
    ({"targeted": torch.tensor([1, 2])}, r"targeted is tensor\(\[1, 2\]\); expected True or False"),
    ({"targeted": 3}, "targeted is 3; expected True or False"),
    ({"lattice": 0}, "lattice is 0; expected None, or an integer of 1 or more"),
    ({"lattice": X.numpy()}, "lattice is array"),
    ({"ids": 3}, "ids are int; expected a list of one name per image"),
    ({"ids": "ab"}, "ids are str; expected a list"),
    ({"ids": ["a"]}, "1 ids for 2 images"),
    ({"ids": X.to("meta")}, "ids are Tensor; expected a list"),
    ({"masks": X}, r"masks must be bool \(2, 1, 16, 16\)"),
    ({"masks": "face"}, "masks must be bool .* not str"),
    ({"masks": X.to_sparse()}, "masks are a torch.sparse_coo tensor"),
    ({"masks": np.zeros((2, 16, 16))}, "masks must be bool .* not ndarray"),
    ({"masks": np.zeros((2, 8, 8), bool)}, r"masks must be bool .* not torch.bool \(2, 1, 8, 8\)"),
]


@pytest.mark.parametrize(("given", "said"), CALLS, ids=[s[:24] for _, s in CALLS])
def test_what_an_attack_cannot_be_called_with_is_refused_by_its_name(given, said):
    with pytest.raises(UsageError, match=said) as error:
        attacks.fgsm()(MODEL, X, Y, **given)
    one_line(error)


@pytest.mark.parametrize("flat", [True, False])
def test_masks_may_be_an_array(flat):
    inside = np.zeros((2, 16, 16), bool)
    inside[:, 4:12, 4:12] = True
    attack = attacks.dual_perturbation(eps_foreground=1.0, eps_background=2.0, steps=2, mask="data")
    given = inside if flat else inside[:, None]
    expected = attack(MODEL, X, Y, masks=torch.from_numpy(inside[:, None]))
    assert torch.equal(attack(MODEL, X, Y, masks=given).images, expected.images)


CLASSIFIERS = [
    ({"mean": X.to("meta")}, "mean is tensor.*expected numbers"),
    ({"mean": "0.5"}, "mean is '0.5'"),
    ({"mean": [0.5, "a"]}, "expected numbers"),
    ({"std": 0}, "std above 0"),
    ({"std": X}, "std"),
    ({"bounds": None}, "bounds None; expected numbers"),
    ({"bounds": X.numpy()}, "bounds array.*expected numbers"),
    ({"bounds": (1, 0)}, "expected a lower and a greater upper number"),
    ({"class_names": "abc"}, "class_names are 'abc'; expected a list of one text per class"),
    ({"class_names": 3}, "class_names are 3; expected a list"),
    ({"class_names": [1, 2, 3]}, r"class_names are \(1, 2, 3\)"),
    ({"class_names": torch.ones(3)}, "class_names are tensor"),
    ({"channels": None}, "unknown order of channels 'None'"),
    ({"channels": ["RGB"]}, "unknown order of channels"),
    ({"channels": "RBG"}, "unknown order of channels 'RBG'"),
    ({"device": "cuda:7"}, "device 'cuda:7' was asked for|cannot compute on device 'cuda:7'"),
    ({"device": "cuda:-1"}, "device|unknown"),
    ({"device": "meta"}, "cannot compute on device 'meta'"),
    ({"device": "xpu"}, "cannot compute on device 'xpu'"),
    ({"device": "vulkan"}, "cannot compute on device 'vulkan'"),
    ({"device": "gpu"}, "unknown device 'gpu'; use cpu, cuda or cuda:0"),
    ({"device": ""}, "unknown device ''"),
    ({"device": 3.5}, "unknown device 3.5"),
    ({"device": X}, "unknown device tensor"),
]


@pytest.mark.parametrize(("given", "said"), CLASSIFIERS, ids=[f"{[*g]} {s[:20]}" for g, s in CLASSIFIERS])
def test_a_classifier_that_makes_no_sense_is_refused(given, said):
    with pytest.raises(UsageError, match=said) as error:
        limen.Classifier(NET, **given)
    one_line(error)


def test_a_classifier_moves_with_its_preprocessing_and_says_what_it_is():
    made = limen.Classifier(NET, mean=[51, 102, 153], std=51, bounds=(0, 255), class_names=["a", "b", "c"])
    before = made(X)
    assert made.to("cpu") is made
    assert torch.equal(made(X), before)
    said = "<Classifier Sequential: 127 weights on cpu, mean 51 102 153, std 51, bounds 0 255, 3 classes>"
    assert repr(made) == said
    assert repr(limen.Classifier(nn.Flatten())) == "<Classifier Flatten: 0 weights on cpu>"
    assert repr(catalog.model("demo:digits")).startswith("<Classifier demo:digits: ")
    with pytest.raises(UsageError, match="cannot compute on device 'meta'"):
        made.to("meta")
    with pytest.raises(UsageError, match="cannot compute on device 'meta'"):
        defenses.Defended(made, defenses.bilateral).to("meta")
    assert torch.equal(made(X), before)


SPECS = {"None": None, "number": 3, "tensor": X, "list": ["fgsm"], "bytes": b"fgsm"}


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("table", ["attack", "attack_or_grid", "data", "model", "metric", "defense"])
def test_a_spec_that_is_no_text_is_one_line(table, spec):
    with pytest.raises(
        UsageError, match=r"is named by a text, and not by|a spec is a text, and not"
    ) as error:
        getattr(catalog, table)(SPECS[spec])
    one_line(error)


WRITTEN: list[tuple[Any, str]] = [
    (X, r"has shape \(2, 3, 16, 16\)"),
    (X[0].numpy(), "the image is ndarray"),
    (None, "the image is NoneType"),
    (X[0].to("meta"), "the image is Tensor"),
    (X[0].permute(1, 2, 0), r"has shape \(16, 16, 3\)"),
    (X[0] * 2, "scale them to|reach"),
]


@pytest.mark.parametrize(("image", "said"), WRITTEN, ids=[s[:20] for _, s in WRITTEN])
def test_what_is_no_image_is_not_written(tmp_path, image, said):
    with pytest.raises(UsageError, match=said):
        limen.images.write_image(tmp_path / "a.png", image)
    assert not [*tmp_path.iterdir()]


UNROUNDED = {"None": None, "number": 3, "text": "a", "int": X.long(), "half": X.half(), "array": X.numpy()}


@pytest.mark.parametrize("given", [*UNROUNDED, "sparse"])
def test_only_floats_are_rounded(given):
    with pytest.raises(UsageError, match=r"expected a tensor of torch\.float32 or torch\.float64"):
        limen.images.quantize(UNROUNDED.get(given, X.to_sparse() if given == "sparse" else None))


def test_tensors_of_inference_mode_are_taken_and_its_own_calls_say_why_not():
    with torch.inference_mode():
        images, labels = X.clone(), Y.clone()
    attack = attacks.pgd_linf(steps=2)
    assert torch.equal(attack(MODEL, images, labels).images, attack(MODEL, X, Y).images)
    assert torch.equal(metrics.ssim(images, X), metrics.ssim(X, X))
    assert isinstance(MODEL(images), Tensor)


def test_spectra_of_one_pixel_are_images_of_many_channels():
    limen.images.check_images(torch.rand(4, 200, 1, 1))
