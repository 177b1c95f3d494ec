"""The benchmarks' own judgement: they must see what they are there to see."""

from __future__ import annotations

import importlib
import sys
import types

import numpy as np
import pytest
import torch

from limen import Classifier
from limen.attacks import Outcome


def outcome(images, forwards: list[int]) -> Outcome:
    zeros = torch.zeros(len(images), dtype=torch.int64)
    return Outcome(images, zeros.bool(), zeros, zeros, torch.tensor(forwards), zeros, zeros, zeros)


def test_ratios_are_formed_pair_by_pair(script):
    assert script("common").paired_ratio([2.0, 30.0, 4.0], [1.0, 10.0, 4.0]) == "2.000 [1.000, 3.000]"


def test_a_network_that_nets_py_lacks_ends_a_script_in_one_line(script, monkeypatch, tmp_path):
    (tmp_path / "nets.py").write_text("def small(): ...\n", encoding="utf-8")
    monkeypatch.setenv("LIMEN_TEST_DATA", str(tmp_path))
    with pytest.raises(
        SystemExit, match=r"^error: .*unknown function in .*nets\.py 'cifar_resnet'\. Known: small"
    ):
        script("common").load_network("cifar_resnet")


def test_passes_are_those_that_every_image_took_part_in(script):
    assert script("overhead").passes_of(outcome(torch.zeros(2, 1, 2, 2), [5, 5])) == (5, 0)


def test_images_that_leave_the_batch_end_the_overhead_benchmark(script):
    with pytest.raises(SystemExit, match="left the batch"):
        script("overhead").passes_of(outcome(torch.zeros(2, 1, 2, 2), [5, 4]))


@pytest.mark.data
def test_the_overhead_of_superpixels_is_that_over_as_many_steps_on_pixels(script, real_data, capsys):
    names = ["sai_fgm:gradient=max", "sai_fgm:attention=cam"]
    arguments = ["--images", "1", "--steps", "2", "--repeats", "1", "--attacks", "--superpixels", *names]
    script("overhead").main(arguments)
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if "sai_fgm" in line]
    assert [[cell.strip() for cell in row[:3]] for row in rows] == [
        [names[0], "3", "3"],
        [names[1], "4", "3"],
    ]
    assert all(float(row[5].split()[0]) > 0 for row in rows)


@pytest.mark.data
def test_training_that_takes_long_ends_its_benchmark_with_exit_code_1(script, real_data, monkeypatch, capsys):
    benchmark = script("training")
    monkeypatch.setattr(benchmark, "MOST", 1e9)
    arguments = ["--batch", "4", "--images", "8", "--epochs", "2", "--repeats", "1"]
    assert benchmark.main(arguments) == 0
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    names = [cells[0].strip() for cells in lines]
    assert [name for name in names if name in ("fgsm", "pgd_linf:steps=1", "cross_entropy", "1", "2")] == [
        "fgsm",
        "pgd_linf:steps=1",
        "cross_entropy",
        "1",
        "2",
    ]
    monkeypatch.setattr(benchmark, "memory", lambda *_: None)
    monkeypatch.setattr(benchmark, "MOST", 1.0)
    for step, epoch, code in ((0.9, 1.0, 0), (1.1, 0.9, 1), (0.9, 1.1, 1)):
        monkeypatch.setattr(benchmark, "steps", lambda *_, ratio=step: [ratio])
        monkeypatch.setattr(benchmark, "epochs", lambda *_, ratio=epoch: [ratio])
        assert benchmark.main(arguments) == code


@pytest.mark.parametrize(("most", "code"), [(1e9, 0), (0.0, 1)])
def test_superpixels_that_take_long_end_their_benchmark_with_exit_code_1(
    script, monkeypatch, capsys, most, code
):
    benchmark = script("superpixels")
    monkeypatch.setattr(benchmark, "MOST_SECONDS", most)
    assert benchmark.main(["--images", "1", "--side", "40", "--repeats", "1", "--methods", "slic"]) == code
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    plain, merged = ([cell.strip() for cell in line] for line in lines[-2:])
    assert plain[:2] == ["slic", "0"]
    assert int(merged[-1].split()[0]) < int(plain[-1].split()[0])


def test_the_superpixels_benchmark_cuts_anew_in_every_run(script, monkeypatch):
    benchmark, cuts = script("superpixels"), []
    kept = importlib.import_module("limen.structure.superpixels")
    monkeypatch.setattr(kept, "_cut", lambda image, *_: cuts.append(0) or np.zeros(image.shape[:2], np.uint8))
    benchmark.cut(torch.rand(1, 3, 16, 16), "slic", 0.0, repeats=3)
    assert len(cuts) == 4
    benchmark.forget()


