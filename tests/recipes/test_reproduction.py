"""What `reproduce` does with any recipe, on one of a user's own file."""

from __future__ import annotations

import csv
import dataclasses
import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from limen import catalog, data
from limen.errors import LimenError, UsageError
from limen.images import ImageFileError
from limen.recipes import FLOATS, RECIPES, Budgets, Entry, Rows, described, one, reproduce, table
from limen.recipes.recipe import saying

OWN = '''
import pyarrow as pa

from limen.recipes import Bench, Budgets, Entry, Rows, cell, facts, page, recipe, records, table

GROUPS = {"Two attacks": (Entry("FGSM", "fgsm", Budgets(8, 64, levels=True)), Entry("DDN", "ddn:steps=3"))}


def describe(made):
    rates = table("Fooled", "Of all.", Rows(made.to_pylist()), {"Rate": lambda of: cell(of[0], "share")})
    return page(made, "Small", "this file", [rates], ["Nothing."])


@recipe(describe)
def table_7(bench: Bench, *, budgets: int = 2) -> pa.Table:
    """How often two attacks fool the model."""
    ran = bench.attacked("shared", GROUPS, budgets)
    found = [each.outcomes() for each in ran]
    rates = [{"value": each.success.mean(), "images": len(each.ids)} for each in found]
    return records([each.row(**rate) for each, rate in zip(ran, rates)], facts=facts(ran))


def no_recipe(bench):
    """Just a function."""
'''


@pytest.fixture
def own(tmp_path) -> str:
    (tmp_path / "mine.py").write_text(OWN)
    return f"python:{tmp_path / 'mine.py'}:table_7"


def test_records_are_kept_first_and_the_page_is_made_from_their_file_alone(own, bench_in, told):
    document, files = reproduce(f"{own},budgets=3", bench := bench_in())
    assert sorted(files) == ["csv", "html", "parquet"]
    rows = pq.read_table(files["parquet"]).to_pylist()
    named = [(row["spec"], row["eps"]) for row in rows]
    assert named == [("fgsm", "8/255,23/255,64/255"), ("ddn:steps=3", None)]
    with files["csv"].open(newline="") as file:
        assert [row["attack"] for row in csv.DictReader(file)] == ["FGSM", "DDN"]
    assert [row[1].value for row in document.blocks[0].groups[0].rows] == [row["value"] for row in rows]
    page = files["html"].read_text()
    assert "<h1>Small</h1>" in page
    assert "12 of 20" in page
    shutil.rmtree(bench.out / "shared")
    assert described(files["parquet"]) == document
    # Only the records are read: what they say instead is shown.
    table = pq.read_table(files["parquet"])
    changed = table.set_column(table.column_names.index("value"), "value", pa.array([0.25, 0.5]))
    pq.write_table(changed, files["parquet"])
    assert described(files["parquet"]).blocks[0].groups[0].rows[0][1].value == 0.25


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("smooth-table-2:robust=demo:digits,,weights=no.pt", "no.pt: no such file of weights"),
        ("superpixel-table-1:model=demo:digits,,weights=no.pt", "no.pt: no such file of weights"),
        ("hua-table-3.1:judge=lpips:backbone=no.pt", "no.pt: no such file of weights"),
        ("hua-table-3.2:saliency=u2net:weights=no.pt", "no.pt: no such file of weights"),
        ("hua-figure-4.2:pgd=pgd_l3", "attack spec 'pgd_l3': unknown attack"),
    ],
    ids=lambda text: text.partition(":")[0],
)
def test_what_an_option_names_is_missed_before_anything_is_attacked(bench_in, told, spec, message):
    bench = bench_in()
    with pytest.raises(LimenError, match=re.escape(message)):
        reproduce(spec, bench)
    assert not told.labels
    assert not bench.out.exists()


def test_records_run_no_recipe_in_a_file_that_only_they_name(tmp_path):
    file, stored = tmp_path / "given.py", tmp_path / "given.parquet"
    file.write_text(
        "from limen.document import Document\nfrom limen.recipes import recipe\n\n"
        "@recipe(lambda made: Document('Small'))\ndef small(bench):\n    'Small.'\n"
    )
    pq.write_table(saying(pa.table({"value": [0.25]}), recipe=f"python:{file}:small"), stored)
    with pytest.raises(LimenError, match=r"given\.parquet names code in .*given\.py"):
        described(stored)
    assert described(stored, trust=[file]).title == "Small"


