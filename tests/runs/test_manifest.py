from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.errors import UsageError
from limen.runs import AttackEntry, DataEntry, Manifest, ModelEntry, RunError, Settings, SkippedImage
from limen.runs.manifest import FORMAT, read_manifest


@given(
    names=st.none() | st.lists(st.text(max_size=5), max_size=3).map(tuple),
    lattice=st.none() | st.integers(1, 255),
    labels=st.lists(st.text(max_size=9), max_size=4),
    targeted=st.booleans(),
)
def test_a_manifest_survives_the_round_trip(names, lattice, labels, targeted):
    manifest = Manifest(
        model=ModelEntry("m", "00", names),
        data=DataEntry("d", 3, names),
        settings=Settings(2**40, lattice, targeted),
        skipped=(SkippedImage("é\n", "broken"),),
    ).with_attacks(labels)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_the_file_has_the_documented_keys(manifest):
    content = json.loads(manifest.to_json())
    assert content["format"] == 1
    assert content["model"] == {
        "spec": "demo:photos",
        "weights": "ab" * 32,
        "class_names": ["cat", "<script>"],
    }
    assert content["data"]["count"] == 4
    assert content["settings"] == {"seed": 3, "lattice": 255, "targeted": False}
    assert content["attacks"][0] == {"label": "fgsm:eps=0.1", "folder": "fgsm-eps=0.1"}
    assert content["skipped"] == []
    assert {"python", "torch", "numpy"} <= content["versions"].keys()
    assert {"limen", "created", "device"} <= content.keys()


def test_adding_attacks_keeps_the_folders_of_those_there(manifest):
    more = manifest.with_attacks(["DDN", "ddn", "fgsm:eps=0.2"])
    assert more.attacks[:2] == manifest.attacks
    assert more.labels == ("fgsm:eps=0.1", "ddn", "DDN", "fgsm:eps=0.2")
    assert more.folder("DDN").lower() != "ddn"


def test_an_attack_that_the_run_lacks_is_named(manifest):
    with pytest.raises(UsageError, match=r"no attack 'pgd'.*ddn"):
        manifest.folder("pgd")


def test_only_what_decides_the_results_makes_a_difference(manifest):
    same = replace(manifest, device="cuda", created="later", versions={}, attacks=())
    assert manifest.differences(same) == []
    other = replace(manifest, settings=Settings(4, None, True), model=ModelEntry("m", "00"))
    assert manifest.differences(other) == [
        "model: 'demo:photos' in the run, 'm' now",
        f"weights: '{'ab' * 32}' in the run, '00' now",
        "seed: 3 in the run, 4 now",
        "lattice: 255 in the run, None now",
        "targeted: False in the run, True now",
    ]


def _changed(path: list, value):
    def change(content: dict) -> None:
        *parents, last = path
        for key in parents:
            content = content[key]
        content[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_changed(["format"], FORMAT + 1), "upgrade Limen"),
        (_changed(["format"], "1"), "not the manifest of a run"),
        (_changed(["format"], True), "format is bool, expected int"),
        (_changed(["model"], None), "model is NoneType, expected dict"),
        (_changed(["model"], {"spec": "m"}), "model lacks weights, class_names"),
        (_changed(["model", "class_names"], [1]), r"model.class_names\[0\] is int, expected str"),
        (_changed(["data", "count"], 1.5), "data.count is float, expected int"),
        (_changed(["settings", "seed"], True), "settings.seed is bool, expected int"),
        (_changed(["versions"], {"torch": 2}), "versions.torch is int, expected str"),
        (_changed(["attacks"], {}), "attacks is dict, expected list"),
        (_changed(["attacks", 0, "folder"], "../../etc"), "no plain folder name"),
        (_changed(["attacks", 0, "folder"], "original"), "no plain folder name"),
        (_changed(["attacks", 0, "folder"], "DDN"), "share a label or a folder"),
        (_changed(["attacks", 0, "label"], "ddn"), "share a label or a folder"),
        (lambda content: content.pop("skipped"), "the file lacks skipped"),
    ],
)
def test_a_hostile_manifest_is_one_error_that_names_the_file(tmp_path, manifest, change, message):
    content = json.loads(manifest.to_json())
    change(content)
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=rf"run\.json: .*{message}"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[]", b"null", b"[" * 100_000, b'"run"'])
def test_a_file_that_is_no_manifest_is_one_error_that_names_it(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text)
    with pytest.raises(RunError, match=r"run\.json: "):
        read_manifest(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        read_manifest(tmp_path / "nowhere")


def test_entries_with_folders_of_a_later_scheme_are_read_as_they_are(manifest):
    other = replace(manifest, attacks=(AttackEntry("ddn", "anything"),))
    assert Manifest.from_json(other.to_json()).folder("ddn") == "anything"
