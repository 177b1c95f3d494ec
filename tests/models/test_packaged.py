"""Networks of ImageNet whose weights come with packages."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from limen import catalog
from limen.errors import LimenError, UsageError
from limen.images import Crop
from limen.models import WeightsError, packaged


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "crop"), [("efficientnet_lite0", Crop(224, 256)), ("efficientnet_lite1", Crop(240, 272))]
)
def test_the_weights_of_a_package_are_put_where_they_belong(real_data, name, crop):
    classifier = catalog.model(f"imagenet:{name}")
    published = load_file(real_data / "imagenet" / f"{name}.safetensors")
    found = classifier.module.state_dict()
    assert all(torch.equal(found[key], value) for key, value in published.items() if value.ndim)
    assert classifier.crop == crop
    assert classifier.class_names[0] == "tench, Tinca tinca"


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LimenError, match=r"pip install limen\[imagenet\]"):
        packaged.imagenet("efficientnet_lite0")
    with pytest.raises(UsageError, match="did you mean"):
        packaged.imagenet("efficientnet_lite")


def test_a_package_of_other_weights_is_refused(monkeypatch, tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pth")
    monkeypatch.setattr(packaged, "_file_of", lambda name: tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="install the package again"):
        packaged.imagenet("efficientnet_lite0")


def test_a_file_of_weights_such_as_training_writes_goes_in_place_of_the_packages(tmp_path):
    other = catalog.model("timm:tf_efficientnet_lite0,weights=random,num_classes=3")
    torch.save(other.module.state_dict(), tmp_path / "tuned.pth")
    with pytest.raises(WeightsError, match="shape"):
        catalog.model(f"imagenet:efficientnet_lite0,weights={tmp_path / 'tuned.pth'}")
    whole = catalog.model("timm:tf_efficientnet_lite0,weights=random")
    torch.save(whole.module.state_dict(), tmp_path / "whole.pth")
    read = catalog.model(f"imagenet:efficientnet_lite0,weights={tmp_path / 'whole.pth'}")
    assert read.fingerprint() == whole.fingerprint()
