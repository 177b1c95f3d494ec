from __future__ import annotations

from pathlib import Path

import pytest

from limen.data import DataError, read_covariates, read_excluded


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "gdp.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_gives_each_group_its_number_by_the_columns_that_are_named(tmp_path):
    path = table(tmp_path, "country,year,gdp\nChad,2019,700\nPeru,2019, 6500.5\nWales,2019,\n")
    found = read_covariates(path, "gdp", "country")
    assert found.values == {"Chad": 700.0, "Peru": 6500.5}
    assert (found.name, found.synthetic) == ("gdp", False)


def test_of_two_columns_the_other_one_is_the_number_and_a_group_may_stand_in_several_rows(tmp_path):
    found = read_covariates(table(tmp_path, "income,group\n3,a\n4,b\n3,a\n"))
    assert (found.name, found.values) == ("income", {"a": 3.0, "b": 4.0})


def test_what_cannot_be_matched_is_named(tmp_path):
    found = read_covariates(table(tmp_path, "group,gdp\na,1\nb,\nc,3\n"))
    assert found.notes(["b", "a", "z", "b"]) == [
        "Left out, as there is no gdp for them: b, z.",
        "No image is of: c.",
    ]
    assert found.notes(["a", "c"]) == []


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("group,gdp\na,many\n", {}, "line 2: gdp 'many' is no finite number"),
        ("group,gdp\na,inf\n", {}, "no finite number"),
        ("group,gdp\na,1\na,2\n", {}, "line 3: gdp of 'a' is 2, but 1 before"),
        ("group,gdp\n,1\n", {}, "line 2: group is empty"),
        ("group,gdp,year\na,1,2\n", {}, "name the column of the numbers by value=; there are gdp, year"),
        ("country,gdp\na,1\n", {}, "expected once each the columns group"),
        ("group,gdp\na,1\n", {"value": "income"}, "columns group, income"),
        ("group,gdp\n", {}, "lists no group"),
    ],
)
def test_a_table_that_says_something_else_is_refused(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message):
        read_covariates(table(tmp_path, text), **options)


@pytest.mark.data
def test_gdp_of_the_countries_of_dollar_street_is_read(real_data):
    path = real_data / "geo" / "dollarstreet_countries_gdp.csv"
    found = read_covariates(path, "gdp_per_capita_usd", "country")
    assert len(found.values) == 54
    assert found.values["Bangladesh"] == pytest.approx(2122.04, abs=0.01)


def test_samples_to_leave_out_are_those_listed_or_those_marked(tmp_path):
    listed = table(tmp_path, "id\na\nc\n")
    assert read_excluded(listed, ["a", "b", "c"]) == {"a", "c"}
    marked = table(tmp_path, "id,label,exclude\na,cat,\nb,dog,x\n")
    assert read_excluded(marked, ["a", "b", "c"]) == {"b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\nz\n", "line 2: id 'z' is no sample"),
        ("id\na\nb\n", "leaves out every sample"),
        ("name\na\n", "columns id"),
    ],
)
def test_a_list_that_does_not_fit_the_data_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_excluded(table(tmp_path, text), ["a", "b"])
