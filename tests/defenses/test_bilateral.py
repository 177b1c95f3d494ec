"""The bilateral filter as a defence: its settings and what it accepts. The filter has tests of its own."""

from __future__ import annotations

import pytest
import torch

from limen import defenses
from limen.errors import UsageError
from limen.operators import bilateral_filter


def test_its_settings_are_the_papers():
    images = torch.rand(2, 3, 16, 16)
    expected = bilateral_filter(images, domain=0.5, range=0.2, radius=5)
    assert torch.equal(defenses.bilateral(images), expected)
    assert defenses.DEFENSES["bilateral"] is defenses.bilateral


def test_what_is_no_batch_of_images_is_refused():
    with pytest.raises(UsageError, match=r"scale them to \[0, 1\]"):
        defenses.bilateral(torch.full((1, 3, 16, 16), 255.0))
