from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import limen
from limen import catalog
from limen.errors import UsageError
from limen.identity import Identity
from limen.runs import AttackEntry, DataEntry, Manifest, ModelEntry, RunError, Settings, SkippedImage
from limen.runs.manifest import FORMAT, _installed_versions, read_manifest, write_manifest

from ..named import identity

VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)  # `as_value` makes it text
    | st.text(max_size=5)
    | st.lists(st.floats(0, 1), max_size=3).map(tuple)
)
NAMES = st.text("abc_", min_size=1, max_size=3)
IDENTITIES = st.builds(Identity, NAMES, st.dictionaries(NAMES, VALUES, max_size=3), st.none() | NAMES)


@given(
    names=st.none() | st.lists(st.text(max_size=5), max_size=3).map(tuple),
    lattice=st.none() | st.integers(1, 255),
    attacks=st.lists(IDENTITIES, max_size=4, unique_by=lambda each: each.label),
    targeted=st.booleans(),
)
def test_a_manifest_survives_the_round_trip(names, lattice, attacks, targeted):
    manifest = Manifest(
        model=ModelEntry("m", "00", names, tuple(attacks[:2]), "ab"),
        data=DataEntry("d", 3, names, "cd"),
        settings=Settings(2**40, lattice, targeted),
        skipped=(SkippedImage("é\n", "broken"),),
        versions={"torch": "2.0"},  # to look them up takes longer than all else
    ).with_attacks(attacks)
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_the_file_has_the_documented_keys(manifest):
    content = json.loads(manifest.to_json())
    assert content["format"] == 3
    assert content["model"] == {
        "spec": "demo:photos",
        "weights": "ab" * 32,
        "class_names": ["cat", "<script>"],
        "defenses": [],
        "code": None,
    }
    assert content["data"]["count"] == 4
    assert content["settings"] == {
        "seed": 3,
        "lattice": 255,
        "targeted": False,
        "aim": None,
        "adaptive": None,
    }
    assert content["attacks"][0]["folder"] == "fgsm-eps=0.1"
    assert content["attacks"][0]["identity"] == {
        "name": "fgsm",
        "parameters": {"eps": 0.1},
        "budget": "eps",
        "stated": ["eps"],
        "code": None,
    }
    assert content["skipped"] == []
    assert {"python", "torch", "numpy"} <= content["versions"].keys()
    assert {"limen", "created", "device"} <= content.keys()


def test_adding_attacks_keeps_the_folders_of_those_there(manifest):
    more = manifest.with_attacks(map(identity, ["DDN", "ddn", "fgsm:eps=0.2"]))
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


DIMMED = Identity("python:dim.py:dim", {}, code="aa")


@pytest.mark.parametrize(
    ("what", "entry", "change"),
    [
        ("file of the model", "model", {"code": "bb"}),
        ("defenses", "model", {"defenses": (replace(DIMMED, name="dim"),)}),
        ("files of the defenses", "model", {"defenses": (replace(DIMMED, code="bb"),)}),
        ("data", "data", {"spec": "folder:other"}),
        ("number of images", "data", {"count": 5}),
        ("names, classes or labels of the data", "data", {"fingerprint": "bb"}),
    ],
)
def test_each_thing_that_decides_the_results_makes_a_difference_of_its_own(manifest, what, entry, change):
    run = replace(manifest, model=replace(manifest.model, defenses=(DIMMED,), code="aa"))
    (difference,) = run.differences(replace(run, **{entry: replace(getattr(run, entry), **change)}))
    assert difference.startswith(f"{what}: ")


def test_another_file_of_a_metric_makes_a_difference(manifest):
    changed = replace(manifest.metrics[0], code="bb")
    (difference,) = manifest.differences(replace(manifest, metrics=(changed,)))
    assert difference == f"code of metric {changed.key}: None in the run, 'bb' now"


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
        (_changed(["format"], True), "expected 3: not the manifest of a run"),
        (_changed(["format"], 1), "of Limen 0.1, .* give the run's limen attack command another --out"),
        (_changed(["format"], 2), "of Limen 0.2.0, .* give the run's limen attack command another --out"),
        (
            _changed(["attacks", 0, "identity", "parameters"], {"eps": {}}),
            r"eps is {}: expected a valid string or a valid integer",
        ),
        (
            _changed(["attacks", 0, "identity", "parameters"], {"eps": [0.1, "a"]}),
            r"eps\[1\] is 'a': expected a valid number",
        ),
        (_changed(["model", "defenses"], ["blur"]), r"model.defenses\[0\] is 'blur': expected an object"),
        (_changed(["model", "class_names"], ["a\udcff"]), "not valid JSON"),
        (_changed(["model"], None), "model is None: expected an object"),
        (_changed(["model"], {"spec": "m"}), "model lacks weights"),
        (_changed(["model", "class_names"], [1]), r"model.class_names\[0\] is 1: expected a valid string"),
        (_changed(["data", "count"], 1.5), "data.count is 1.5: expected a valid integer"),
        (_changed(["settings", "seed"], True), "settings.seed is True: expected a valid integer"),
        (_changed(["versions"], {"torch": 2}), "versions.torch is 2: expected a valid string"),
        (_changed(["created"], "yesterday"), "created is 'yesterday', which is no time"),
        (_changed(["attacks"], {}), "attacks is {}: expected a valid array"),
        (_changed(["attacks", 0, "folder"], "../../etc"), "no plain folder name"),
        (_changed(["attacks", 0, "folder"], "original"), "no plain folder name"),
        (_changed(["attacks", 0, "folder"], "DDN"), "share a label or a folder"),
        (_changed(["attacks", 0, "identity"], asdict(identity("ddn"))), "share a label or a folder"),
        (lambda content: content.pop("skipped"), "the file lacks skipped"),
    ],
)
def test_a_hostile_manifest_is_one_error_that_names_the_file(tmp_path, manifest, change, message):
    content = json.loads(manifest.to_json())
    change(content)
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=rf"run\.json: .*{message}"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b"[]", b"null", pytest.param(b"[" * 100_000, id="nested"), b'"run"']
)
def test_a_file_that_is_no_manifest_is_one_error_that_names_it(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text)
    with pytest.raises(RunError, match=r"run\.json: "):
        read_manifest(tmp_path)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(UsageError, match="no run here"):
        read_manifest(tmp_path / "nowhere")


