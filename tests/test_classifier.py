from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from limen import Classifier
from limen.classifier import ModelError, check_labels
from limen.defenses import Adaptive, Defended, jpeg
from limen.errors import LimenWarning, UsageError
from limen.smoothing import Smoothed


class Answer(nn.Module):
    """A module without parameters that answers by a function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor):
        return self.function(images)


def images(count: int, channels: int = 3, size: int = 8, seed: int = 0) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed))


def seeded(build):
    """A module whose weights are drawn with a fixed seed, the global generator left alone."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build()


def flat(values: int, classes: int) -> tuple[nn.Module, nn.Module]:
    return nn.Flatten(), nn.Linear(values, classes)


def small_conv_net() -> nn.Module:
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            *flat(128, 3),
        )
    )


def logits_and_gradient(classifier: Classifier, batch: Tensor) -> tuple[Tensor, Tensor]:
    batch = batch.clone().requires_grad_()
    logits = classifier(batch)
    (gradient,) = torch.autograd.grad(logits.logsumexp(1).sum() + logits[:, 0].sum(), batch)
    return logits.detach(), gradient


@pytest.mark.filterwarnings("ignore:std is:limen.errors.LimenWarning")
@pytest.mark.parametrize("bounds", [(0, 1), (0, 255), (-1, 1)])
@pytest.mark.parametrize(
    ("mean", "std"), [(None, None), (0.5, 0.25), ([0.1, 0.2, 0.3], [0.5, 1.0, 2.0]), (None, [1.0, 2.0, 3.0])]
)
def test_the_module_sees_bounds_then_mean_and_std(mean, std, bounds):
    seen = []
    classifier = Classifier(
        Answer(lambda x: (seen.append(x), x.flatten(1)[:, :2])[1]), mean=mean, std=std, bounds=bounds
    )
    batch = images(2)
    classifier(batch)
    low, high = bounds
    shift = torch.tensor(0.0 if mean is None else mean).reshape(1, -1, 1, 1)
    scale = torch.tensor(1.0 if std is None else std).reshape(1, -1, 1, 1)
    assert torch.allclose(seen[0], ((low + batch * (high - low)) - shift) / scale, rtol=1e-5, atol=1e-4)


def test_normalisation_keeps_float64():
    classifier = Classifier(Answer(lambda x: x.flatten(1)[:, :2]), mean=0.5, std=0.25)
    assert classifier(images(2).double()).dtype == torch.float64


def test_logits_are_taken_from_an_output_that_has_them():
    classifier = Classifier(Answer(lambda x: SimpleNamespace(logits=x.flatten(1)[:, :4])))
    batch = images(3)
    assert torch.equal(classifier(batch), batch.flatten(1)[:, :4])


def test_a_model_in_training_mode_answers_as_in_eval_mode_and_is_left_in_training_mode():
    module = nn.Sequential(small_conv_net(), nn.Dropout(0.5))
    batch = images(6)
    expected = module.eval()(batch)
    module.train()
    module[0][2].eval()
    statistics = module[0][1].running_mean.clone(), module[0][1].num_batches_tracked.clone()
    torch.testing.assert_close(Classifier(module)(batch), expected)
    parts = (module, module[0], module[0][1], module[0][2], module[1])
    assert [part.training for part in parts] == [True, True, True, False, True]
    assert torch.equal(module[0][1].running_mean, statistics[0])
    assert torch.equal(module[0][1].num_batches_tracked, statistics[1])


def test_parameters_get_no_gradient_and_their_flags_come_back():
    module = small_conv_net()
    module[0].weight.requires_grad_(False)
    flags = [parameter.requires_grad for parameter in module.parameters()]
    _, gradient = logits_and_gradient(Classifier(module), images(2))
    assert gradient.abs().sum() > 0
    assert [parameter.requires_grad for parameter in module.parameters()] == flags
    assert all(parameter.grad is None for parameter in module.parameters())


