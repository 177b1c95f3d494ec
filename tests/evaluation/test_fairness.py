"""Group fairness of a run, against figures counted by hand from its records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
import torch

import limen
from limen.data import Sample
from limen.document import Charts, Notes, Pictures, Table
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, evaluate, run_attacks
from limen.evaluation.fairness import _groups_of
from limen.evaluation.families import Family, family_of
from limen.evaluation.family_blocks import _slopes
from limen.evaluation.group_blocks import WITHOUT_TREND
from limen.evaluation.recheck import recheck_page
from limen.images import ImageFileError
from limen.training.checkpoint import write_weights

GROUPS = ("a", "b", "c", "d", "e")
GDP = {"a": 500.0, "b": 2000.0, "c": 9000.0, "d": 30000.0}


def attacked(folder: Path, groups=GROUPS, by_ddn: int | None = None) -> limen.runs.Run:
    """Noise of two classes, of which a linear model has the more right the later the group is."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (75, 12, 12, 3), dtype=np.uint8)
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 2))
    predicted = module(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).argmax(1).numpy()
    places = np.arange(75) % 5
    right = draw.random(75) < 0.4 + 0.13 * places
    names = [groups[place] for place in places]
    dataset = limen.data.from_arrays("noise", pixels, np.where(right, predicted, 1 - predicted), groups=names)
    attacks = [limen.catalog.attack_or_grid(spec) for spec in ("pgd_l2:eps=0.02,0.06,steps=4", "ddn:steps=8")]
    classifier = limen.Classifier(module)
    metrics = [limen.metrics.METRICS["l2"], limen.metrics.METRICS["ssim"]]
    manifest = describe_run(classifier, dataset, attacks, model_spec="linear", metrics=metrics)
    with limen.runs.create_or_resume(folder, manifest) as writer:
        for attack, limit in zip(attacks, (None, by_ddn), strict=True):
            run_attacks(classifier, dataset, [attack], writer, limit=limit, metrics=metrics)
    return limen.runs.open_run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> limen.runs.Run:
    return attacked(tmp_path_factory.mktemp("fair") / "run")


@pytest.fixture
def gdp(tmp_path) -> Path:
    path = tmp_path / "gdp.csv"
    path.write_text("country,gdp\nz,1\n" + "".join(f"{name},{value}\n" for name, value in GDP.items()))
    return path


def measured(run, spec: str):
    return evaluate(run, EVALUATIONS.make(spec)).document()


def table(document, title: str) -> Table:
    (found,) = [each for each in document.blocks if isinstance(each, Table) and each.title == title]
    return found


def rows(block: Table) -> dict[str, list]:
    return {row[0].text: list(row[1:]) for group in block.groups for row in group.rows}


def test_accuracy_and_robustness_follow_the_covariate_as_statsmodels_says(run, gdp):
    document = measured(run, f"fairness:covariate={gdp},group=country")
    records = run.table().to_pandas()
    records["right"] = records.clean_prediction == records.label
    x = sm.add_constant(np.log([*GDP.values()]))
    found = rows(table(document, "Does it follow gdp?"))
    ddn = records[records.attack == "ddn:steps=8"].assign(robust=lambda each: each.right & ~each.success)
    robust = records.assign(robust=records.right & ~records.success)
    pgd = robust[robust.attack.str.startswith("pgd")].groupby(["id", "group"]).robust.all().reset_index()
    for title, figures in [
        ("accuracy", ddn.groupby("group").right),
        ("accuracy under pgd_l2:steps=4", pgd.groupby("group").robust),
        ("mean L₂ that fools, ddn:steps=8", ddn[ddn.right & ddn.success].groupby("group").l2),
    ]:
        y, n = figures.mean()[[*GDP]], figures.count()[[*GDP]]
        expected = sm.GLS(y.to_numpy(), x, sigma=np.diag(n.to_numpy() ** -0.5)).fit()
        groups, slope, f, p = found[title]
        assert groups.value == 4
        assert (slope.value, slope.low) == pytest.approx((expected.params[1], expected.conf_int()[1][0]))
        assert p.value == pytest.approx(expected.f_pvalue)
        if title.startswith("acc"):
            assert f.value == pytest.approx(expected.fvalue, abs=1e-9)


