from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from limen import Classifier, data
from limen.attacks import pgd_l2
from limen.errors import LimenError, UsageError
from limen.identity import Identity
from limen.images import ImageFileError
from limen.training import CrossEntropy, Epoch, Lagrangian, Settings, Step, accuracy, train
from limen.training.reading import Plan, Share, read

from .networks import digits, equal, fresh, linear


def test_a_short_training_learns():
    classifier = fresh()
    history = train(classifier, *digits(500), Settings(epochs=2))
    assert history[-1].accuracy > 0.7  # chance: 0.1
    assert history[1].loss < history[0].loss
    assert accuracy(classifier, digits()[1]) == history[-1].accuracy
    assert history[-1].robust_accuracy is None


def test_steps_are_those_of_a_loop_written_by_hand():
    """On a linear network without dropout, against torch alone."""
    trained, by_hand = linear(), linear()
    images, labels = digits(96)[0], []
    train(trained, *digits(96), Settings(epochs=2, batch_size=32, optimizer="sgd:learning_rate=0.1"))
    module = by_hand.module
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    samples = [images.load(index) for index in range(96)]
    pixels, labels = torch.stack([s.image for s in samples]), torch.tensor([s.label for s in samples])
    for epoch in (1, 2):
        order = torch.randperm(96, generator=torch.Generator().manual_seed(epoch))
        for number, rows in enumerate(order.split(32)):
            step = 3 * (epoch - 1) + number
            # Six steps: the first is the peak, the five others fall along a cosine.
            rate = 1.0 if step == 0 else 0.5 * (1 + np.cos(np.pi * (step - 1) / 5))
            optimizer.param_groups[0]["lr"] = 0.1 * rate
            optimizer.zero_grad()
            cross_entropy(module(pixels[rows]), labels[rows]).backward()
            optimizer.step()
    for ours, theirs in zip(trained.module.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_learning_rate_rises_and_falls_once_over_all_epochs():
    seen = []
    settings = Settings(epochs=4, batch_size=16, optimizer="adamw:learning_rate=0.01,weight_decay=0.25")
    train(linear(), *digits(), settings, listen=lambda event, _: seen.append(event))
    rates = [each.learning_rate for each in seen if isinstance(each, Step)]
    peak = rates.index(max(rates))
    assert len(rates) == 32
    assert 0 < peak < 8
    assert max(rates) == pytest.approx(0.01)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 1e-4
    assert [each.learning_rate for each in seen if isinstance(each, Epoch)] == rates[7::8]


def test_a_network_learns_images_as_its_classifier_normalises_them():
    def loss(learner, lesson):
        fed.append(learner(lesson.images).detach())
        return cross_entropy(learner(lesson.images), lesson.labels, reduction="none")

    plain, scaled, fed = linear(), linear(), []
    scaled = Classifier(scaled.module, mean=0.5, std=0.25)
    train(plain, *digits(32), Settings(epochs=1), objective=loss)
    train(scaled, *digits(32), Settings(epochs=1), objective=loss)
    pixels = digits(32)[0].load(0).image[None]
    torch.testing.assert_close(scaled(pixels), scaled.module((pixels - 0.5) / 0.25))
    assert not torch.allclose(fed[0], fed[1], atol=0.1)


def test_a_network_in_double_precision_learns():
    double = linear()
    double.module.double()
    (epoch,) = train(Classifier(double.module), *digits(), Settings(epochs=1))
    single = linear()
    (close,) = train(single, *digits(), Settings(epochs=1))
    assert epoch.loss == pytest.approx(close.loss, rel=1e-5)
    assert next(double.module.parameters()).dtype == torch.float64


def test_a_network_that_returns_more_than_logits_in_training_learns_by_these():
    class Two(nn.Linear):
        """As Inception v3 does, whose second output is for training alone."""

        def forward(self, x):
            logits = super().forward(x.flatten(1))
            return SimpleNamespace(logits=logits, aux=None) if self.training else logits

    (epoch,) = train(Classifier(Two(784, 10)), *digits(), Settings(epochs=1))
    assert epoch.accuracy > 0.1


def test_the_loss_of_an_epoch_is_a_mean_over_images_and_the_module_is_left_in_eval_mode():
    def count(learner, lesson):
        return learner(lesson.images).sum(1) * 0 + len(lesson.ids)

    classifier, seen = fresh(), []
    (epoch,) = train(
        classifier,
        *digits(),
        Settings(epochs=1, batch_size=48),
        objective=count,
        listen=lambda event, _: seen.append(event),
    )
    assert epoch.loss == pytest.approx((48**2 + 48**2 + 32**2) / 128)
    assert [each.loss for each in seen[:-1]] == [48, 48, 32]
    assert not classifier.module.training


def test_the_same_seed_gives_the_same_weights_whatever_the_global_generator():
    trained, states = [], []
    for global_seed, seed in ((1, 0), (2, 0), (1, 5)):
        classifier = fresh()
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        train(classifier, *digits(), Settings(epochs=1, seed=seed))
        states.append(torch.equal(before, torch.get_rng_state()))
        trained.append(classifier)
    assert equal(trained[0], trained[1])
    assert not equal(trained[0], trained[2])
    assert all(states)


def test_dropout_differs_from_step_to_step():
    seen = []

    def watch(learner, lesson):
        seen.append(torch.nn.functional.dropout(torch.ones(64), 0.5))
        return cross_entropy(learner(lesson.images), lesson.labels, reduction="none")

    train(linear(), *digits(96), Settings(epochs=2), objective=watch)
    assert len(torch.stack(seen).unique(dim=0)) == 6


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_that_read_change_nothing(workers):
    settings = Settings(epochs=2, augment=("crop:padding=2+flip",))
    alone, helped = fresh(), fresh()
    first = train(alone, *digits(), settings)
    second = train(helped, *digits(), settings, workers=workers)
    assert equal(alone, helped)
    assert [(each.loss, each.accuracy) for each in first] == [(each.loss, each.accuracy) for each in second]


class PullThePlugError(Exception):
    pass


@pytest.mark.parametrize("interrupted_at", [(1, 2), (1, 4), (2, 1), (3, 3)])
def test_a_training_interrupted_at_any_step_resumes_to_the_same_weights(tmp_path, interrupted_at):
    def pull(event, _):
        if isinstance(event, Step) and (event.epoch, event.number) == interrupted_at:
            raise PullThePlugError

    whole, parts, settings = fresh(), fresh(), Settings(epochs=3)
    expected = train(whole, *digits(), settings)
    with pytest.raises(PullThePlugError):
        train(parts, *digits(), settings, checkpoint=tmp_path / "state", every=0, listen=pull)
    # A new process starts from other random weights.
    parts, seen = fresh(seed=9), []
    history = train(
        parts, *digits(), settings, checkpoint=tmp_path / "state", listen=lambda event, _: seen.append(event)
    )
    assert equal(whole, parts)
    assert [(each.number, each.loss, each.accuracy) for each in history] == [
        (each.number, each.loss, each.accuracy) for each in expected
    ]
    steps = [(each.epoch, each.number) for each in seen if isinstance(each, Step)]
    # What was done before the last checkpoint is not done again.
    assert steps[0] in (interrupted_at, (interrupted_at[0], max(1, interrupted_at[1] - 1)))
    assert len(steps) < 12 or interrupted_at == (1, 2)


def test_a_finished_training_is_not_repeated(tmp_path):
    classifier, settings = fresh(), Settings(epochs=1)
    first = train(classifier, *digits(), settings, checkpoint=tmp_path / "state")
    again = fresh(seed=9)
    assert train(again, *digits(), settings, checkpoint=tmp_path / "state") == first
    assert equal(classifier, again)


def test_a_checkpoint_of_other_settings_is_refused_by_name(tmp_path):
    train(fresh(), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")
    with pytest.raises(
        UsageError, match=r"state: .*other settings \(epochs was 1, now 2; seed was 0, now 3\)"
    ):
        train(fresh(), *digits(), Settings(epochs=2, seed=3), checkpoint=tmp_path / "state")
    with pytest.raises(UsageError, match="train_set was demo:digits,split=train,count=128, now"):
        train(fresh(), *digits(64), Settings(epochs=1), checkpoint=tmp_path / "state")
    with pytest.raises(UsageError, match=r"objective was CrossEntropy, now CrossEntropy:smoothing=0\.1"):
        train(
            fresh(),
            *digits(),
            Settings(epochs=1),
            objective=CrossEntropy(0.1),
            checkpoint=tmp_path / "state",
        )


def test_a_checkpoint_of_another_network_or_a_broken_one_is_refused(tmp_path):
    train(fresh(), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")
    with pytest.raises(UsageError, match="of another network; remove the file to start again"):
        train(fresh(classes=11), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")
    for content in (b"", (tmp_path / "state").read_bytes()[:1000]):
        (tmp_path / "state").write_bytes(content)
        with pytest.raises(LimenError, match="no checkpoint that can be read; remove it to start again"):
            train(fresh(), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")


class Grouped:
    """Group DRO (Sagawa et al. 2020) in a few lines: its weights of groups are a state."""

    identity = Identity("grouped", {})

    def __init__(self, rate: float = 0.1) -> None:
        self.rate, self.weights = rate, torch.full((10,), 0.1)

    def state_dict(self):
        return {"weights": self.weights}

    def load_state_dict(self, state):
        self.weights = state["weights"]

    def __call__(self, learner, lesson):
        losses = cross_entropy(learner(lesson.images), lesson.labels, reduction="none")
        sums = torch.zeros(10).index_add(0, lesson.labels, losses.detach() * lesson.weights)
        counts = torch.zeros(10).index_add(0, lesson.labels, lesson.weights)
        means = learner.total(sums) / learner.total(counts).clamp_min(1)
        raised = self.weights * (self.rate * means).exp()
        self.weights = raised / raised.sum()
        return 10 * self.weights[lesson.labels] * losses


def test_an_objectives_state_goes_into_checkpoints(tmp_path):
    def pull(event, _):
        if isinstance(event, Step) and (event.epoch, event.number) == (2, 2):
            raise PullThePlugError

    whole, parts, settings = linear(), linear(), Settings(epochs=2)
    first, second, third = Grouped(), Grouped(), Grouped()
    train(whole, *digits(), settings, objective=first)
    assert not torch.equal(first.weights, torch.full((10,), 0.1))
    with pytest.raises(PullThePlugError):
        train(
            parts,
            *digits(),
            settings,
            objective=second,
            checkpoint=tmp_path / "state",
            every=0,
            listen=pull,
        )
    train(parts, *digits(), settings, objective=third, checkpoint=tmp_path / "state")
    assert equal(whole, parts)
    assert torch.equal(first.weights, third.weights)


def test_views_are_drawn_anew_in_every_epoch():
    photos, seen = data.demo("photos", split="train", count=24), []

    def watch(learner, lesson):
        seen.append(lesson.images.clone())
        return cross_entropy(learner(lesson.images), lesson.labels, reduction="none")

    net = Classifier(nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 12)))
    train(net, photos, data.demo("photos", count=12), Settings(epochs=2, batch_size=24), objective=watch)
    views = torch.cat(seen)
    assert len(views) == 48
    assert len(views.flatten(1).unique(dim=0)) == 48


def test_the_network_is_in_train_mode_for_the_loss_and_in_eval_mode_for_the_test():
    modes = []

    class Spy(nn.Linear):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x.flatten(1))

    train(Classifier(Spy(784, 10), ask=False), *digits(32), Settings(epochs=1, batch_size=32))
    assert modes == [False, True] + [False] * (len(modes) - 2)


def test_what_needs_no_gradient_stays_as_it_is():
    classifier = fresh()
    for part in list(classifier.module)[:-1]:
        part.requires_grad_(False)
    before = {name: value.clone() for name, value in classifier.module.state_dict().items()}
    train(classifier, *digits(64), Settings(epochs=1))
    changed = {
        name for name, value in classifier.module.state_dict().items() if not value.equal(before[name])
    }
    assert changed == {"10.weight", "10.bias"}
    for parameter in classifier.module.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(UsageError, match="no parameter that could learn"):
        train(classifier, *digits(64), Settings(epochs=1))


def test_gradients_are_cut_to_the_norm_that_is_asked_for():
    def steep(learner, lesson):
        return 1e4 * cross_entropy(learner(lesson.images), lesson.labels, reduction="none")

    classifier, before = linear(), linear()
    plain = "sgd:learning_rate=0.01,momentum=0,weight_decay=0"
    settings = Settings(epochs=1, batch_size=128, optimizer=plain, schedule="constant", clip=0.5)
    train(classifier, *digits(), settings, objective=steep)
    pairs = zip(classifier.module.parameters(), before.module.parameters(), strict=True)
    moved = torch.cat([(a - b).detach().flatten() for a, b in pairs])
    assert float(moved.norm()) == pytest.approx(0.01 * 0.5, rel=1e-3)


def bad_digits():
    good = digits(40)[0]

    def read(index):
        if index == 7:
            raise ImageFileError("seven.png is truncated")
        return good.load(index)

    return data.Dataset("bad", good.ids, read, good.class_names), good


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_ends_the_training_unless_someone_listens(workers):
    bad, good = bad_digits()
    skipped = []
    with pytest.raises(LimenError, match=r"^seven\.png is truncated$"):
        train(fresh(), bad, good, Settings(epochs=1), workers=workers)
    for batch_size in (1, 32):
        train(
            linear(),
            bad,
            good,
            Settings(epochs=1, batch_size=batch_size),
            on_skip=lambda *report: skipped.append(report),
            workers=workers,
        )
    assert skipped == 2 * [("00007", "seven.png is truncated")]


def all_bad():
    def read(index):
        raise ImageFileError("truncated")

    return data.Dataset("bad", ("a", "b"), read, tuple("0123456789"))


@pytest.mark.parametrize(
    "use",
    [
        lambda bad, note: train(linear(), bad, digits(40)[1], Settings(epochs=1), on_skip=note),
        lambda bad, note: accuracy(linear(), bad, on_skip=note),
        lambda bad, note: Lagrangian(pgd_l2(steps=1), "l2")(linear(), bad, on_skip=note),
    ],
    ids=["training", "accuracy", "dual"],
)
def test_data_of_which_no_image_can_be_used_is_one_clear_error(use):
    skipped = []
    with pytest.raises(LimenError, match=r"^bad: none of the images can be used$"):
        use(all_bad(), lambda *report: skipped.append(report))
    assert sorted(skipped) == [("a", "truncated"), ("b", "truncated")]


def test_a_process_whose_share_of_a_batch_cannot_be_read_ends_for_all():
    plan = Plan.of_epoch(all_bad(), 1, 2, Share(0, 2), ())
    with pytest.raises(LimenError, match="bad: no image of a process's share of a batch can be used"):
        list(read(plan, 0, 0, lambda *report: None))


def test_a_loss_that_diverges_is_one_clear_error():
    def diverges(learner, lesson):
        return learner(lesson.images).sum(1) * np.nan

    with pytest.raises(LimenError, match="the loss became nan in epoch 1; lower the learning rate"):
        train(fresh(), *digits(32), Settings(epochs=1), objective=diverges)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.mean, r"shape \(\) for 32 images; expected one loss per sample"),
        (torch.detach, r"shape \(32,\) without a gradient for 32 images"),
        (torch.Tensor.tolist, "list for 32 images"),
    ],
    ids=["mean", "detached", "list"],
)
def test_an_objective_that_gives_no_loss_per_sample_is_one_clear_error(given, message):
    def objective(learner, lesson):
        return given(cross_entropy(learner(lesson.images), lesson.labels, reduction="none"))

    with pytest.raises(LimenError, match=f"the objective returned {message}"):
        train(linear(), *digits(32), Settings(epochs=1), objective=objective)