def test_flags_come_back_when_the_module_raises():
    module = nn.Sequential(nn.Linear(2, 2), Answer(lambda x: x.unknown))
    with pytest.raises(
        ModelError, match=r"raised AttributeError on images of shape \(1, 3, 8, 8\)|raised Run"
    ):
        Classifier(module)(images(1))
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_frozen_blocks_nest():
    module = small_conv_net()
    classifier = Classifier(module)
    with classifier.frozen():
        with classifier.frozen():
            assert not module.training
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())
    assert module.training


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda x: x.flatten(), r"returned shape \(576,\) for 3 images; expected \(N, K\)"),
        (lambda x: x.flatten(1)[:1], r"returned shape \(1, 192\) for 3 images"),
        (lambda x: x.flatten(1)[:, :1], "K >= 2 classes"),
        (lambda x: x.flatten(1) * float("nan"), "NaN or infinite logits for 3 of 3 images"),
        (lambda x: x.flatten(1) / torch.tensor([[1.0], [0.0], [1.0]]), "infinite logits for 1 of 3 images"),
        (lambda x: [1, 2], "returned list; expected a tensor"),
        (lambda x: x.flatten(1).int(), "returned torch.int32; expected floating-point logits"),
        (lambda x: x.flatten(1) > 0.5, "returned torch.bool; expected floating-point logits"),
        (lambda x: x @ x.flatten(), "the model raised RuntimeError on images of shape"),
    ],
)
def test_answers_that_are_no_logits_are_refused(answer, reason):
    with pytest.raises(ModelError, match=reason):
        Classifier(Answer(answer))(images(3))


def test_class_names_must_be_as_many_as_logits():
    module = Answer(lambda x: x.flatten(1)[:, :3])
    assert Classifier(module, class_names=["a", "b", "c"]).class_names == ("a", "b", "c")
    with pytest.raises(ModelError, match="2 class names for 3 logits"):
        Classifier(module, class_names=["a", "b"])(images(1))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"module": lambda x: x}, "must be a torch.nn.Module, not function"),
        ({"device": "cpux"}, "unknown device 'cpux'"),
        ({"std": 0.0}, "std 0.0"),
        ({"std": float("nan")}, "std nan"),
        ({"mean": float("inf")}, "mean is inf"),
        ({"mean": [0.5, 0.5], "std": [1.0, 1.0, 1.0]}, "mean has 2 channels, std 3"),
        ({"bounds": (1, 0)}, r"bounds are \(1, 0\)"),
        ({"bounds": (0, float("nan"))}, "bounds"),
        ({"bounds": None}, "mean is None, std None and bounds None; expected numbers"),
        ({"mean": "0.5"}, "mean is '0.5'"),
        ({"bounds": (0, 1, 2)}, "expected numbers"),
        ({"device": "meta"}, "cannot compute on device 'meta'"),
        ({"module": nn.Linear(2, 2, device="meta")}, "on the meta device"),
        ({"module": nn.Sequential(nn.LazyLinear(3))}, "lazy parameters"),
        (
            {"module": nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False))},
            "0 is a batch norm without running statistics",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, reason):
    with pytest.raises(UsageError, match=reason):
        Classifier(**{"module": nn.Linear(2, 2), **arguments})


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_scripted_batch_norm_without_running_statistics_is_refused_too():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(12, track_running_stats=False), nn.Linear(12, 2))
    with pytest.raises(UsageError, match="1 is a batch norm without running statistics"):
        Classifier(torch.jit.script(net))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_absent_is_refused():
    with pytest.raises(UsageError, match="sees no CUDA device"):
        Classifier(nn.Linear(2, 2), device="cuda")


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        (images(1).double(), "images are torch.float64, the model torch.float32"),
        (images(1).to("meta"), "images are a meta tensor"),
        (images(1, channels=2), "images have 2 channels, mean and std 3"),
    ],
)
def test_images_that_do_not_fit_are_refused(batch, reason):
    with pytest.raises(UsageError, match=reason):
        Classifier(small_conv_net(), mean=[0.1, 0.2, 0.3])(batch)


def test_a_network_fed_with_bgr_takes_three_channels_alone():
    with pytest.raises(UsageError, match="images have 4 channels; a network fed with BGR takes 3"):
        Classifier(Answer(lambda x: x.flatten(1)[:, :2]), channels="BGR")(images(1, channels=4))


def test_an_error_of_limens_own_inside_a_network_is_told_as_it_is():
    def refuse(batch):
        raise UsageError("mine")

    with pytest.raises(UsageError, match=r"^mine$"):
        Classifier(Answer(refuse))(images(1))


def test_a_network_for_one_image_at_a_time_answers_it_and_is_not_asked_about_two():
    def alone(batch):
        if len(batch) > 1:
            raise ValueError("one at a time")
        return batch.flatten(1)[:, :2]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = images(1)
        assert torch.equal(Classifier(Answer(alone))(batch), alone(batch))


def test_the_fingerprint_is_not_of_the_mode_or_the_names():
    module, twin = small_conv_net(), small_conv_net()
    fingerprint = Classifier(module).fingerprint()
    assert len(fingerprint) == 64
    assert Classifier(twin.eval(), class_names=["a", "b", "c"]).fingerprint() == fingerprint
    with torch.no_grad():
        twin[0].weight[0, 0, 0, 0] += 1e-6
    assert Classifier(twin).fingerprint() != fingerprint


