from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from limen.errors import UsageError
from limen.runs import ModelEntry, RunError, Settings, SkippedImage, create_or_resume, open_run
from limen.runs.files import unfinished

from ..named import identity


def test_what_is_written_is_read_back(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path / "new" / "run", manifest) as run:
        run.write_originals({"cats/a": pixels(0), "b": pixels(1, channels=1)})
        run.write("ddn", [row("b", 1), row("cats/a", 0)], {"cats/a": pixels(2), "b": pixels(3, channels=1)})
        run.write("fgsm:eps=0.1", [row("b", 1, success=False)], {"b": pixels(4)})
        assert run.finished("ddn") == {"cats/a", "b"}
        assert run.finished("fgsm:eps=0.1") == {"b"}
    read = open_run(tmp_path / "new" / "run")
    assert read.manifest == manifest
    assert read.table().select(["attack", "index", "id", "success"]).to_pylist() == [
        {"attack": "ddn", "index": 0, "id": "cats/a", "success": True},
        {"attack": "ddn", "index": 1, "id": "b", "success": True},
        {"attack": "fgsm:eps=0.1", "index": 1, "id": "b", "success": False},
    ]
    np.testing.assert_array_equal(read.original("b"), pixels(1, channels=1))
    np.testing.assert_array_equal(read.image("ddn", "cats/a"), pixels(2))
    assert (tmp_path / "new/run/images/fgsm-eps=0.1/b.png").is_file()
    assert (tmp_path / "new/run/images/original/cats%2Fa.png").is_file()


def test_a_resumed_run_knows_what_is_finished_and_takes_more_attacks(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("a")], {"a": pixels(0)})
    with create_or_resume(
        tmp_path, replace(manifest, attacks=(), device="cuda").with_attacks([identity("jsma")])
    ) as run:
        assert run.finished("ddn") == {"a"}
        assert run.finished("jsma") == frozenset()
        run.write("jsma", [row("a")], {"a": pixels(1)})
    read = open_run(tmp_path)
    assert read.manifest == manifest.with_attacks([identity("jsma")])
    assert read.table().num_rows == 2


def test_the_name_of_an_attack_is_enough_where_the_run_has_no_other_of_it(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write("fgsm", [row("a")], {"a": pixels(0)})
        assert run.finished("fgsm") == run.finished("fgsm:eps=0.1") == {"a"}
    assert open_run(tmp_path).table()["attack"].to_pylist() == ["fgsm:eps=0.1"]


def test_other_settings_are_refused_with_what_differs(tmp_path, manifest):
    create_or_resume(tmp_path, manifest).close()
    other = replace(manifest, settings=Settings(seed=4), model=ModelEntry("demo:photos", "cd" * 32))
    with pytest.raises(
        UsageError, match=r"weights: 'abab.*seed: 3 in the run, 4 now\); choose another --out"
    ):
        create_or_resume(tmp_path, other)
    create_or_resume(tmp_path, manifest).close()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, manifest):
    (tmp_path / "thesis.tex").write_text("words")
    with pytest.raises(UsageError, match="not empty and not a run; choose another --out"):
        create_or_resume(tmp_path, manifest)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path, manifest):
    with create_or_resume(tmp_path, manifest):
        with pytest.raises(RunError, match=r"run\.lock: another process is writing"):
            create_or_resume(tmp_path, manifest)
        second = subprocess.run(
            [sys.executable, "-c", _OPEN, str(tmp_path), manifest.to_json()], capture_output=True, text=True
        )
        assert "another process is writing" in second.stderr
        assert open_run(tmp_path).manifest == manifest
    create_or_resume(tmp_path, manifest).close()


_OPEN = """
import sys
from limen import runs
runs.create_or_resume(sys.argv[1], runs.Manifest.from_json(sys.argv[2]))
"""


def test_a_batch_that_does_not_fit_writes_nothing(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("a")], {"a": pixels(0)})
        before = sorted(tmp_path.rglob("*"))
        for rows, images, message in [
            ([row("b")], {}, "same ids"),
            ([row("b"), row("b")], {"b": pixels(0)}, "same ids"),
            ([row("a")], {"a": pixels(1)}, "finished these images already: a"),
            ([{"label": 1}], {"b": pixels(0)}, "same ids"),
            ([row("b", steps=None)], {"b": pixels(0)}, "column steps has empty values"),
        ]:
            with pytest.raises(UsageError, match=message):
                run.write("ddn", rows, images)
        with pytest.raises(UsageError, match="no attack 'pgd'"):
            run.write("pgd", [row("b")], {"b": pixels(0)})
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("failing", range(5))
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_fails_at_any_file_loses_nothing(
    tmp_path, manifest, row, pixels, monkeypatch, failing, number
):
    # Five renames: two images before, two after the attack, and the part that commits them.
    renames = 0
    rename = os.replace

    def fail_once(*arguments):
        nonlocal renames
        renames += 1
        if renames == failing + 1:
            raise OSError(number, os.strerror(number))
        return rename(*arguments)

    def write_second(run):
        run.write_originals({"b": pixels(1), "c": pixels(2)})
        run.write("ddn", [row("b", 1), row("c", 2)], {"b": pixels(3), "c": pixels(4)})

    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("a")], {"a": pixels(0)})
        monkeypatch.setattr(os, "replace", fail_once)
        with pytest.raises(RunError, match=str(tmp_path)):
            write_second(run)
        monkeypatch.undo()
        assert run.finished("ddn") == {"a"}
    assert open_run(tmp_path).table()["id"].to_pylist() == ["a"]
    assert not [*tmp_path.rglob("*.limen.tmp")]
    with create_or_resume(tmp_path, manifest) as run:
        write_second(run)
    read = open_run(tmp_path)
    assert read.table()["id"].to_pylist() == ["a", "b", "c"]
    np.testing.assert_array_equal(read.image("ddn", "a"), pixels(0))
    np.testing.assert_array_equal(read.image("ddn", "c"), pixels(4))


