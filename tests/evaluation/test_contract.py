"""What every registered evaluation keeps: whole on disk, equal when read, resumed to the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest

import limen
from limen.document import Cell, Group, Notes, Table, pictures_of
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, Evaluation, Part, describe_run, evaluate, evaluation, run_attacks
from limen.identity import Identity
from limen.report import write_page
from limen.runs import Run, RunError, Stored, open_run, read_evaluations

FGSM, DDN = "fgsm:eps=0.3", "ddn:steps=8"
SPECS = {
    "attention": "attention:images=2",
    "certified": "certified:sigma=0.1,n=20,n0=5",
    "defenses": "defenses:defense=bit_depth:bits=3,,2,adaptive=true",
    "detection": "detection:repeats=2,learners=25",
    "distribution": "distribution:metric=l2,metric=ssim,metric=psnr",
    "fairness": "fairness",
    "foreground": "foreground:images=2",
    "gradients": "gradients:images=2,mask=saliency",
    "indicators": "indicators:draws=2,only=unstable_predictions,only=silent_success",
    "magnify": "magnify:images=2,radius=4",
    "optimality": "optimality:passes=5",
    "saliency": "saliency:images=2",
    "transfer": "transfer:defense=bilateral:radius=2",
}
"""A quick one of each; an evaluation that is registered belongs here."""


def attack(folder: Path, labels: tuple[str, ...], count: int) -> Run:
    classifier, dataset = limen.catalog.model("demo:digits"), limen.data.demo("digits", count=8)
    read = dataset.read
    dataset = replace(dataset, read=lambda index: replace(read(index), group="ab"[index % 2]))
    attacks = [limen.catalog.attack(label) for label in labels]
    manifest = describe_run(classifier, dataset, attacks, model_spec="demo:digits")
    with limen.runs.create_or_resume(folder, manifest) as writer:
        run_attacks(classifier, dataset, attacks, writer, limit=count)
    return open_run(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    return attack(tmp_path_factory.mktemp("made") / "run", (FGSM, DDN), 8).directory


@pytest.fixture
def run(made, tmp_path) -> Run:
    return open_run(shutil.copytree(made, tmp_path / "run"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def visible(run: Run) -> list[str]:
    return sorted(path.name for path in (run.directory / "evaluation").iterdir() if path.name[0] != ".")


def measure(run: Run, what: Evaluation, **settings) -> Stored:
    return evaluate(run, what, **{"batch_size": 3} | settings)


def killed(what: Evaluation, parts: int) -> Evaluation:
    """The same evaluation, in a process that ends after so many parts."""

    def stopping(run: Run, context) -> Iterator[Part]:
        for place, part in enumerate(what.measure(run, context)):
            if place == parts:
                raise KeyboardInterrupt
            yield part

    return replace(what, measure=stopping)


every = pytest.mark.parametrize("what", [EVALUATIONS.make(spec) for spec in SPECS.values()], ids=SPECS.keys())


@dataclass(frozen=True)
class Whole:
    """An evaluation of the run, measured once for all tests that only read it.

    Attributes:
        stored: What was found.
        run: The run that it is of.
        parts: How many parts it came in.
        told: What progress was told.
    """

    stored: Stored
    run: Run
    parts: int
    told: list[tuple[str, int, int]]


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory) -> Callable[[Evaluation], Whole]:
    known: dict[str, Whole] = {}

    def of(what: Evaluation) -> Whole:
        if what.identity.name not in known:
            run = open_run(shutil.copytree(made, tmp_path_factory.mktemp("whole") / "run"))
            count = 0

            def counting(run: Run, context) -> Iterator[Part]:
                nonlocal count
                for part in what.measure(run, context):
                    count += 1
                    yield part

            told: list[tuple[str, int, int]] = []
            counted = replace(what, measure=counting)
            stored = measure(run, counted, progress=lambda *each: told.append(each))
            known[what.identity.name] = Whole(stored, run, count, told)
        return known[what.identity.name]

    return of


def test_every_registered_evaluation_is_tried():
    assert list(SPECS) == [entry.name for entry in map(EVALUATIONS.entry, EVALUATIONS.names())]


@every
def test_it_stands_in_one_folder_and_reads_back_equal(whole, what):
    stored, run = whole(what).stored, whole(what).run
    (found,) = read_evaluations(run)
    assert found == stored
    assert visible(run) == [stored.folder.name]
    assert not [path for path in stored.folder.parent.iterdir() if path.name.endswith(".tmp")]
    document = found.document()
    assert document.title == what.title
    assert document.blocks
    named = {path.relative_to(stored.folder).as_posix() for path in pictures_of(document)}
    files = {"evaluation.json", "records.parquet", "document.json"}
    assert content(stored.folder).keys() == files | named
    assert found.records().num_rows > 0
    assert (found.identity, found.attacks) == (what.identity, (FGSM, DDN))


@every
def test_a_killed_one_resumes_to_the_same_without_repeating_what_was_done(run, whole, what, tmp_path):
    expected, count = content(whole(what).stored.folder), whole(what).parts
    assert count > 1
    for parts in {1, count - 1}:
        again = open_run(shutil.copytree(run.directory, tmp_path / f"again {parts}"))
        with pytest.raises(KeyboardInterrupt):
            measure(again, killed(what, parts))
        assert read_evaluations(again) == []
        seen: list[tuple[str, str]] = []

        def watching(run, context, seen=seen) -> Iterator[Part]:
            before = context._measurement.finished
            for part in what.measure(run, context):
                if part.records is not None:
                    seen += before.intersection(pairs(part.records))
                yield part

        assert content(measure(again, replace(what, measure=watching)).folder) == expected
        assert seen == []


def pairs(table: pa.Table) -> set[tuple[str, str]]:
    return set(zip(table["attack"].to_pylist(), table["id"].to_pylist(), strict=True))


@every
def test_measuring_again_what_is_whole_keeps_every_file(whole, what):
    before = content(whole(what).stored.folder)
    assert content(measure(whole(what).run, what).folder) == before


@pytest.fixture(scope="module")
def growth(tmp_path_factory) -> tuple[Path, Path, Path]:
    """A run of few images and one attack, the same when it has gone on, and one of all of them at once."""
    few = attack(tmp_path_factory.mktemp("few") / "run", (DDN,), 4).directory
    later = shutil.copytree(few, tmp_path_factory.mktemp("later") / "run")
    attack(later, (DDN, FGSM), 8)
    return few, later, attack(tmp_path_factory.mktemp("once") / "run", (DDN, FGSM), 8).directory


@every
def test_attacks_and_images_that_came_later_are_added(growth, what, tmp_path):
    few, later, once = growth
    run = open_run(shutil.copytree(few, tmp_path / "grown"))
    assert measure(run, what).attacks == (DDN,)
    grown = measure(open_run(shutil.copytree(later, run.directory, dirs_exist_ok=True)), what)
    scratch = measure(open_run(shutil.copytree(once, tmp_path / "scratch")), what)
    assert grown.attacks == (DDN, FGSM)
    names = grown.records().column_names
    for mine, theirs in zip(grown.records().to_pylist(), scratch.records().to_pylist(), strict=True):
        for name in (each for each in names if each != "seconds"):
            expected = theirs[name]
            assert mine[name] == (
                pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected
            )
    assert content(grown.folder).keys() == content(scratch.folder).keys()


@every
def test_the_same_rows_always_say_the_same_and_pages_show_it(whole, what):
    stored = whole(what).stored
    assert list(what.describe(stored)) == list(what.describe(stored)) == list(stored.document().blocks)
    page = write_page([whole(what).run.directory]).read_text(encoding="utf-8")
    assert f"{what.title}</h2>" in page
    for block in stored.document().blocks:
        assert f"{block.title}</h3>" in page
    assert page.count('<span class="missing">image missing') == 0


@every
def test_a_limit_is_the_data_sets_and_the_document_says_so(run, whole, what):
    first = {row["id"] for row in run.table().to_pylist() if row["index"] < 3}
    stored = measure(run, what, limit=3)
    few = pairs(stored.records())
    assert {image_id for _, image_id in few} <= first
    assert ("Images", "the first 3") in stored.document().settings
    assert pairs(whole(what).stored.records()) != few or what.identity.name == "magnify"


@every
def test_what_makes_no_sense_is_refused_and_nothing_is_left(run, what):
    for settings in ({"limit": -1}, {"batch_size": 0}, {"device": "gpu"}):
        with pytest.raises(UsageError):
            measure(run, what, **settings)
    with pytest.raises(UsageError, match="unknown parameter 'nothing'"):
        EVALUATIONS.make(f"{what.identity.name}:nothing=1")
    assert visible(run) == []
    assert not list((run.directory / "evaluation").glob("*.tmp"))


@every
def test_a_run_without_records_has_nothing_to_measure(what, tmp_path):
    run = attack(tmp_path / "empty", (DDN,), 0)
    (block,) = measure(run, what).document().blocks
    assert isinstance(block, Notes)
    assert "No image" in block.items[0]


@every
def test_progress_is_told_of_each_attack(whole, what):
    for label in (FGSM, DDN):
        counts = [counts for each, *counts in whole(what).told if each == label]
        assert counts[0][0] == 0
        assert counts[-1][0] == counts[-1][1] > 0
        assert counts == sorted(counts)


def brightness(calls: list[str], note: str = "") -> Evaluation:
    """A user's own: how bright each adversarial image is."""

    def describe(stored: Stored) -> list[Table]:
        rows = [[Cell(row["id"]), Cell(value=row["mean"])] for row in stored.records().to_pylist()]
        return [Table("Brightness", "", ("image", "mean"), [Group("", rows)])]

    @evaluation("How bright?", describe)
    def measure(run: Run, context, *, scale: float = 1.0) -> Iterator[Part]:
        if note:
            context.note("lamp", note)
        for batch in context.batches(context.correct()):
            for label, places in batch.attacked.items():
                ids = [batch.ids[place] for place in places]
                calls.extend(ids)
                means = context.adversarial(label, ids).mean((1, 2, 3)) * scale
                yield Part(pa.table({"attack": [label] * len(ids), "id": ids, "mean": means.numpy()}))

    return Evaluation(Identity.of(measure, {}, name="bright"), measure.title, measure, measure.describe)


