"""A classifier answers as the network itself does, whatever the network does and however images come."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from limen import Classifier
from limen.attacks import ddn, pgd_linf
from limen.classifier import ModelError
from limen.errors import UsageError


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
    """A module drawn with a fixed seed."""
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


def pointwise_net() -> nn.Module:
    """Convolutions of a single pixel have kernels of their own."""
    return seeded(
        lambda: nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 1), *flat(64 * 36, 10))
    )


def dense_net() -> nn.Module:
    return seeded(lambda: nn.Sequential(*flat(192, 32), nn.Tanh(), nn.Linear(32, 10)))


SMALL = pytest.mark.parametrize("build", [small_conv_net, pointwise_net, dense_net])


def logits_and_gradient(classifier: Classifier, batch: Tensor) -> tuple[Tensor, Tensor]:
    batch = batch.clone().requires_grad_()
    logits = classifier(batch)
    (gradient,) = torch.autograd.grad(logits.logsumexp(1).sum() + logits[:, 0].sum(), batch)
    return logits.detach(), gradient


class Keyword(nn.Module):
    """Calls its dense layers by keyword, on vectors and on sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.head = nn.Linear(8, 6), nn.Linear(6, 4)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.tokens(input=images.flatten(1, 2)).tanh().mean(1)
        return torch.stack([self.head(input=vector) for vector in tokens])


class Cosine(nn.Linear):
    """A dense layer with an argument more, as the heads of face recognition have it."""

    def forward(self, features: Tensor, scale: float) -> Tensor:
        return nn.functional.linear(nn.functional.normalize(features), self.weight) * scale


class Subclass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = Cosine(192, 5)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1), 20.0)


class InPlace(nn.Module):
    """Normalises its input in place, as code that saves memory does."""

    def __init__(self) -> None:
        super().__init__()
        self.net = dense_net()

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images.sub_(0.5).div_(0.25))


class DataInPlace(InPlace):
    """Changes its input behind autograd's back."""

    def forward(self, images: Tensor) -> Tensor:
        images.data.mul_(0.5)
        return self.net(images)


NETWORKS = {
    "convolutions": small_conv_net,
    "pointwise": pointwise_net,
    "dense": dense_net,
    "keyword": lambda: seeded(Keyword),
    "subclass": lambda: seeded(Subclass),
    "in place": InPlace,
    "in place, unseen": DataInPlace,
    "first ReLU in place": lambda: nn.Sequential(nn.ReLU(inplace=True), dense_net()),
}


@pytest.mark.parametrize("count", [1, 2, 15, 16, 40])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_gradient_are_the_networks_own_and_images_stay(name, count):
    module, batch = NETWORKS[name]().eval(), images(count)
    before = batch.clone()
    logits, gradient = logits_and_gradient(Classifier(module), batch)
    with torch.no_grad():
        torch.testing.assert_close(Classifier(module)(batch), logits)
    assert torch.equal(batch, before)
    own = batch.clone().requires_grad_()
    expected = module(own * 1.0)
    (slope,) = torch.autograd.grad(expected.logsumexp(1).sum() + expected[:, 0].sum(), own)
    torch.testing.assert_close(logits, expected.detach())
    torch.testing.assert_close(gradient, slope)


@pytest.mark.parametrize("normalised", [{}, {"mean": 0.5, "std": 0.25}])
def test_an_attack_on_a_network_that_works_in_place_is_that_on_its_twin_that_does_not(normalised):
    batch = images(5).mul(255).round().div(255)
    outcomes = []
    for in_place in (True, False):
        classifier = Classifier(nn.Sequential(nn.ReLU(inplace=in_place), dense_net()), **normalised)
        labels = classifier(batch).argmax(1)
        outcomes.append(pgd_linf(steps=4)(classifier, batch, labels))
    assert outcomes[0].success.any()
    assert torch.equal(outcomes[0].images, outcomes[1].images)


def seen_by(module: nn.Module) -> list[int]:
    """The rows of each later call of the module, the hooks below it counted as a mistake."""
    rows: list[int] = []

    def note(_, args: tuple[Tensor, ...]) -> None:
        assert not any(part._forward_hooks for part in module.modules())
        rows.append(len(args[0]))

    module.register_forward_pre_hook(note)
    return rows


