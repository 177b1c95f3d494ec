"""What a newcomer writes for a spec is answered with the spec that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from limen import catalog
from limen.errors import UsageError


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "flat").mkdir()
    for file in ("photos/cat/a.png", "flat/a.png", "me.jpg"):
        Image.new("RGB", (8, 8)).save(file)


@pytest.mark.parametrize(
    ("make", "spec", "meant"),
    [
        (catalog.data, "photos", "write folder:photos"),
        (catalog.data, "./photos,size=224", "write folder:./photos,size=224"),
        (catalog.data, "photos,size=224", "write folder:photos,size=224"),
        (catalog.data, "flat", "write images:flat"),
        (catalog.data, "me.jpg", "write images:me.jpg"),
        (catalog.data, "photos/cat/a.png", "write images:photos/cat/a.png"),
        (catalog.data, "test.npz", "write npz:test.npz"),
        (catalog.data, "list.csv,size=8", "write csv:list.csv,size=8"),
        (catalog.data, "mine.py", "write python:mine.py:NAME"),
        (catalog.data, "phot", "Known: cifar10"),
        (catalog.model, "net.pth", "torchvision:resnet50,weights=net.pth"),
        (catalog.model, "net.safetensors", "python:FILE.py:NAME,weights=net.safetensors"),
        (catalog.model, "net.py", "write python:net.py:NAME"),
        (catalog.model, "net.onnx", "python:FILE.py:NAME"),
        (catalog.model, "resnet50", "write torchvision:resnet50 or timm:resnet50"),
        (catalog.model, "tf_efficientnet_lite0", "write timm:tf_efficientnet_lite0"),
        (
            catalog.model,
            "google/vit-base",
            "no such file or folder; a model of the Hugging Face Hub is written hf:goo",
        ),
        (catalog.model, "torchvison:resnet50", "did you mean 'torchvision'"),
        (catalog.attack, "pgd", "pgd_linf"),
        (catalog.attack, "pgd", "pgd_l2"),
        (catalog.attack, "PGD:eps=1", "qpgd_l2"),
        (catalog.attack, "PGDL2", "did you mean pgd_l2?"),
        (catalog.attack, "FGSM", "did you mean fgsm?"),
        (catalog.attack, "DeepFool", "did you mean deepfool?"),
        (catalog.attack, "mi-fgsm", "did you mean mifgsm?"),
        (catalog.attack, "BIM", "did you mean ifgsm?"),
        (catalog.attack, "C&W", "carlini_wagner_l2"),
        (catalog.attack, "carlini", "smooth_carlini_wagner_l2"),
        (catalog.attack, "fgsm,ddn", "--attack fgsm --attack ddn"),
        (catalog.attack, "fgsm, ddn", "--attack fgsm --attack ddn"),
        (catalog.attack, "fgsm ddn", "--attack fgsm --attack ddn"),
        (catalog.attack_or_grid, "fgsm+ddn", "--attack fgsm --attack ddn"),
        (catalog.attack_or_grid, "pgd_l2:eps=1,2,ddn", "--attack pgd_l2:eps=1,2 --attack ddn"),
        (catalog.attack_or_grid, "fgsm:eps=0.1,ddn:steps=4", "--attack fgsm:eps=0.1 --attack ddn:steps=4"),
        (catalog.attack, "fgsm:eps=x", "eps must be number"),
        (catalog.attack, "apgd", "did you mean apgd_linf"),
        (catalog.attack, "foolbox.LinfPGD:eps=1", "write foolbox:LinfPGD:eps=1"),
        (catalog.attack, "adv-lib", "write advlib:NAME"),
        (catalog.attack, "", "unknown attack ''"),
        (catalog.attack, "zzz", "Known: advlib:NAME, apgd_l1"),
    ],
)
def test_what_was_meant_is_said_in_one_line(make, spec, meant):
    with pytest.raises(UsageError) as told:
        make(spec)
    assert meant in str(told.value)
    assert "\n" not in str(told.value)


def test_a_folder_that_may_not_be_looked_into_is_only_said_to_be_unknown(monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(UsageError, match="Known: cifar10") as told:
        catalog.data("photos")
    assert "write folder" not in str(told.value)