def test_an_evaluation_of_ones_own_is_a_function_and_a_description(run):
    calls: list[str] = []
    stored = measure(run, brightness(calls))
    (table,) = stored.document().blocks
    assert len(table.groups[0].rows) == len(calls) == run.table().num_rows
    first = run.table().filter(run.table()["attack"].to_numpy() == FGSM)["id"][0].as_py()
    assert table.groups[0].rows[0][0].text == first
    assert table.groups[0].rows[0][1].value == pytest.approx(run.image(FGSM, first).mean() / 255)


def test_what_is_done_is_not_repeated_unless_what_it_depends_on_has_changed(run):
    calls: list[str] = []
    measure(run, brightness(calls, "warm"))
    done = len(calls)
    assert measure(run, brightness(calls, "warm")).header.notes == {"lamp": "warm"}
    assert len(calls) == done
    assert ("Lamp", "cold") in measure(run, brightness(calls, "cold")).document().settings
    assert len(calls) == 2 * done


def test_rows_of_no_attack_and_image_of_the_run_are_refused(run):
    def strange(run, context) -> Iterator[Part]:
        yield Part(pa.table({"attack": [FGSM], "id": ["nobody"]}))

    with pytest.raises(UsageError, match="nobody"):
        measure(run, replace(brightness([]), measure=strange))


def test_two_processes_do_not_measure_the_same_at_once(run):
    def inner(run, context) -> Iterator[Part]:
        measure(run, brightness([]))
        yield Part()

    with pytest.raises(RunError, match="another process is writing here"):
        measure(run, replace(brightness([]), measure=inner))