def test_a_batch_is_one_call_but_large_images_of_convolutions_on_a_cpu_go_in_pieces():
    net = nn.Sequential(nn.Conv2d(3, 2, 3, stride=16), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    dense = nn.Sequential(nn.AdaptiveAvgPool2d(4), *flat(48, 2))
    for module, count, size, pieces in [
        (net, 1, 32, [1]),
        (net, 128, 32, [128]),
        (net, 1, 224, [1]),
        (net, 8, 224, [8]),
        (net, 15, 224, [15]),
        (net, 20, 224, [10, 10]),
        (net, 8, 300, [8]),
        (net, 8, 324, [4, 4]),
        (dense, 20, 224, [20]),
    ]:
        rows = seen_by(module)
        batch = images(count, size=size)
        torch.testing.assert_close(Classifier(module, ask=False)(batch), module(batch))
        assert rows[:-1] == pieces
        module._forward_pre_hooks.clear()


@SMALL
def test_an_images_logits_agree_to_rounding_in_every_batch_and_order(build):
    classifier, batch = Classifier(build()), images(33)
    order = torch.randperm(33, generator=torch.Generator().manual_seed(1))
    logits, gradient = logits_and_gradient(classifier, batch)
    for rows in (order, order[:1], order[:7], order[:16]):
        some_logits, some_gradient = logits_and_gradient(classifier, batch[rows])
        torch.testing.assert_close(some_logits, logits[rows])
        torch.testing.assert_close(some_gradient, gradient[rows])


def test_a_network_in_half_precision_inside_answers_in_the_images_precision():
    class Half(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :4].bfloat16()

    logits, gradient = logits_and_gradient(Classifier(Half()), images(2))
    assert (logits.dtype, gradient.dtype) == (torch.float32, torch.float32)


def test_a_model_that_draws_random_numbers_is_told_of_once():
    class Noisy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.dropout(images.flatten(1), 0.5, training=True)

    classifier = Classifier(Noisy())
    with torch.random.fork_rng():
        with pytest.warns(UserWarning, match="answers differently to the same image"):
            classifier(images(2))
        classifier(images(2))  # warnings are errors in this suite
        Classifier(nn.Sequential(nn.Dropout(0.5), dense_net()))(images(2))


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: x.detach().flatten(1),
        lambda x: torch.from_numpy(x.detach().numpy()).flatten(1),
        torch.no_grad()(lambda x: x.flatten(1) * 2),
    ],
)
def test_a_model_without_a_gradient_answers_and_says_so_where_one_is_asked_for(answer):
    classifier, batch = Classifier(Answer(answer)), images(2)
    assert classifier(batch).shape == (2, 192)
    with pytest.raises(ModelError, match="no gradient flows through the model"):
        classifier(batch.requires_grad_())
    with pytest.raises(ModelError, match="no gradient flows through the model"):
        ddn(steps=2)(classifier, images(2), torch.tensor([0, 1]))


def test_autocast_around_an_attack_or_a_call_is_refused_and_inside_the_network_it_is_not():
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = dense_net()

        def forward(self, images: Tensor) -> Tensor:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.net(images)

    classifier, batch = Classifier(Mixed()), images(3)
    labels = classifier(batch).argmax(1)
    assert ddn(steps=3)(classifier, batch, labels).images.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for call in (lambda: classifier(batch), lambda: ddn(steps=3)(classifier, batch, labels)):
            with pytest.raises(UsageError, match=r"torch\.autocast is on"):
                call()


def test_inference_mode_serves_answers_and_refuses_gradients():
    classifier, batch = Classifier(dense_net()), images(3)
    labels = classifier(batch).argmax(1)
    with torch.inference_mode():
        torch.testing.assert_close(classifier(batch), classifier(batch.clone()))
        with pytest.raises(UsageError, match=r"torch\.inference_mode is on"):
            pgd_linf(steps=2)(classifier, batch, labels)
        made = dense_net()
    with pytest.raises(UsageError, match=r"was made in torch\.inference_mode"):
        Classifier(made)


@pytest.fixture(scope="module")
def networks(nets):
    return {
        "mobilenet_v2": (Classifier(nets.mobilenet_v2()), 224),
        "cifar_resnet20": (Classifier(nets.cifar_resnet(20)), 32),
    }


@pytest.mark.data
@pytest.mark.parametrize("name", ["mobilenet_v2", "cifar_resnet20"])
def test_real_networks_agree_to_rounding_in_every_batch(networks, name):
    classifier, size = networks[name]
    batch = images(12, size=size)
    logits, gradient = logits_and_gradient(classifier, batch)
    assert gradient.abs().sum() > 0
    for count in (1, 7):
        some_logits, some_gradient = logits_and_gradient(classifier, batch[-count:])
        for some, all_of_them in ((some_logits, logits), (some_gradient, gradient)):
            assert (some - all_of_them[-count:]).norm() <= 1e-4 * some.norm()


@pytest.mark.data
@pytest.mark.parametrize("attack", [pgd_linf(steps=3), ddn(steps=5)], ids=["pgd_linf", "ddn"])
def test_attacks_on_a_real_network_agree_in_every_batch(networks, attack):
    classifier, size = networks["cifar_resnet20"]
    batch = images(7, size=size).mul(255).round().div(255)
    labels = classifier(batch).argmax(1)
    together = attack(classifier, batch, labels)
    assert together.success.any()
    for row in range(7):
        one = slice(row, row + 1)
        alone = attack(classifier, batch[one], labels[one], ids=[row])
        assert alone.success == together.success[one]
        share = ((alone.images - together.images[one]).abs() > 0.5 / 255).float().mean()
        assert share < 0.05