@pytest.mark.parametrize(
    ("setting", "wanted"), [("optimizer", "Optimizer"), ("sampling", "Drawn"), ("augment", "Sample")]
)
def test_what_a_users_own_function_returns_is_refused_where_it_is_of_no_use(tmp_path, setting, wanted):
    (tmp_path / "mine.py").write_text("def mine(*given):\n    return 3\n")
    spec = f"python:{tmp_path / 'mine.py'}:mine"
    settings = Settings(epochs=1, **{setting: (spec,) if setting == "augment" else spec})
    with pytest.raises(LimenError, match=rf"mine\.py:mine returned int; it must return a {wanted}$"):
        train(linear(), *digits(32), settings)


def test_a_label_outside_of_the_classes_is_one_clear_error():
    with pytest.raises(
        UsageError, match=r"labels\[\d+\] is \d; it must be 0 or more and less than .* 5 classes"
    ):
        train(linear(classes=5), *digits(32), Settings(epochs=1))


def test_images_of_several_sizes_or_for_another_network_are_one_clear_error():
    good = digits(40)[0]

    def read(index):
        sample = good.load(index)
        return sample if index % 2 else data.Sample(sample.id, torch.zeros(1, 30, 28), sample.label)

    mixed = data.Dataset("mixed", good.ids, read, good.class_names)
    with pytest.raises(LimenError, match=r"images of shapes \(1, \d+, 28\) and \(1, \d+, 28\) fit no common"):
        train(fresh(), mixed, good, Settings(epochs=1))
    with pytest.raises(LimenError, match="the model raised RuntimeError on images of shape"):
        train(linear(values=700), good, good, Settings(epochs=1))