@pytest.mark.data
def test_equal_images_end_the_invariance_benchmark_with_exit_code_0(script, real_data, capsys):
    arguments = ["--networks", "mnist_cnn", "--attacks", "pgd_linf", "--images", "9", "--steps", "3"]
    assert script("invariance").main(arguments) == 0
    rows = [line.split("|")[3:] for line in capsys.readouterr().out.splitlines() if " pgd_linf " in line]
    assert [row[0].strip() for row in rows] == ["32 again", "7", "1"]
    assert all(row[1].strip() == "9 of 9" and row[2].strip() == "0" for row in rows)


@pytest.mark.data
def test_what_depends_on_the_batch_is_shown_and_ends_it_with_exit_code_1(
    script, real_data, monkeypatch, capsys
):
    def by_batch_size(classifier, images, labels, ids):
        changed = images.clone()
        changed[0, 0, 0, 0] = len(images) / 255
        found = outcome(changed, [1] * len(images))
        found.success[:] = len(images) < 9
        return found

    invariance = script("invariance")
    monkeypatch.setattr(invariance, "make", lambda *_: by_batch_size)
    assert invariance.main(["--networks", "mnist_cnn", "--attacks", "ddn", "--images", "9"]) == 1
    rows = [line.split("|")[3:] for line in capsys.readouterr().out.splitlines() if " ddn " in line]
    value = 100 / (9 * 28 * 28)
    assert [[cell.strip() for cell in row[:6]] for row in rows] == [
        ["32 again", "0 of 9", "0", "0.000%", "0.000%", "0"],
        ["7", "9 of 9", "9", f"{2 * value:.3f}%", f"{2 * value:.3f}%", "2"],  # batches of 7 and 2
        ["1", "9 of 9", "9", f"{9 * value:.3f}%", f"{value:.3f}%", "8"],
    ]


def test_a_repetition_that_differs_ends_the_invariance_benchmark_with_exit_code_1(script, monkeypatch):
    invariance, calls = script("invariance"), iter(range(100))

    def unsteady(classifier, images, labels, ids):
        found = outcome(torch.full_like(images, next(calls) / 255), [1] * len(images))
        found.success[:] = True
        return found

    batch = invariance.common.Images(torch.full((4, 1, 2, 2), 0.5), torch.zeros(4, dtype=torch.int64))
    (_, again), *_ = invariance.compare(unsteady, None, batch)
    assert again


@pytest.mark.data
def test_the_classifiers_passes_are_timed_against_bare_ones(script, real_data, monkeypatch, capsys):
    passes = script("classifier_passes")
    arguments = ["--networks", "cifar_resnet", "--batches", "2", "--repeats", "1"]
    monkeypatch.setattr(passes, "MOST", 1e9)
    assert passes.main(arguments) == 0
    monkeypatch.setattr(passes, "MOST", -1e9)
    assert passes.main(arguments) == 1
    assert "| cifar_resnet | 2 " in capsys.readouterr().out


@pytest.mark.parametrize(("times", "difference", "code"), [(0, 1e-6, 0), (0, -1.0, 1), (10**9, 1e-6, 1)])
def test_the_s2_benchmark_ends_with_exit_code_1_where_it_is_slow_or_differs(
    script, monkeypatch, capsys, times, difference, code
):
    s2_ball = script("s2_ball")
    monkeypatch.setattr(s2_ball, "TIMES", times)
    monkeypatch.setattr(s2_ball, "DIFFERENCE", difference)
    assert s2_ball.main(["--images", "4", "--solve", "2", "--repeats", "1", "--eps", "0.05"]) == code
    assert "3×299×299" in capsys.readouterr().out


@pytest.mark.data
def test_a_natural_gradient_step_of_more_than_ten_passes_ends_its_benchmark_with_exit_code_1(
    script, real_data, monkeypatch, capsys
):
    benchmark = script("natural_gradient")
    monkeypatch.setattr(benchmark, "TOLERANCES", (1e-1,))
    arguments = ["--images", "1", "--worth", "0", "--repeats", "1"]
    monkeypatch.setattr(benchmark, "MOST", 1e9)
    assert benchmark.main(arguments) == 0
    monkeypatch.setattr(benchmark, "cost", lambda *_: 10.1)
    monkeypatch.setattr(benchmark, "MOST", 10.0)
    assert benchmark.main(arguments) == 1
    assert "ssim_step, the whole attack" in capsys.readouterr().out


