from __future__ import annotations

import pytest

from limen.errors import UsageError
from limen.training import Settings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"clip": 0.0}, "clip"),
        ({"clip": float("nan")}, "clip"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"precision": "half"}, "unknown precision 'half'"),
        ({"optimizer": "adam"}, "did you mean 'adamw'"),
        ({"optimizer": "adamw:learning_rate=0"}, "learning_rate must be positive"),
        ({"optimizer": "adamw:weight_decay=-0.1"}, "weight_decay must not be negative"),
        ({"optimizer": "sgd:nesterov=true,momentum=0"}, "momentum"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"schedule": "one_cycle:rise=1"}, "rise is 1"),
        ({"schedule": "multistep:at=0.5,2"}, "at is"),
        ({"augment": ("crop:padding=-1",)}, "padding is -1"),
        ({"augment": ("flip:probability=2",)}, "probability is 2"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        Settings(**{"epochs": 1, **wrong})


def test_no_two_epochs_of_near_seeds_share_their_random_numbers():
    settings = [Settings(epochs=1, seed=seed) for seed in range(50)]
    seeds = {each.epoch_seed(number) for each in settings for number in range(1, 50)}
    assert len(seeds) == 50 * 49
