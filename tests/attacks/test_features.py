"""The features of published networks, whose weights stand-ins replace here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limen.attacks import features


@pytest.mark.parametrize(
    ("make", "name"),
    [(features.alexnet, "alex"), (features.vgg, "vgg"), (features.squeezenet, "squeeze")],
    ids=["alexnet", "vgg", "squeezenet"],
)
def test_a_published_network_is_shown_grey_images_in_three_channels(make, name, monkeypatch):
    monkeypatch.setattr(features, "feature_network", lambda *given: lambda images: [*given, images])
    grey = torch.rand(2, 1, 4, 4)
    which, given, weights, shown = make(grey, Path("net.pth"))
    assert (which, weights) == (name, Path("net.pth"))
    assert given is grey
    assert torch.equal(shown, grey.repeat(1, 3, 1, 1))
