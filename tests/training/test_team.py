from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch

from limen.errors import LimenError, UsageError
from limen.training import Adversarial, Settings, Team, assemble, train

from .networks import digits, equal, linear


def test_a_process_alone_needs_no_accelerate(monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert type(assemble()) is Team
    with pytest.raises(LimenError, match=r"need accelerate; run: pip install limen\[training\]"):
        assemble(precision="bf16")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LimenError, match=r"need accelerate"):
        assemble()


def test_fp16_on_the_cpu_is_refused():
    with pytest.raises(UsageError, match="fp16 needs a GPU; use bf16"):
        assemble(precision="fp16")


def test_half_precision_learns_and_attacks_and_measures_in_full():
    from limen.attacks import fgsm

    settings = Settings(epochs=3, precision="bf16", optimizer="adamw:learning_rate=0.01")
    half, full, seen = linear(), linear(), []
    half.module.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    history = train(
        half, *digits(), settings, objective=Adversarial(fgsm(eps=0.02)), team=assemble(precision="bf16")
    )
    assert torch.bfloat16 in seen
    assert seen[-1] == torch.float32
    assert history[-1].accuracy > 0.5
    exact = train(full, *digits(), replace(settings, precision="full"), objective=Adversarial(fgsm(eps=0.02)))
    assert not equal(half, full)
    assert abs(exact[-1].loss - history[-1].loss) < 0.05