def test_entries_with_folders_of_a_later_scheme_are_read_as_they_are(manifest):
    other = replace(manifest, attacks=(AttackEntry(identity("ddn"), "anything"),))
    assert Manifest.from_json(other.to_json()).folder("ddn") == "anything"


def test_attacks_that_differ_in_their_budget_alone_are_one_family(manifest):
    more = manifest.with_attacks(map(identity, ["fgsm:eps=0.2", "fgsm:eps=0.1,loss=margin", "fgsm:eps=0.4"]))
    assert more.families() == {
        "fgsm": ("fgsm:eps=0.1", "fgsm:eps=0.2", "fgsm:eps=0.4"),
        "ddn": ("ddn",),
        "fgsm:eps=0.1,loss=margin": ("fgsm:eps=0.1,loss=margin",),
    }
    assert manifest.families() == {"fgsm:eps=0.1": ("fgsm:eps=0.1",), "ddn": ("ddn",)}
    assert (more.attack("fgsm:eps=0.2").budget, more.attack("ddn").budget) == ("0.2", None)


def test_a_parameter_that_is_no_budget_makes_another_attack(manifest):
    """A first radius bounds nothing, so the best of two would be no single attack's result."""
    attacks = [limen.attacks.ddn(eps=0.5).identity, limen.attacks.ddn(eps=2.0).identity]
    families = replace(manifest, attacks=()).with_attacks(attacks).families()
    assert families == {"ddn:eps=0.5": ("ddn:eps=0.5",), "ddn:eps=2": ("ddn:eps=2",)}


def test_an_attack_written_in_another_way_is_the_one_that_is_there(manifest):
    first, second = (catalog.attack(f"pgd_l2:{given}").identity for given in ("eps=3,steps=5", "steps=5"))
    assert manifest.with_attacks([first]) == manifest.with_attacks([first, second])
    assert manifest.with_attacks([first]).label_of(second) == "pgd_l2:eps=3,steps=5"


def test_an_attack_with_other_parameters_is_none_of_the_run(manifest):
    run = manifest.with_attacks([Identity("pgd", {"steps": 10}, stated=("steps",))])
    assert run.attack("pgd").label == "pgd:steps=10"  # as people write it
    with pytest.raises(UsageError, match="the run has no attack 'pgd'"):
        run.label_of(Identity("pgd", {"steps": 40}))
    with pytest.raises(UsageError, match=r"pgd:steps=10 is not the one .*loss: no value in the run, dlr now"):
        run.label_of(Identity("pgd", {"steps": 10, "loss": "dlr"}, stated=("steps",)))


def test_another_attack_of_the_same_label_is_refused_with_what_differs(manifest):
    mine = Identity("python:my.py:blur", {"size": 3}, code="aa")
    run = manifest.with_attacks([mine])
    with pytest.raises(UsageError, match=r"python:my\.py:blur is not .*its file has changed"):
        run.with_attacks([replace(mine, code="bb")])
    with pytest.raises(UsageError, match="size: 3 in the run, 4 now"):
        run.with_attacks([replace(mine, parameters={"size": 4})])


def test_a_name_that_is_no_unicode_is_refused_before_it_is_written(tmp_path, manifest):
    with pytest.raises(UsageError, match="rename"):
        write_manifest(tmp_path, replace(manifest, data=DataEntry("d", 3, ("a\udcff",))))
    assert list(tmp_path.iterdir()) == []


def test_packages_that_are_not_installed_have_no_version(monkeypatch):
    def lacking(package: str) -> str:
        if package != "torch":
            raise importlib.metadata.PackageNotFoundError(package)
        return "2"

    monkeypatch.setattr(importlib.metadata, "version", lacking)
    assert _installed_versions() == {"python": platform.python_version(), "torch": "2"}