@pytest.mark.parametrize(("times", "most", "code"), [(0, 1e-5, 0), (0, 0.0, 1), (10**9, 1e-5, 1)])
def test_the_solvers_benchmark_ends_with_exit_code_1_where_it_is_slow_or_leaves_a_residual(
    script, monkeypatch, capsys, times, most, code
):
    benchmark = script("grid_solver")
    monkeypatch.setattr(benchmark, "TIMES", times)
    monkeypatch.setattr(benchmark, "RESIDUAL", most)
    arguments = ["--sides", "24", "--images", "2", "--repeats", "1"]
    assert benchmark.main(arguments) == code
    assert benchmark.main([*arguments, "--joint"]) == code
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| 24 ")]
    assert [row[3].strip() for row in rows] == ["GridFactor", "cholespy", "SuperLU"] * 2
    assert all(float(row[8]) < 1e-5 for row in rows)


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")  # of so few steps, or budgets so small
@pytest.mark.data
def test_the_smooth_benchmark_says_where_the_time_goes(script, real_data, capsys):
    smooth = script("smooth")
    arguments = ["--images", "2", "--side", "64", "--batch", "2", "--steps", "2", "--search-steps", "1"]
    code = smooth.main([*arguments, "--kinds", "factorised", "CG, 50 iterations"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    named = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}
    shares = {
        name: [float(cell.rstrip("%")) for cell in named[name][3:]] for name in smooth.KINDS if name in named
    }
    assert list(shares) == ["factorised", "CG, 50 iterations"]
    assert all(sum(each) == pytest.approx(100, abs=0.2) and min(each) >= 0 for each in shares.values())
    assert shares["factorised"][0] > 0
    assert shares["CG, 50 iterations"][0] == 0
    assert code == (float(named["factorised"][2].split()[0]) > smooth.MOST)


def test_the_smooth_benchmark_names_a_ratio_above_the_most_by_its_exit_code(script, monkeypatch):
    smooth = script("smooth")
    times = {"carlini_wagner_l2": 2.0, "smooth_carlini_wagner_l2": 2.3}
    monkeypatch.setattr(smooth, "run", lambda name, *_: times[name])
    images = smooth.common.Images(torch.zeros(1, 3, 8, 8), torch.zeros(1))
    monkeypatch.setattr(smooth, "bench", lambda *_: (None, images))
    assert smooth.main(["--kinds", "factorised"]) == 0
    times["smooth_carlini_wagner_l2"] = 2.5
    assert smooth.main(["--kinds", "factorised"]) == 1


@pytest.fixture
def total_variation(script, monkeypatch):
    """The benchmark beside an ART that blackens what it drops, as the tests do without the real one."""

    class TotalVarMin:
        def __init__(self, prob: float, max_iter: int):
            self.prob = prob

        def __call__(self, images):
            return images * (np.random.rand(*images.shape) < self.prob), None  # noqa: NPY002 - as ART does

    for name in ("art", "art.defences", "art.defences.preprocessor"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setattr(sys.modules["art.defences.preprocessor"], "TotalVarMin", TotalVarMin, raising=False)
    return script("total_variation")


def test_the_total_variation_benchmark_gives_all_sides_one_objective_and_one_mask(total_variation, capsys):
    total_variation.main(["--images", "2", "--side", "40", "--repeats", "1"])
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in cells] for cells in lines]
    excess = {row[0]: float(row[3].rstrip("%")) for row in rows[2:6]}
    assert 0 < excess["limen, tolerance 0.001"] < excess["limen"] < excess["ART, 10 passes"]
    assert rows[8][0] == "limen"
    assert rows[10][0] == "scikit-image"
    assert 0 <= float(rows[10][3].rstrip("%")) < float(rows[8][3].rstrip("%"))
    images = total_variation.views(2, 40)
    kept = total_variation.art_masks(images)
    assert torch.equal(total_variation.art(images, 10), images * kept)


@pytest.mark.parametrize(("seconds", "objective", "code"), [(1.0, 10.0, 1), (2.0, 9.0, 0), (0.5, 11.0, 0)])
def test_a_solver_that_beats_limens_total_variation_is_named_by_the_exit_code(
    total_variation, monkeypatch, seconds, objective, code
):
    measured = {"limen": (1.0, 10.0), "limen, tolerance 0.001": (1.5, 8.0)}
    problem = torch.ones(1, 3, 8, 8, dtype=torch.bool), [(name, name) for name in (*measured, "other")]
    monkeypatch.setattr(total_variation, "problems", lambda images: {"one": problem})
    monkeypatch.setattr(
        total_variation,
        "measure",
        lambda name, *_: (*measured.get(name, (seconds, objective)), 0.0, 0.0),
    )
    assert total_variation.main(["--images", "1", "--side", "8"]) == code