def test_what_a_killed_process_left_is_cleaned_or_overwritten(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("a")], {"a": pixels(0)})
    for path in ("run.json", "records/00000001.parquet", "images/original/b.png", "images/ddn/b.png"):
        unfinished(tmp_path / path).write_bytes(b"half a file")
    (tmp_path / "images/ddn/b.png").write_bytes(b"an image without a record")
    with create_or_resume(tmp_path, manifest) as run:
        assert run.finished("ddn") == {"a"}
        assert not [*tmp_path.rglob("*.limen.tmp")]
        run.write("ddn", [row("b", 1)], {"b": pixels(1)})
    np.testing.assert_array_equal(open_run(tmp_path).image("ddn", "b"), pixels(1))


def test_a_process_killed_before_its_manifest_leaves_a_folder_that_can_be_used(tmp_path, manifest):
    (tmp_path / "run.lock").touch()
    unfinished(tmp_path / "run.json").write_bytes(b'{"format"')
    create_or_resume(tmp_path, manifest).close()
    assert open_run(tmp_path).manifest == manifest


def test_originals_that_a_record_holds_are_not_written_again(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write_originals({"a": pixels(0)})
        run.write("ddn", [row("a")], {"a": pixels(1)})
        before = (tmp_path / "images/original/a.png").stat().st_mtime_ns
        run.write_originals({"a": pixels(0), "b": pixels(2)})
        assert (tmp_path / "images/original/a.png").stat().st_mtime_ns == before
    np.testing.assert_array_equal(open_run(tmp_path).original("b"), pixels(2))


def test_a_skipped_image_is_kept_until_it_can_be_attacked(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.skip("a", "truncated")
        run.skip("b", "16-bit")
        run.skip("a", "truncated, again")
    expected = (SkippedImage("b", "16-bit"), SkippedImage("a", "truncated, again"))
    assert open_run(tmp_path).manifest.skipped == expected
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("b")], {"b": pixels(0)})
    assert open_run(tmp_path).manifest.skipped == (SkippedImage("a", "truncated, again"),)


def test_records_of_an_attack_that_the_manifest_does_not_list_are_refused(tmp_path, manifest, row, pixels):
    with create_or_resume(tmp_path, manifest) as run:
        run.write("ddn", [row("a")], {"a": pixels(0)})
    fewer = replace(manifest, attacks=manifest.attacks[:1])
    (tmp_path / "run.json").write_text(fewer.to_json())
    with pytest.raises(RunError, match=r"00000000\.parquet: records of attack 'ddn'"):
        create_or_resume(tmp_path, fewer)
    with pytest.raises(RunError, match=r"00000000\.parquet: records of attack 'ddn'"):
        open_run(tmp_path).table()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 128 KiB, where this process may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(folder)]
    try:
        mounted = sys.platform == "linux" and subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def _fill(run, row, written: list[str]) -> None:
    noise = np.random.default_rng(0)
    for i in range(40):
        run.write("ddn", [row(f"{i}", i)], {f"{i}": noise.integers(0, 256, (64, 64, 3), dtype=np.uint8)})
        written.append(f"{i}")


def test_a_full_disk_is_named_and_keeps_what_was_written(tiny_disk, manifest, row):
    written: list[str] = []
    with (
        create_or_resume(tiny_disk, manifest) as run,
        pytest.raises(RunError, match=f"{tiny_disk}.*the disk is full"),
    ):
        _fill(run, row, written)
    assert written
    read = open_run(tiny_disk)
    assert read.table()["id"].to_pylist() == written
    for image_id in written:
        assert read.image("ddn", image_id).shape == (64, 64, 3)
    assert not [*tiny_disk.rglob("*.limen.tmp")]


_LIMITED = """
import resource, sys
import numpy as np
from limen import runs

manifest = runs.Manifest.from_json(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
with runs.create_or_resume(sys.argv[1], manifest) as run:
    run.write_originals({"small": noise[:8, :8]})
    try:
        run.write_originals({"large": noise})
    except runs.RunError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_file_over_the_process_limit_names_the_folder(tmp_path, manifest):
    process = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path), manifest.to_json()],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.startswith(f"{tmp_path / 'images' / 'original'}: cannot be written")
    assert [path.name for path in (tmp_path / "images/original").iterdir()] == ["small.png"]


def test_an_out_that_is_a_file_is_named(tmp_path, manifest):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="file: cannot be written"):
        create_or_resume(tmp_path / "file", manifest)


def test_a_folder_that_no_file_system_can_hold_is_one_error(manifest):
    for name in ("a\0b", "x" * 300):
        with pytest.raises(RunError):
            create_or_resume(name, manifest)


def test_what_cannot_be_read_is_kept_under_a_name_that_can_be_written(tmp_path, manifest):
    with create_or_resume(tmp_path, manifest) as run:
        run.skip("caf\udce9.png", "caf\udce9.png: torn")
    assert open_run(tmp_path).manifest.skipped == (SkippedImage("caf\\udce9.png", "caf\\udce9.png: torn"),)
