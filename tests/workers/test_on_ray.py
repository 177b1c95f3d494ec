"""Workers on Ray find what this process alone finds, whatever becomes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from limen import catalog, data
from limen.classifier import Classifier
from limen.cli import app
from limen.errors import LimenWarning, RunError, UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.runs import Run, create_or_resume, open_run
from limen.workers import HERE, Workers
from limen.workers.on_ray import ray_workers

from .working import Adding, Sum, add, die

pytest.importorskip("ray", reason="Ray is not installed")

JOBS = [Sum(tuple(range(start, start + 4))) for start in range(0, 20, 4)]


@pytest.fixture(scope="module")
def workers():
    with ray_workers("local", 2) as found:
        yield found


def summed(those: Workers, jobs: list[Sum], work=add) -> dict[int, int]:
    """What those find; each value only once, as what is known of a job is not to be found again."""
    found: dict[int, int] = {}

    def left(job: Sum) -> Sum:
        return replace(job, known=frozenset(found))

    for value, total in those.run(work, Adding(100), jobs, left):
        assert value not in found
        found[value] = total
    return found


def test_they_find_what_one_process_finds(workers) -> None:
    with pytest.warns(LimenWarning, match="seven is unlucky"):
        here = summed(HERE, JOBS)
    with pytest.warns(LimenWarning, match="seven is unlucky"):
        assert summed(workers, JOBS) == here == {value: value + 100 for value in range(20)}


def test_the_job_of_a_lost_worker_is_done_by_another(workers, tmp_path) -> None:
    marked = [replace(job, marker=tmp_path / "killed") for job in JOBS if 7 not in job.values]
    with pytest.warns(LimenWarning, match="a worker was lost; another does its images again"):
        found = summed(workers, marked)
    assert (tmp_path / "killed").exists()
    assert found == {value: value + 100 for job in marked for value in job.values}


def test_what_a_worker_raises_is_raised_here_with_the_same_message(workers) -> None:
    with pytest.raises(UsageError, match=r"unknown value '-1'; did you mean '1'\? Known: 0, 1"):
        summed(workers, [Sum((1, -1)), Sum(tuple(range(100, 200)))])
    assert summed(workers, [Sum((1,))]) == {1: 101}  # and it goes on, with nothing of the job that was left


def test_a_job_that_kills_worker_after_worker_ends_in_one_error(workers) -> None:
    said = pytest.raises(RunError, match="3 workers were lost over the same job")
    with said, pytest.warns(LimenWarning, match="a worker was lost"):
        summed(workers, [Sum((5,))], die)
    assert len(workers._idle) == workers.count  # so the next run has as many


def network() -> Classifier:
    torch.manual_seed(0)
    return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Tanh(), nn.Linear(16, 10)))


def attacked(folder: Path, those: Workers, source: str) -> Run:
    classifier, dataset = network(), data.demo("digits", count=12)
    specs = ["pgd_l2:eps=1,steps=4", "fgsm:eps=0.1,0.2", source]
    made = [catalog.attack_or_grid(spec) for spec in specs]
    manifest = describe_run(classifier, dataset, made, model_spec="a network")
    with create_or_resume(folder, manifest) as run:
        run_attacks(classifier, dataset, made, run, batch_size=4, workers=those)
    return open_run(folder)


def same(one: Run, other: Run) -> None:
    order = [("attack", "ascending"), ("index", "ascending")]
    mine, theirs = (run.table().drop_columns(["seconds"]).sort_by(order) for run in (one, other))
    assert mine.equals(theirs)
    assert mine.num_rows == 4 * 12
    for path in one.directory.glob("images/*/*.png"):
        assert path.read_bytes() == (other.directory / path.relative_to(one.directory)).read_bytes()


def test_a_run_is_the_same_with_a_users_own_attack_and_a_worker_killed_in_it(workers, tmp_path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import os, pathlib, signal\n"
        f"marker = pathlib.Path({str(tmp_path / 'killed')!r})\n"
        "def brighter(model, images, labels):\n"
        "    if not marker.exists():\n"
        "        marker.touch()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return (images + 0.3).clamp(0, 1)\n"
    )
    source = f"python:{file}:brighter"
    with pytest.warns(LimenWarning, match="a worker was lost"):
        shared = attacked(tmp_path / "shared", workers, source)
    alone = attacked(tmp_path / "alone", HERE, source)
    same(alone, shared)


def test_an_evaluation_is_the_same(workers, tmp_path) -> None:
    found = {}
    for name, those in {"alone": HERE, "shared": workers}.items():
        run = attacked(tmp_path / name, HERE, "ddn:steps=5")
        for spec in ("defenses:defense=jpeg", "saliency:images=2"):
            what = EVALUATIONS.make(spec)
            stored = evaluate(run, what, classifier=network(), batch_size=4, workers=those)
            found[name, spec] = stored
    for (name, spec), stored in found.items():
        assert stored.records().equals(found["alone", spec].records()), name
        pictures = {path.name: path.read_bytes() for path in stored.folder.glob("pictures/*")}
        of_one = {path.name: path.read_bytes() for path in found["alone", spec].folder.glob("pictures/*")}
        assert pictures == of_one


def test_an_attack_that_fails_on_a_batch_is_told_once_and_the_others_go_on(workers, tmp_path) -> None:
    file = tmp_path / "odd.py"
    file.write_text(
        "def odd(model, images, labels):\n"
        "    if bool((labels == 7).any()):\n"
        "        raise ValueError('no sevens')\n"
        "    return (images + 0.2).clamp(0, 1)\n"
    )
    classifier, dataset = catalog.model("demo:digits"), data.demo("digits", count=12)
    made = [catalog.attack_or_grid(spec) for spec in (f"python:{file}:odd", "fgsm:eps=0.1")]
    manifest = describe_run(classifier, dataset, made, metrics=())
    odd, fgsm = manifest.labels
    told, tables = {}, {}
    for name, those in {"alone": HERE, "shared": workers}.items():
        told[name] = []
        with create_or_resume(tmp_path / name, manifest) as run:
            how = {"batch_size": 2, "metrics": (), "workers": those}
            run_attacks(
                classifier, dataset, made, run, failed=lambda *said, of=told[name]: of.append(said), **how
            )
        tables[name] = open_run(tmp_path / name).table().drop_columns(["seconds"]).sort_by("index")
    assert [attack for attack, _ in told["alone"]] == made[:1]
    assert all(
        "raised ValueError when attacking: no sevens" in told[name][0][1] or told[name] for name in told
    )
    alone, shared = (tables[name].filter(pc.field("attack") == fgsm) for name in ("alone", "shared"))
    assert alone.num_rows == 12
    assert alone.equals(shared)
    left = [tables[name].filter(pc.field("attack") == odd).to_pylist() for name in ("alone", "shared")]
    both = {row["id"] for row in left[0]} & {row["id"] for row in left[1]}  # who was done before it failed
    assert [row for row in left[0] if row["id"] in both] == [row for row in left[1] if row["id"] in both]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "--workers and --gpus-per-worker are of --ray"),
        (("--ray", "local", "--device", "cuda"), "leave --device cuda"),
        (("--ray", "127.0.0.1:1"), "no Ray cluster answers at 127.0.0.1:1"),
    ],
)
def test_options_that_do_not_fit_end_in_one_line(asked: tuple[str, ...], said: str, tmp_path) -> None:
    given = ["--model", "demo:digits", "--data", "demo:digits", "--attack", "fgsm", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, ["attack", *given, "--workers", "2", *asked])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
