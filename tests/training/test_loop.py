from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from limen import data
from limen.classifier import Classifier
from limen.errors import LimenError, UsageError
from limen.images import ImageFileError
from limen.models.demo import digit_network
from limen.training import Settings, accuracy, cross_entropy, train


def digits(count: int = 128):
    return data.demo("digits", split="train", count=count), data.demo("digits", count=100)


def fresh(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return digit_network(10)


def equal(a: nn.Module, b: nn.Module) -> bool:
    others = b.state_dict()
    return all(torch.equal(value, others[name]) for name, value in a.state_dict().items())


def test_a_short_training_learns():
    module = fresh()
    history = train(module, *digits(500), Settings(epochs=2))
    assert history[-1].accuracy > 0.7  # chance: 0.1
    assert history[1].loss < history[0].loss
    assert accuracy(Classifier(module), digits()[1]) == history[-1].accuracy


def test_the_learning_rate_rises_and_falls_once_over_all_epochs(monkeypatch):
    groups, step = [], torch.optim.AdamW.step

    def noted(self, *arguments, **keywords):
        groups.append(dict(self.param_groups[0]))
        return step(self, *arguments, **keywords)

    monkeypatch.setattr(torch.optim.AdamW, "step", noted)
    train(fresh(), *digits(), Settings(epochs=4, batch_size=16, learning_rate=0.01, weight_decay=0.25))
    rates = [group["lr"] for group in groups]
    peak = rates.index(max(rates))
    assert len(rates) == 32
    assert 0 < peak < 8
    assert max(rates) == pytest.approx(0.01)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < 1e-4
    assert {group["weight_decay"] for group in groups} == {0.25}


def test_the_loss_of_an_epoch_is_a_mean_over_images_and_the_module_is_left_in_eval_mode():
    def count(module, images, labels):
        return module(images).sum() * 0 + len(images)

    module = fresh()
    (epoch,) = train(module, *digits(), Settings(epochs=1, batch_size=48), loss=count)
    assert epoch.loss == pytest.approx((48**2 + 48**2 + 32**2) / 128)
    assert not module.training


def test_the_same_seed_gives_the_same_weights_whatever_the_global_generator():
    modules, states = [], []
    for global_seed, seed in ((1, 0), (2, 0), (1, 5)):
        module = fresh()
        torch.manual_seed(global_seed)
        before = torch.get_rng_state()
        train(module, *digits(), Settings(epochs=1, seed=seed))
        states.append(torch.equal(before, torch.get_rng_state()))
        modules.append(module)
    assert equal(modules[0], modules[1])
    assert not equal(modules[0], modules[2])
    assert all(states)


@pytest.mark.parametrize("interrupted_after", [1, 2])
def test_an_interrupted_training_resumes_to_the_same_weights(tmp_path, interrupted_after):
    class PullThePlugError(Exception):
        pass

    def pull(epoch):
        if epoch.number == interrupted_after:
            raise PullThePlugError

    whole, parts, settings = fresh(), fresh(), Settings(epochs=3)
    expected = train(whole, *digits(), settings)
    with pytest.raises(PullThePlugError):
        train(parts, *digits(), settings, checkpoint=tmp_path / "state", progress=pull)
    # A new process starts from other random weights.
    parts, seen = fresh(seed=9), []
    history = train(parts, *digits(), settings, checkpoint=tmp_path / "state", progress=seen.append)
    assert equal(whole, parts)
    assert [(epoch.number, epoch.loss, epoch.accuracy) for epoch in history] == [
        (epoch.number, epoch.loss, epoch.accuracy) for epoch in expected
    ]
    assert [epoch.number for epoch in seen] == list(range(interrupted_after + 1, 4))


def test_a_finished_training_is_not_repeated(tmp_path):
    module, settings = fresh(), Settings(epochs=1)
    first = train(module, *digits(), settings, checkpoint=tmp_path / "state")
    again = fresh(seed=9)
    assert train(again, *digits(), settings, checkpoint=tmp_path / "state") == first
    assert equal(module, again)


def test_a_checkpoint_of_other_settings_is_refused_by_name(tmp_path):
    train(fresh(), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")
    with pytest.raises(
        UsageError, match=r"state: .*other settings \(epochs was 1, now 2; seed was 0, now 3\)"
    ):
        train(fresh(), *digits(), Settings(epochs=2, seed=3), checkpoint=tmp_path / "state")
    with pytest.raises(UsageError, match="train_set was demo:digits,split=train,count=128, now"):
        train(fresh(), *digits(64), Settings(epochs=1), checkpoint=tmp_path / "state")


def test_a_checkpoint_of_another_network_or_a_broken_one_is_refused(tmp_path):
    train(fresh(), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")
    with pytest.raises(UsageError, match="of another network; remove the file to start again"):
        train(digit_network(11), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")
    for content in (b"", (tmp_path / "state").read_bytes()[:1000]):
        (tmp_path / "state").write_bytes(content)
        with pytest.raises(LimenError, match="no checkpoint that can be read; remove it to start again"):
            train(fresh(), *digits(), Settings(epochs=1), checkpoint=tmp_path / "state")


def test_the_loss_is_a_choice():
    def negative(module, images, labels):
        return -cross_entropy(module, images, labels).clamp_max(20)

    learned, unlearned = fresh(), fresh()
    train(learned, *digits(), Settings(epochs=2))
    history = train(unlearned, *digits(), Settings(epochs=2), loss=negative)
    assert history[-1].accuracy < 0.2
    assert not equal(learned, unlearned)


def test_views_are_drawn_anew_in_every_epoch():
    photos, seen = data.demo("photos", split="train", count=24), []

    def watch(module, images, labels):
        seen.append(images.clone())
        return cross_entropy(module, images, labels)

    net = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 12))
    train(net, photos, data.demo("photos", count=12), Settings(epochs=2, batch_size=24), loss=watch)
    views = torch.cat(seen)
    assert len(views) == 48
    assert len(views.flatten(1).unique(dim=0)) == 48


def test_the_network_is_in_train_mode_for_the_loss_and_in_eval_mode_for_the_test():
    modes = []

    class Spy(nn.Linear):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x.flatten(1))

    train(Spy(784, 10), *digits(32), Settings(epochs=1, batch_size=32))
    assert modes[0] is True
    assert not any(modes[1:])


def test_a_bad_image_ends_the_training_unless_someone_listens():
    good = digits(40)[0]

    def read(index):
        if index == 7:
            raise ImageFileError("seven.png is truncated")
        return good.load(index)

    bad, skipped = data.Dataset("bad", good.ids, read, good.class_names), []
    with pytest.raises(LimenError, match=r"seven\.png is truncated"):
        train(fresh(), bad, good, Settings(epochs=1))
    train(fresh(), bad, good, Settings(epochs=1), on_skip=lambda *report: skipped.append(report))
    assert skipped == [("00007", "seven.png is truncated")]


def test_a_loss_that_diverges_is_one_clear_error():
    with pytest.raises(LimenError, match="the loss became nan in epoch 1; lower the learning rate"):
        train(fresh(), *digits(32), Settings(epochs=1), loss=lambda m, x, y: cross_entropy(m, x, y) * np.nan)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"seed": -1},
        {"seed": 2**32},
        {"weight_decay": -0.1},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Settings(**{"epochs": 1, **wrong})
