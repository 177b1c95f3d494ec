"""What Limen does to a network does not change it: equal logits within rounding, or one clear error."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from limen import Classifier
from limen.attacks import Outcome, ddn, pgd_linf
from limen.errors import LimenError, LimenWarning

from .zoo import ATTACKED, REFUSED, UNSTEADY, WITHOUT_GRADIENT, dense, example

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.*is deprecated"),
    pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated"),
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
    pytest.mark.filterwarnings("ignore:Converting a tensor to a Python"),
]
FAR = 96 / 255


def made(build) -> nn.Module:
    torch.manual_seed(0)
    return build()


@pytest.fixture
def batch() -> Tensor:
    return torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)).mul(255).round().div(255)


@pytest.fixture(autouse=True)
def _random_numbers_stay():
    with torch.random.fork_rng():
        yield


def own(net: nn.Module, images: Tensor) -> Tensor:
    """What the network itself says, fed in the precision of its weights."""
    weights = [each.dtype for each in net.parameters() if each.is_floating_point()]
    with torch.no_grad():
        if not isinstance(net, torch.jit.RecursiveScriptModule):
            for part in net.modules():
                part.training = False
        said = net(images.to(weights[0] if weights else images.dtype, copy=True))
    while not isinstance(said, Tensor):
        if isinstance(said, dict):
            said = said.get("logits", next(iter(said.values())))
        elif hasattr(said, "scores"):
            said = said.scores
        else:
            said = said[0]
    return said


@pytest.mark.parametrize("name", ATTACKED)
def test_logits_are_the_networks_own_and_it_is_attacked(name, batch):
    net = made(ATTACKED[name])
    classifier, before = Classifier(net), batch.clone()
    logits = classifier(batch)
    expected = own(net, batch).float()
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(batch, before)
    assert classifier.repeatable
    labels = logits.argmax(1)
    outcome = pgd_linf(eps=FAR, steps=3, random_start=False)(classifier, batch, labels)
    assert bool(outcome.stuck.any()) is False
    assert not outcome.unconfirmed.any()
    assert torch.equal(own(net, outcome.images).argmax(1) != labels, outcome.success)
    assert torch.equal(batch, before)
    moved = pgd_linf(eps=FAR, steps=3, random_start=False).perturb(classifier, batch, labels)
    assert (moved - batch).abs().amax((1, 2, 3)).min() > 0


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
def test_a_network_without_a_gradient_answers_and_its_attack_is_one_clear_error(name, batch):
    net = made(WITHOUT_GRADIENT[name])
    classifier = Classifier(net)
    torch.testing.assert_close(classifier(batch), own(net, batch))
    for attack in (pgd_linf(steps=2), ddn(steps=2)):
        with pytest.raises(LimenError, match=r"no gradient flows|in its backward pass"):
            attack(classifier, batch, classifier(batch).argmax(1))


@pytest.mark.parametrize("name", UNSTEADY)
def test_a_network_whose_answer_is_not_always_the_same_is_told_of_once(name, batch):
    build, said = UNSTEADY[name]
    classifier = Classifier(made(build))
    with pytest.warns(LimenWarning, match=f"{said}.* to the same image|on what else is in its {said}"):
        classifier(batch)
    assert classifier.repeatable is (said == "batch")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(batch)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_classifier_is_one_clear_error(name, batch):
    build, said = REFUSED[name]
    with pytest.raises(LimenError, match=said) as caught:
        Classifier(made(build))(batch)
    assert "\n" not in str(caught.value)


class Alternating(nn.Module):
    """Says the contrary of itself at every other call."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.calls = dense(2), 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return self.net(images) * (-1) ** self.calls


def unsteady_outcome(batch: Tensor) -> tuple[Outcome, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier = Classifier(made(Alternating))
        labels = 1 - classifier(batch).argmax(1)  # the next call says the contrary
        # Its first look and its last are an even number of calls apart from that which asks again.
        outcome = pgd_linf(eps=0.0, steps=1, random_start=False)(classifier, batch, labels)
    return outcome, [str(each.message) for each in caught if each.category is LimenWarning]


def test_successes_that_do_not_hold_when_asked_again_are_counted_and_told(batch):
    outcome, told = unsteady_outcome(batch)
    assert outcome.success.any()
    assert torch.equal(outcome.unconfirmed, outcome.success)
    count = int(outcome.success.sum())
    assert f"Of {count} successes {count} did not hold when the model was asked again" in told[-1]


def test_random_numbers_of_torch_are_as_if_the_network_had_been_asked_once(batch):
    net = nn.Sequential(nn.Dropout(0.5), made(dense))
    torch.manual_seed(3)
    Classifier(net)(batch)
    drawn = torch.rand(2)
    torch.manual_seed(3)
    torch.testing.assert_close(drawn, torch.rand(2))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_are_enough_to_ask(count):
    classifier = Classifier(made(UNSTEADY["batch norm in train mode"][0]))
    images = example()[:count]
    if count == 0:
        assert classifier(images).shape == (0, 5)
        images = example()
    with pytest.warns(LimenWarning, match="on what else is in its batch"):
        classifier(images)


def test_images_in_half_precision_suit_a_network_in_half_precision(batch):
    net = made(dense).half()
    assert Classifier(net)(batch.half()).dtype == torch.float16
    with pytest.raises(LimenError, match=r"images are torch.float64, the model torch.float16"):
        Classifier(net)(batch.double())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_is_normalised_before_its_weights_round(dtype, batch):
    seen = []
    net = made(dense).to(dtype)
    net.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    Classifier(net, mean=0.3, std=0.1, ask=False)(batch)
    torch.testing.assert_close(seen[0], ((batch.double() - 0.3) / 0.1).to(dtype), rtol=1e-2, atol=1e-5)
    assert seen[0].dtype == dtype