@pytest.mark.data
def test_a_default_saliency_that_foretells_little_ends_its_benchmark_with_exit_code_1(
    script, real_data, monkeypatch, capsys
):
    benchmark = script("saliency")
    monkeypatch.setattr(benchmark, "LEAST_NSS", 0.0)
    kept = (benchmark.DEFAULT, "centre prior alone")
    monkeypatch.setattr(benchmark, "MODELS", {name: benchmark.MODELS[name] for name in kept})
    assert benchmark.main(["--images", "2"]) == 0
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    scores = {cells[0].strip(): float(cells[1].split()[0]) for cells in lines[2:5]}
    assert scores["14 people for the 15th"] > scores[benchmark.DEFAULT] > 0
    monkeypatch.setattr(benchmark, "LEAST_NSS", 9.0)
    monkeypatch.setattr(benchmark, "people", lambda shown: torch.ones(2, 3))
    monkeypatch.setattr(benchmark, "MODELS", {benchmark.DEFAULT: benchmark.MODELS[benchmark.DEFAULT]})
    assert benchmark.main(["--images", "2"]) == 1


def test_the_interval_of_the_saliency_benchmark_is_that_of_the_mean(script):
    values = torch.tensor([1.0, 2.0, 3.0, float("nan")] * 100)
    mean, low, high = (float(each.strip("[],")) for each in script("saliency").interval(values).split())
    half = 1.96 * (2 / 3 / 300) ** 0.5
    assert (mean, low, high) == pytest.approx((2, 2 - half, 2 + half), abs=0.01)


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")  # of so few steps, or budgets so small
@pytest.mark.data
@pytest.mark.parametrize(("delta", "code"), [("1", 0), ("0.001", 1)])
def test_a_defence_that_no_attack_breaks_ends_its_benchmark_with_exit_code_1(
    script, real_data, capsys, delta, code
):
    run = ["--network", "cifar_resnet", "--images", "4", "--steps", "10", "30", "--deltas"]
    assert script("adaptive").main([*run, delta, "--defenses", "bit_depth:bits=4"]) == code
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[-1].split("|")[1:-1]]
    assert cells[:3] == ["bit_depth:bits=4", "1", delta]
    assert cells[-2].startswith("0 " if code else "100 ")  # at last straight through


def test_attacks_are_compared_where_they_are_equally_visible(script):
    benchmark = script("equal_visibility")
    right = np.array([True, True, True, False])

    def curve(scale):
        # An image is as visible as the budget, and one more falls with each; what was wrong never counts.
        seen = scale * np.array([[1.0] * 4, [2.0] * 4, [3.0] * 4])
        fooled = np.array([[1, 0, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]], bool)
        return benchmark.Curve({"MAD": seen}, {"jpeg": fooled})

    shares = benchmark.at_level(curve(1.0), "jpeg", "MAD", 1.5, right)
    assert shares[0] == pytest.approx(0.5)
    assert shares[1:].min() < 0.5 < shares[1:].max()
    assert benchmark.at_level(curve(2.0), "jpeg", "MAD", 3.0, right)[0] == pytest.approx(0.5)
    assert np.isnan(benchmark.at_level(curve(1.0), "jpeg", "MAD", 3.1, right)).all()


@pytest.mark.data
def test_what_survives_is_looked_for_among_rising_budgets(script, real_data, monkeypatch, capsys):
    benchmark = script("equal_visibility")
    monkeypatch.setattr(benchmark, "DEFENSES", ("jpeg:quality=90",))
    ladders = {
        "qpgd_l2": benchmark.Ladder("qpgd_l2:eps={}", (0.01, 8), "rms"),
        "ddn": benchmark.Ladder("ddn:steps=20", (1, 1.1)),
    }
    monkeypatch.setattr(benchmark, "LADDERS", ladders)
    benchmark.main(["--network", "cifar_resnet", "--images", "4", "--attacks", *ladders])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines()[-2:]]
    climbed, found = ([cell.strip() for cell in row] for row in rows)
    assert climbed[:3] == ["qpgd_l2", "8 rms", "100"]
    assert found[:2] == ["ddn", "more than 1.1"]
    assert 0 < float(found[4]) < float(climbed[4])


