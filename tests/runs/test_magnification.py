"""Magnified pictures in a run directory: the round trip, replacement, and broken or hostile files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from limen.errors import UsageError
from limen.runs import (
    Magnification,
    Run,
    RunError,
    create_or_resume,
    magnified_path,
    open_run,
    read_magnification,
    write_magnification,
)
from limen.runs.files import decode_png

from ..named import identity

FGSM, DDN = "fgsm:eps=0.1", "ddn"


@pytest.fixture
def run(tmp_path, manifest) -> Run:
    with create_or_resume(tmp_path / "run", manifest):
        return open_run(tmp_path / "run")


@pytest.fixture
def magnification() -> Magnification:
    return Magnification(0.8, 5.0, 0.2, 15, (FGSM, DDN), {"../é": (FGSM, DDN), "b": (DDN,)})


@pytest.fixture
def pictures(magnification, pixels) -> dict:
    keys = [(key, label) for key, fooled in magnification.pictured.items() for label in (None, *fooled)]
    return {key: pixels(seed) for seed, key in enumerate(keys)}


def test_pictures_and_settings_survive_the_round_trip(run, magnification, pictures):
    path = write_magnification(run, magnification, pictures)
    assert path == run.directory / "evaluation" / "magnification.json"
    found = read_magnification(run)
    assert found == magnification
    assert list(found.pictured) == ["../é", "b"]
    for key, pixels in pictures.items():
        np.testing.assert_array_equal(decode_png(magnified_path(run, *key)), pixels)
    assert magnified_path(run, "b", None).parent.name == "original"
    assert magnified_path(run, "b", DDN).parent.name == run.manifest.folder(DDN)


def test_a_run_without_pictures_has_none(run):
    assert read_magnification(run) is None


def test_no_name_leads_out_of_the_folder(run):
    for image_id in ("../../etc/passwd", "..", "", "a\\b", "/etc"):
        path = magnified_path(run, image_id, None)
        assert path.resolve().parent == (run.directory / "evaluation" / "magnified" / "original").resolve()
    with pytest.raises(UsageError, match="has no attack"):
        magnified_path(run, "b", "../..")


def test_later_pictures_take_the_place_of_the_first(run, magnification, pictures):
    write_magnification(run, magnification, pictures)
    other = replace(magnification, beta=0.5, pictured={"b": ()})
    changed = 255 - pictures["b", None]
    write_magnification(run, other, {("b", None): changed})
    assert read_magnification(run) == other
    np.testing.assert_array_equal(decode_png(magnified_path(run, "b", None)), changed)


def test_pictures_of_two_scales_are_never_listed_together(run, magnification, pictures, monkeypatch):
    write_magnification(run, magnification, pictures)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(RunError, match="the disk is full"):
        write_magnification(run, magnification, pictures)
    monkeypatch.undo()
    assert read_magnification(run) is None


def test_a_resumed_run_keeps_its_pictures(run, magnification, pictures):
    write_magnification(run, magnification, pictures)
    with create_or_resume(run.directory, run.manifest.with_attacks([identity("pgd")])):
        pass
    assert read_magnification(open_run(run.directory)) == magnification


def test_pictures_that_are_not_listed_or_missing_are_refused(run, magnification, pictures):
    write_magnification(run, magnification, pictures)
    for changed in ({}, pictures | {("c", None): pictures["b", None]}):
        with pytest.raises(UsageError, match="needs the pictures that it lists, and no others"):
            write_magnification(run, magnification, changed)
    assert read_magnification(run) == magnification


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "has format 2, this Limen reads up to 1; upgrade Limen"),
        ({"format": "1"}, "format is str, expected int"),
        ({"format": 0}, "has format 0, expected 1: not the magnification of a run"),
        ({"beta": "0.8"}, "beta is str, expected float"),
        ({"range": float("nan")}, "has settings that are not finite"),
        ({"radius": None}, "radius is NoneType"),
        ({"attacks": [FGSM, "pgd"]}, r"is of attack 'pgd', which run\.json does not list"),
        ({"attacks": [DDN, DDN]}, "names an attack twice"),
        ({"attacks": [FGSM]}, r"has pictures of '\.\./é' that are not one for each of its attacks"),
        ({"pictured": {"b": [DDN, DDN]}}, "has pictures of 'b' that are not one"),
        ({"pictured": [["b", DDN]]}, "pictured is list, expected dict"),
        ({"pictured": {"b": [1]}}, r"pictured\.b\[0\] is int, expected str"),
    ],
)
def test_a_hostile_file_is_one_error_that_names_it(run, magnification, pictures, change, message):
    path = write_magnification(run, magnification, pictures)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change))
    with pytest.raises(RunError, match=rf"magnification\.json: .*{message}"):
        read_magnification(run)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"{}", b"[" * 100_000])
def test_a_file_that_is_no_list_of_pictures_is_one_error_that_names_it(run, content):
    path = run.directory / "evaluation" / "magnification.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"magnification\.json: "):
        read_magnification(run)