def test_the_fingerprint_is_of_tensors_alone_whatever_else_a_module_keeps():
    class Noted(nn.Linear):
        def get_extra_state(self):
            return {"note": object()}

    module, noted = nn.Linear(2, 2), Noted(2, 2)
    noted.weight, noted.bias = module.weight, module.bias
    assert Classifier(noted).fingerprint() == Classifier(module).fingerprint()


def test_the_fingerprint_tells_which_weights_are_which():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    one, other = (nn.ModuleDict(dict(zip(names, (first, second), strict=True))) for names in ("ab", "ac"))
    assert Classifier(one).fingerprint() != Classifier(other).fingerprint()


def test_an_empty_batch_gives_no_logits():
    assert Classifier(small_conv_net())(images(0)).shape == (0, 3)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([0, 1], "torch.int64 tensor of shape"),
        (torch.tensor([0.0, 1.0]), "torch.int64 tensor of shape"),
        (torch.tensor([[0], [1]]), r"not torch.int64 \(2, 1\)"),
        (torch.tensor([0]), "1 labels for 2 images"),
        (torch.tensor([0, 1], device="meta"), "labels are on meta, images on cpu"),
        (torch.tensor([0, -1]), r"labels\[1\] is -1; it must be 0 or more"),
        (torch.tensor([5, 0]), r"labels\[0\] is 5; .* less than the model's 5 classes"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, reason):
    with pytest.raises(UsageError, match=reason):
        check_labels(labels, images(2), classes=5)


def test_the_fingerprint_tells_weights_and_preprocessing_apart():
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    classifiers = [
        Classifier(net),
        Classifier(net, 0.5, 0.5),
        Classifier(net, 0.5, 0.25),
        Classifier(net, bounds=(0, 255)),
    ]
    before = [each.fingerprint() for each in classifiers]
    assert len(set(before)) == len(before)
    assert [each.fingerprint() for each in classifiers] == before
    with torch.no_grad():
        net[1].bias += 1
    assert not set(before).intersection(each.fingerprint() for each in classifiers)


@pytest.mark.parametrize("options", [{}, {"mean": [0.1, 0.2, 0.3], "std": 0.5}, {"channels": "BGR"}])
def test_a_network_of_three_channels_is_shown_a_grey_image_in_each(options):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.LazyLinear(5))
    net(torch.zeros(1, 3, 8, 8))
    classifier, grey = Classifier(net, **options), torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(classifier(grey), classifier(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}, r"mean is \[123.7, .* by 255, or say"),
        ({"mean": 0.5, "std": 58.4}, r"std is \[58.4\], .* a range of 0.017: divide mean and std by 255"),
        (
            {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "bounds": (0, 255)},
            r"std is \[0.229, .* a range of 1138: multiply mean and std by 255, or say bounds=\(0, 1\)",
        ),
    ],
    ids=["bytes", "std-of-bytes", "std-of-shares"],
)
def test_mean_and_std_of_other_units_than_the_images_are_told(given, said):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises((UsageError, LimenWarning), match=said):
            Classifier(nn.Flatten(), **given)


@pytest.mark.parametrize(
    "given",
    [
        {"mean": 123.7, "std": 58.4, "bounds": (0, 255)},
        {"mean": [104.0, 117.0, 123.0], "std": 1.0, "bounds": (0, 255)},
        {"mean": 0.48, "std": 1 / 255},
        {"std": 255.0, "bounds": (0, 255)},
    ],
    ids=["bytes", "caffe", "levels", "scaled"],
)
def test_mean_and_std_of_published_networks_are_nothing_to_warn_of(given):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Classifier(nn.Flatten(), **given)


@pytest.mark.parametrize(
    "around",
    [lambda inside: Defended(inside, jpeg), Adaptive, Smoothed],
    ids=["defended", "adaptive", "smoothed"],
)
def test_a_classifier_around_another_moves_it_too(around, monkeypatch):
    inside, moved = Classifier(nn.Flatten()), []
    made = around(inside)
    monkeypatch.setattr(inside, "to", moved.append)
    assert made.to("cpu") is made
    assert moved == ["cpu"]


def test_a_device_is_called_as_its_tensors_call_it():
    classifier = Classifier(nn.Flatten()).to("cpu:0")
    batch = torch.rand(2, 1, 2, 2)
    torch.testing.assert_close(classifier(batch), batch.flatten(1))