def test_an_attack_on_images_of_too_few_groups_is_left_out_and_it_is_said(tmp_path, gdp):
    run = attacked(tmp_path / "run", by_ddn=2)
    document = measured(run, f"fairness:covariate={gdp},group=country")
    assert "accuracy under pgd_l2:steps=4" in rows(table(document, "Does it follow gdp?"))
    (notes,) = [each for each in document.blocks if isinstance(each, Notes)]
    assert "Left out, as it has images of too few groups: ddn:steps=8." in notes.items
    assert not any("ddn" in column for column in table(document, "Groups").columns)


def test_options_change_what_is_fitted(run, gdp):
    def slope(options: str) -> float:
        document = measured(run, f"fairness:covariate={gdp},group=country{options}")
        return rows(table(document, "Does it follow gdp?"))["accuracy"][1].value

    found = {slope(options) for options in ("", ",log=false", ",variances=binomial")}
    assert len(found) >= 2  # groups are equally large, so that variances change nothing here
    document = measured(run, f"fairness:covariate={gdp},group=country,distance=ssim")
    assert any("SSIM" in title for title in rows(table(document, "Does it follow gdp?")))


def test_the_page_has_a_point_for_each_group_and_says_who_was_left_out(run, gdp):
    document = measured(run, f"fairness:covariate={gdp},group=country")
    (charts,) = [each for each in document.blocks if isinstance(each, Charts)]
    *points, line = charts.charts[0].lines
    assert sorted(x for each in points for x in each.x) == sorted(GDP.values())
    assert line.joined
    assert charts.charts[0].log_x
    (notes,) = [each for each in document.blocks if isinstance(each, Notes)]
    assert "Left out, as there is no gdp for it: e." in notes.items
    assert "No image is of: z." in notes.items
    assert rows(table(document, "Groups")).keys() == GDP.keys()


def test_without_a_covariate_groups_are_compared_by_their_gaps(run, tmp_path):
    # The run's data cannot be made from its spec, so the covariate must be given; one of demo:scenes can.
    small = limen.catalog.data("demo:scenes,count=6,size=32,share=0.5")
    torch.manual_seed(0)
    classifier = limen.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 7)))
    attack = limen.catalog.attack("fgsm:eps=0.01")
    manifest = describe_run(classifier, small, [attack], model_spec="linear")
    with limen.runs.create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(classifier, small, [attack], writer)
    document = measured(limen.runs.open_run(tmp_path / "run"), "fairness")
    assert {"accuracy", "accuracy under fgsm:eps=0.01"} <= rows(
        table(document, "How far apart groups are")
    ).keys()
    assert not any(isinstance(each, Charts) for each in document.blocks)
    assert document.blocks[-1].items == WITHOUT_TREND
    assert "nan" not in str(document.blocks)


def test_an_image_that_shows_several_classes_is_right_with_any_of_them(tmp_path):
    pixels = torch.zeros(3, 1, 8, 8)
    samples = [Sample(str(place), pixels[place], 2, group="x", also=(0,) * (place > 0)) for place in range(3)]
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
    torch.nn.init.constant_(module[1].weight[0], 1e-3)
    module[1].bias.data = torch.tensor([10.0, 0, 0])
    dataset = limen.data.Dataset("several", ("0", "1", "2"), samples.__getitem__)
    attack = limen.catalog.attack("fgsm:eps=0.01")
    classifier = limen.Classifier(module)
    manifest = describe_run(classifier, dataset, [attack], model_spec="constant")
    with limen.runs.create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(classifier, dataset, [attack], writer)
    found = limen.runs.open_run(tmp_path / "run").table().sort_by("index")
    assert found["label"].to_pylist() == [2, 0, 0]
    assert found["clean_prediction"].to_pylist() == [0, 0, 0]
    assert found["success"].to_pylist() == [True, False, False]
    assert found["group"].to_pylist() == ["x", "x", "x"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("a,1\nb,1\nc,1\n", "is 1 for every group"),
        ("a,1\nb,2\n", "at least 3 of them"),
        ("a,-1\nb,2\nc,3\n", "no logarithm"),
    ],
)
def test_a_covariate_without_a_line_is_refused_before_anything_is_stored(run, tmp_path, values, message):
    path = tmp_path / "bad.csv"
    path.write_text("group,gdp\n" + values)
    with pytest.raises(UsageError, match=message):
        measured(run, f"fairness:covariate={path}")
    with pytest.raises(UsageError, match="mad"):
        measured(run, f"fairness:covariate={path},distance=mad")