def test_files_are_named_by_what_was_asked_for(own, bench_in):
    _, files = reproduce(own, bench_in())
    _, others = reproduce(f"{own},budgets=1", bench_in())
    assert (files["csv"].name, others["csv"].name) == ("table_7.csv", "table_7-budgets=1.csv")


def test_a_second_recipe_in_the_same_folder_repeats_nothing(own, bench_in, told):
    reproduce(own, bench_in())
    assert told.labels == ["fgsm:eps=8/255", "fgsm:eps=64/255", "ddn:steps=3"]
    told.counts.clear()
    reproduce(own, bench_in())
    assert {count for _, *counts in told.counts for count in counts} == {12}


def test_a_lower_limit_looks_only_at_the_first_images_of_a_longer_run(own, bench_in):
    reproduce(own, bench_in(limit=None))
    document, _ = reproduce(own, bench_in(limit=5))
    assert dict(document.settings)["Images"].startswith("5 of 20")


def test_a_bench_says_how_many_images_are_attacked_side_by_side_and_where(own, bench_in, told):
    reproduce(own, bench_in(batch_size=5))
    assert [done for label, done, _ in told.counts if label == "ddn:steps=3"] == [0, 5, 10, 12]
    with pytest.raises(UsageError, match="unknown device 'gpu'"):
        reproduce(own, bench_in(device="gpu"))


def test_another_run_in_the_folder_is_not_mixed_with(own, bench_in):
    reproduce(own, bench_in())
    with pytest.raises(UsageError, match="seed: 0 in the run, 1 now"):
        reproduce(own, bench_in(seed=1))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("pgap-tabel-2", "unknown recipe 'pgap-tabel-2'; did you mean 'pgap-table-2'"),
        ("pgap-table-1:budgets=3", "pgap-table-1 accepts no parameters"),
        ("pgap-table-2:steps=3", "unknown parameter 'steps'"),
        ("pgap-figure-6:quality=0.9", "unknown parameter 'quality'"),
        ("smooth-figure-4:budgets=3", "unknown parameter 'budgets'"),
        ("smooth-table-1:robust=demo:digits", "unknown parameter 'robust'"),
        ("pgap-table-2:like=minst", "like must be imagenet | cifar10 | mnist | none, not 'minst'"),
        ("pgap-table-2:budgets=0", "budgets is 0; expected an integer from 1 to"),
        ("smooth-table-3:steps=0", "steps is 0; expected an integer from 1"),
    ],
)
def test_options_that_a_recipe_does_not_use_or_cannot_follow_are_refused(bench_in, spec, says):
    with pytest.raises(UsageError) as error:
        reproduce(spec, bench_in())
    assert says in str(error.value)
    assert not bench_in().out.exists()


def test_a_function_that_is_no_recipe_and_a_file_that_holds_none_are_refused(own, bench_in, tmp_path):
    with pytest.raises(UsageError, match="no_recipe is no recipe; write @recipe"):
        reproduce(own.replace("table_7", "no_recipe"), bench_in())
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(UsageError, match=r"other\.parquet: not the records of a recipe"):
        described(tmp_path / "other.parquet")
    with pytest.raises(UsageError, match="cannot be read as the records of a recipe"):
        described(tmp_path / "mine.py")


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        (b"{not JSON", "not the records of a recipe"),
        (b"[]", "not the records of a recipe"),
        (b'{"recipe": 7}', "not the records of a recipe"),
        (b'{"recipe": "pgap-table-2"}', "damaged, or of another version of pgap-table-2; reproduce it again"),
    ],
)
def test_damaged_records_are_told_in_one_line(tmp_path, meta, says):
    damaged = pa.table({"a": [1]}).replace_schema_metadata({b"limen.recipe": meta})
    pq.write_table(damaged, tmp_path / "damaged.parquet")
    with pytest.raises(UsageError, match=rf"damaged\.parquet: {says}"):
        described(tmp_path / "damaged.parquet")