def two_classes(count: int, seed: int = 0):
    """A linear model of two classes, images and their labels, and the L2 of the nearest boundary."""
    random = torch.Generator().manual_seed(seed)
    layer = torch.nn.Linear(3 * 16 * 16, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(layer.weight.shape, generator=random))
        layer.bias.zero_()
    classifier = Classifier(torch.nn.Sequential(torch.nn.Flatten(), layer))
    images = torch.randint(90, 166, (count, 3, 16, 16), generator=random).float() / 255
    with torch.no_grad():
        logits = classifier(images)
    normal = (layer.weight[0] - layer.weight[1]).detach().norm()
    return classifier, images, logits.argmax(1), (logits[:, 0] - logits[:, 1]).abs(), normal


@pytest.mark.parametrize("margin", [0.0, 5.0])
def test_the_least_budget_of_each_image_is_found_for_the_margin_asked(script, margin):
    noticed = script("noticed")
    classifier, images, labels, lead, normal = two_classes(6)
    found = noticed.found(classifier, images, labels, "pgd_l2:eps=0.03,12.8,steps=5", margin)
    assert found.success.all()
    with torch.no_grad():
        logits = classifier(found.images)
    beyond = logits.gather(1, 1 - labels[:, None]) - logits.gather(1, labels[:, None])
    assert (beyond > margin).all()
    least = (lead + margin) / normal
    gone = (found.images - images).flatten(1).norm(dim=1)
    step = (12.8 / 0.03) ** 0.5**noticed.BISECTIONS
    assert (gone >= 0.99 * least).all()
    assert (gone <= 1.1 * step * least).all()
    alone = noticed.found(classifier, images[2:3], labels[2:3], "pgd_l2:eps=0.03,12.8,steps=5", margin)
    assert torch.equal(alone.images, found.images[2:3])


def test_a_place_leaves_out_what_an_attack_itself_makes_least_and_puts_failures_last(script):
    noticed = script("noticed")
    judges = [*noticed.JUDGES][:5]  # the share, MAD, visibility, CIEDE2000, 1 − SSIM
    values = {
        "ssim_ddn": np.array([[0.1, 1, 1, 1, 0]]),
        "ddn": np.array([[0.1, 2, 2, 2, 2]]),
        "fgm": np.array([[np.nan] * 5]),
    }
    assert noticed.placed(values, judges).tolist() == [[1.0, 2.0, 3.0]]
    swapped = {**values, "ddn": np.array([[0.1, 0, 0, 0, 2]])}
    assert noticed.placed(swapped, judges).tolist() == [[2.0, 1.25, 3.0]]


@pytest.mark.filterwarnings("ignore::limen.errors.LimenWarning")  # of so few steps, or budgets so small
def test_what_is_kept_is_not_looked_for_again_and_attacks_that_fool_all_come_first(
    script, monkeypatch, tmp_path, capsys
):
    noticed, common = script("noticed"), script("common")
    classifier, images, labels, *_ = two_classes(3)
    monkeypatch.setattr(common, "load_network", lambda _: classifier.module)
    monkeypatch.setattr(common, "load_images", lambda *_: common.Images(images, labels))
    specs = ["fgsm:eps=0.0005,0.0006", "pgd_l2:eps=0.1,12.8,steps={few}", "ddn:steps={steps}"]
    arguments = ["--attacks", *specs, "--confidences", "1", "--kept", str(tmp_path), "--few", "3"]

    def table() -> list[list[str]]:
        assert noticed.main(arguments) == 0
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]

    header, _, *rows = table()
    assert header[:4] == ["attack", "fooled", "place", "would notice, %"]
    assert "1 − MS-SSIM" not in header  # of images so small
    assert [row[1] for row in rows] == ["3/3", "3/3", "0/3"]
    assert rows[2][0] == specs[0]
    assert rows[2][3] == ""
    monkeypatch.setattr(noticed, "found", None)
    assert table() == [header, _, *rows]
    arguments += ["--without", "ddn"]
    assert not any("ddn" in row[0] for row in table())


def test_a_cell_of_scaled_logits_tells_what_is_fooled_and_what_could_not_be_moved(script):
    module, common = script("scale_of_logits"), script("common")
    images, labels = torch.zeros(3, 1, 2, 2), torch.zeros(3, dtype=torch.int64)
    found = outcome(images + torch.tensor([0.5, 0.0, 1.0]).reshape(3, 1, 1, 1), [1, 1, 1])
    found.success[:] = torch.tensor([True, False, True])
    found.still[:] = torch.tensor([False, True, False])
    told = module.cell(lambda *_: found, None, common.Images(images, labels))
    assert told == "2/3, 1.00, 1 unmoved"