def test_one_group_and_none_are_refused(tmp_path, gdp):
    one = attacked(tmp_path / "one", ("a",) * 5)
    with pytest.raises(UsageError, match="all images are in 'a'"):
        measured(one, f"fairness:covariate={gdp},group=country")


def test_data_without_groups_is_refused(tmp_path, gdp):
    small = limen.catalog.data("demo:digits,count=4")
    classifier = limen.catalog.model("demo:digits")
    attack = limen.catalog.attack("fgsm:eps=0.01")
    manifest = describe_run(classifier, replace(small, redraw=None), [attack])
    with limen.runs.create_or_resume(tmp_path / "run", manifest) as writer:
        run_attacks(classifier, small, [attack], writer)
    with pytest.raises(UsageError, match="demo:digits,count=4, names no groups"):
        measured(limen.runs.open_run(tmp_path / "run"), f"fairness:covariate={gdp},group=country")


def test_the_slopes_of_models_have_the_density_of_their_gaussian_kernels():
    def family(name: str, *slopes: float) -> Any:
        return SimpleNamespace(family=Family(name, (), ()), slopes=np.array(slopes))

    (chart,) = _slopes([family("many", 0.1, 0.2, 0.5), family("few", 0.1, 0.3)]).charts
    density, many, few = chart.lines
    axis, heights = np.array(density.x), np.array(density.y)
    width = np.std([0.1, 0.2, 0.5], ddof=1) * 3**-0.2  # Scott's rule
    kernels = np.exp(-(((axis[:, None] - [0.1, 0.2, 0.5]) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(heights, kernels.mean(1))
    assert (density.name, many.name, few.name) == ("many", "models of many", "models of few")
    assert tuple(many.x) == (0.1, 0.2, 0.5)
    assert set(many.y) == {-0.06 * heights.max()}
    assert set(few.y) == {-0.12 * heights.max()}


def test_a_picture_that_cannot_be_read_is_missing_from_the_page_for_rechecking():
    good = limen.data.from_arrays("noise", np.full((2, 8, 8, 1), 9, np.uint8), np.zeros(2, int))

    def read(index: int) -> Sample:
        if index == 0:
            raise ImageFileError("truncated")
        return good.load(index)

    row = {"label": "cat", "prediction": "dog", "confidence": 0.5, "group": "a"}
    table = pa.Table.from_pylist([{**row, "id": each} for each in good.ids])
    (block,) = recheck_page(replace(good, read=read), table).blocks
    assert isinstance(block, Pictures)
    first, second = block.rows[0].pictures
    assert (first.image is None, second.image is None) == (True, False)


def test_weights_that_do_not_say_what_they_are_of_are_no_family(tmp_path):
    file = tmp_path / "000.safetensors"
    write_weights(file, torch.nn.Linear(2, 2), {})
    with pytest.raises(UsageError, match="does not say what network it is of; write a spec, such as MODEL"):
        family_of(str(file))
    write_weights(file, torch.nn.Linear(2, 2), {"model": "demo:photos", "settings": "{}"})
    assert family_of(str(file)).seeds == (None,)


def test_the_groups_of_a_run_that_has_not_kept_them_are_those_of_its_data():
    records = pa.table({"id": ["b", "a"], "group": pa.array([None, None], pa.string())})
    context: Any = SimpleNamespace(dataset=SimpleNamespace(ids=("a", "b"), groups=("day", "night")))
    assert _groups_of(records, context) == {"a": "day", "b": "night"}