def test_in_floats_an_attack_counts_by_its_own_image(bench_in):
    # A sixteenth of this, which lies between two steps of the lattice, so that the file is another image.
    entry = Entry("FGSM", "fgsm", Budgets(648, 648, levels=True))
    (ran,) = bench_in().attacked("half", {"": (entry,)}, 1, FLOATS)
    assert ran.run.manifest.settings.lattice is None
    assert ran.run.directory.name == "half-floats"
    assert ran.budgets == ("40.5/255",)
    stored, outcome = ran.run.table(), ran.outcomes()
    assert ran.records["success"] == stored["success_in_memory"]
    found = outcome.values["linf"][outcome.success]
    assert found == pytest.approx(np.full(len(found), 40.5 / 255), rel=1e-4)
    filed = stored["linf"].drop_null().to_numpy()
    assert 0 < len(found) == len(filed)
    assert np.abs(filed - 40.5 / 255).min() > 0.4 / 255


def test_a_model_that_knows_nothing_of_the_images_is_warned_of(own, bench_in):
    digits, bench = catalog.data("demo:digits,count=20"), bench_in()

    def read(index: int) -> data.Sample:
        sample = digits.load(index)
        return dataclasses.replace(sample, label=(sample.label + 1) % 10)

    assert "Beware" not in dict(reproduce(own, bench)[0].settings)
    shifted = bench_in(bench.out / "shifted")
    vars(shifted)["dataset"] = data.Dataset("shifted", digits.ids, read)
    assert "no better than by chance" in dict(reproduce(own, shifted)[0].settings)["Beware"]


def test_a_dash_in_a_table_says_over_how_many_images_it_is():
    rows = Rows([{"statistic": "mean", "value": None, "images": 0}, {"statistic": "rate", "value": 0.5}])
    assert (one(statistic="mean")(rows).shown, one(statistic="mean")(rows).note) == ("–", "images: 0")
    assert one(statistic="rate")(rows).note == ""
    assert one(statistic="median")(rows).shown == "–"


def test_a_table_shows_rows_that_no_bench_made():
    shown = table("Rates", "Of all.", Rows([{"attack": "FGSM", "value": 0.5}]), {"Rate": one()})
    (name, rate), *_ = shown.groups[0].rows
    assert (shown.groups[0].title, name.text, name.note, rate.value) == ("", "FGSM", "", 0.5)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((28, 28, 1), "mnist"),
        ((32, 32, 3), "cifar10"),
        ((96, 96, 3), "imagenet"),
        ((299, 299, 3), "imagenet"),
    ],
)
def test_the_images_tell_which_data_set_to_stand_beside(bench_in, shape, kind):
    bench = bench_in()
    vars(bench)["dataset"] = data.from_arrays("black", np.zeros((2, *shape), np.uint8), np.zeros(2, int))
    assert bench.kind == kind


def test_images_that_cannot_be_read_tell_nothing(bench_in):
    def read(index: int) -> data.Sample:
        if index:
            return data.Sample("b", torch.zeros(1, 28, 28), 0)
        raise ImageFileError("a: truncated")

    bench = bench_in()
    vars(bench)["dataset"] = data.Dataset("torn", ("a", "b"), read)
    assert bench.kind == "mnist"
    other = dataclasses.replace(bench)
    vars(other)["dataset"] = data.Dataset("torn", ("a",), read)
    with pytest.raises(UsageError, match="torn: no image can be read"):
        _ = other.kind


def test_every_recipe_says_what_it_shows_and_where_it_is_from():
    papers = {
        "pgap": "Pochimireddy et al.",
        "smooth": "Zhang et al.",
        "superpixel": "Dong et al.",
        "dual": "Tong et al.",
        "hua": "Hua et al.",
    }
    kinds = {"table": ", Table ", "figure": ", Figure ", "hill": ", Section "}
    assert len(RECIPES.names()) == 37
    for entry in map(RECIPES.entry, RECIPES.names()):
        paper, kind = entry.name.split("-")[:2]
        assert papers[paper] in entry.summary
        assert kinds[kind] in entry.summary
