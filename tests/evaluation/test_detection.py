"""Detection by steganalysis: which images train and test which detector, and what is said of it."""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

import limen
from limen import evaluation
from limen.analysis import Roc, over_repeats
from limen.detection import features, train_ensemble
from limen.document import Charts, Notes, Table
from limen.errors import UsageError
from limen.evaluation import EVALUATIONS, describe_run, detector_of, evaluate, run_attacks
from limen.images import read_image
from limen.runs import Run, Stored, create_or_resume, open_run

LOUD, FAINT, DDN = "fgsm:eps=0.1", "fgsm:eps=0.02", "ddn:steps=8"
SPEC = "detection:repeats=4,learners=30"


def attacked(folder: Path, labels: tuple[str, ...], count: int) -> Run:
    classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=count)
    attacks = [limen.catalog.attack(label) for label in labels]
    with create_or_resume(folder, describe_run(classifier, dataset, attacks)) as writer:
        run_attacks(classifier, dataset, attacks, writer)
    return open_run(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return attacked(tmp_path_factory.mktemp("run") / "run", (LOUD, FAINT, DDN), 32)


@pytest.fixture(scope="module")
def stored(run) -> Stored:
    return evaluate(run, EVALUATIONS.make(SPEC))


def pairs_of(run: Run, label: str) -> list[str]:
    """The images that the model had right before and wrong after, in the order of the data set."""
    found = run.table().filter((pc.field("attack") == label) & pc.field("success"))
    return found.filter(found["clean_prediction"].to_numpy() == found["label"].to_numpy())["id"].to_pylist()


def features_of(run: Run, label: str | None, ids: list[str]) -> np.ndarray:
    paths = [run.original_path(each) if label is None else run.image_path(label, each) for each in ids]
    return np.stack([feature_of(path) for path in paths])


@functools.cache
def feature_of(path: Path) -> np.ndarray:
    return features(read_image(path)[None])[0]


def scores_of(stored: Stored) -> dict[tuple[str, str | None, int], dict[str, tuple[float, float]]]:
    """Scores of original and attacked image by detector, attack shown, repeat and id."""
    found: dict = defaultdict(dict)
    for row in stored.records().to_pylist():
        key = row["attack"], row["shown"], row["repeat"]
        assert row["id"] not in found[key]
        found[key][row["id"]] = (row["original"], row["attacked"])
    return found


def block(stored: Stored, title: str):
    (found,) = [each for each in stored.document().blocks if each.title == title]
    return found


def rows(stored: Stored, title: str) -> dict[str, list]:
    return {row[0].text: row[1:] for group in block(stored, title).groups for row in group.rows}


TABLE, MATRIX = "Detection of each attack by a detector that knows it", "Detectors shown other attacks"


def test_scores_are_those_of_an_ensemble_trained_on_the_photographs_that_are_not_tested(run, stored):
    found = scores_of(stored)
    for label in (LOUD, DDN):
        pairs = pairs_of(run, label)
        for repeat in (0, 3):
            testing = found[label, label, repeat]
            training = [each for each in pairs if each not in testing]
            assert len(training) >= 2
            clean, changed = (features_of(run, which, training) for which in (None, label))
            ensemble = train_ensemble(clean, changed, seed=repeat, learners=30)
            for column, which in enumerate((None, label)):
                expected = ensemble.scores(features_of(run, which, list(testing)))
                assert [each[column] for each in testing.values()] == expected.tolist()


def test_every_pair_is_tested_in_half_of_the_repeats_and_the_splits_are_those_of_all_attacks(run, stored):
    found = scores_of(stored)
    photographs = set().union(*(pairs_of(run, label) for label in (LOUD, FAINT, DDN)))
    for repeat in range(4):
        half = set().union(*(found[LOUD, shown, repeat] for shown in (LOUD, FAINT, DDN)))
        other = set().union(*(found[LOUD, shown, repeat ^ 1] for shown in (LOUD, FAINT, DDN)))
        assert not half & other
        assert half | other == photographs
        for trained in (LOUD, FAINT, DDN):
            for shown in (LOUD, FAINT, DDN):
                assert set(found[trained, shown, repeat]) == half & set(pairs_of(run, shown))


def test_no_photograph_of_any_attack_is_both_trained_and_tested_on(run, monkeypatch):
    seen = []
    real = evaluation.detection.train_ensemble

    def watched(clean, changed, **options):
        seen.append({tuple(row) for row in np.concatenate([clean, changed])})
        return real(clean, changed, **options)

    monkeypatch.setattr(evaluation.detection, "train_ensemble", watched)
    found = scores_of(evaluate(run, EVALUATIONS.make("detection:repeats=2,learners=25,seed=7")))
    keys = list(dict.fromkeys((label, repeat) for label, shown, repeat in found if shown is not None))
    assert len(keys) == 6
    # The detectors of no attack are trained after those of the first one.
    trained = dict(zip([*keys[:2], "clean", "clean", *keys[2:]], seen, strict=True))
    for (label, shown, repeat), testing in found.items():
        if shown is not None:
            shown_images = np.concatenate([features_of(run, each, list(testing)) for each in (None, shown)])
            assert not trained[label, repeat] & {tuple(row) for row in shown_images}


def test_loud_noise_is_detected_and_clean_against_clean_is_not(stored):
    found = rows(stored, TABLE)
    assert list(found) == [LOUD, FAINT, DDN, "clean against clean"]
    assert found[LOUD][1].value > 0.9
    assert found[LOUD][3].value > 0.95
    # 4 repeats test 16 photographs each; of Binomial(64, ½) all but 0.2 %.
    assert 0.31 < found["clean against clean"][1].value < 0.69
    assert 0.5 <= found["clean against clean"][2].value < 0.85


def test_the_table_says_what_the_scores_say(run, stored):
    found = scores_of(stored)
    for label in (LOUD, FAINT, DDN):
        repeats = [found[label, label, repeat] for repeat in range(4)]
        curves = [Roc(*(np.array(side) for side in zip(*each.values(), strict=True))) for each in repeats]
        pairs, own, best, area, alarms = rows(stored, TABLE)[label]
        assert pairs.value == len(pairs_of(run, label))
        assert own.value == pytest.approx(np.mean([each.accuracy() for each in curves]))
        assert best.value == pytest.approx(np.mean([each.best_accuracy for each in curves]))
        assert area.value == pytest.approx(np.mean([each.area for each in curves]))
        assert alarms.value == pytest.approx(np.mean([each.false_alarms_at(0.9) for each in curves]))
        interval = over_repeats([each.area for each in curves])
        if interval.low == interval.low:
            assert (area.low, area.high) == (interval.low, interval.high)
        else:
            assert area.low is None


def test_every_detector_is_shown_every_attack(stored):
    table = block(stored, MATRIX)
    assert isinstance(table, Table)
    assert table.columns == ("Trained on", LOUD, FAINT, DDN)
    found, shown = rows(stored, MATRIX), scores_of(stored)
    assert list(found) == [LOUD, FAINT, DDN]
    for place, label in enumerate((LOUD, FAINT, DDN)):
        assert found[label][place].value == rows(stored, TABLE)[label][1].value
    repeats = [np.array(list(shown[FAINT, LOUD, repeat].values())).T for repeat in range(4)]
    expected = np.mean([Roc(*each).accuracy() for each in repeats])
    assert found[FAINT][0].value == pytest.approx(expected)


def test_the_chart_has_a_curve_per_attack_and_one_of_no_attack(stored):
    charts = block(stored, "Detections against false alarms")
    assert isinstance(charts, Charts)
    lines = charts.charts[0].lines
    assert [each.name for each in lines] == [LOUD, FAINT, DDN, "clean against clean"]
    for line in lines:
        assert (line.x[0], line.x[-1], line.y[-1]) == (0, 1, 1)
        assert list(line.y) == sorted(line.y)
    area = np.trapezoid(lines[0].y, lines[0].x)
    assert area == pytest.approx(rows(stored, TABLE)[LOUD][3].value, abs=0.02)


def test_the_clean_detectors_call_half_of_the_originals_attacked(run, stored):
    found = scores_of(stored)
    for repeat in range(4):
        testing = found[LOUD, None, repeat]
        called = [image_id for image_id, (original, _) in testing.items() if original is None]
        assert len(called) == len(testing) / 2 >= 6
        assert all((one is None) != (other is None) for one, other in testing.values())
    assert not any(label != LOUD for label, shown, _ in found if shown is None)


def test_pairs_on_which_an_attack_failed_count_on_demand(run):
    stored = evaluate(run, EVALUATIONS.make("detection:repeats=2,learners=25,failures=true"))
    pairs = rows(stored, TABLE)
    table = run.table()
    correct = table.filter(table["clean_prediction"].to_numpy() == table["label"].to_numpy())
    for label in (LOUD, FAINT, DDN):
        assert pairs[label][0].value == sum(each == label for each in correct["attack"].to_pylist())
    failed = set(correct["id"].to_pylist()) - set(pairs_of(run, FAINT))
    same = [row for row in stored.records().to_pylist() if row["shown"] == FAINT and row["id"] in failed]
    assert len(same) > 3
    assert all(row["original"] == row["attacked"] for row in same)


def test_options_reach_the_detectors(run, monkeypatch):
    seen = []

    def watched(clean, changed, *, seed, learners, dimension):
        seen.append((clean.shape[1], seed, learners, dimension))
        return train_ensemble(clean, changed, seed=seed, learners=25, dimension=3)

    monkeypatch.setattr(evaluation.detection, "train_ensemble", watched)
    evaluate(run, EVALUATIONS.make("detection:colour=channels,repeats=2,seed=5,learners=40,dimension=9"))
    assert set(seen) == {(3 * 686, 5, 40, 9), (3 * 686, 6, 40, 9)}
    assert len(seen) == 8


def test_features_are_computed_once_per_image(run, monkeypatch):
    from limen.evaluation import run_features

    seen: list[Path] = []
    real = run_features.load
    monkeypatch.setattr(run_features, "load", lambda paths, root: seen.extend(paths) or real(paths, root))
    evaluate(run, EVALUATIONS.make("detection:repeats=2,learners=25,seed=11"))
    assert len(seen) == len(set(seen)) > 60


@pytest.mark.filterwarnings("ignore:.*the budget is less than one level:limen.errors.LimenWarning")
def test_an_attack_that_came_to_more_images_is_measured_anew(tmp_path):
    classifier, dataset = limen.catalog.model("demo:photos"), limen.data.demo("photos", count=16)
    quiet, loud = (limen.catalog.attack(label) for label in ("fgsm:eps=0.0001", LOUD))
    manifest = describe_run(classifier, dataset, [quiet, loud])
    sizes = []
    for count in (8, 16):  # of the images that came since, the quiet attack fools the model on none
        with create_or_resume(tmp_path / "run", manifest) as writer:
            run_attacks(classifier, dataset, [loud], writer)
            run_attacks(classifier, dataset, [quiet], writer, limit=count)
        stored = evaluate(open_run(tmp_path / "run"), EVALUATIONS.make(SPEC))
        clean = [row for row in stored.records().to_pylist() if row["shown"] is None]
        sizes.append(len({row["id"] for row in clean}))
    assert sizes[0] <= 8 < sizes[1]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("detection:features=dctr", "unknown features 'dctr'"),
        ("detection:colour=red", "colour must be"),
        ("detection:repeats=0", "repeats is 0; expected an integer"),
        ("detection:seed=-1", "seed is -1; expected 0 or more"),
        ("detection:learners=0", "learners is 0; expected an integer"),
        ("detection:dimension=687", "dimension must be from 1 to 686"),
    ],
)
def test_a_wrong_option_is_refused(run, spec, said):
    with pytest.raises(UsageError, match=said):
        evaluate(run, EVALUATIONS.make(spec))


def test_it_is_said_that_few_pairs_mean_little(tmp_path):
    few = evaluate(attacked(tmp_path / "few", (LOUD,), 8), EVALUATIONS.make(SPEC))
    (notes,) = [each for each in few.document().blocks if isinstance(each, Notes)]
    assert "Under 20 pairs" in notes.items[0]
    assert f"{LOUD} (" in notes.items[0]
    assert not [each for each in few.document().blocks if each.title == MATRIX]


@pytest.mark.filterwarnings("ignore:.*the budget is less than one level:limen.errors.LimenWarning")
def test_an_attack_with_too_few_pairs_has_no_figures_and_it_is_said(tmp_path):
    run = attacked(tmp_path / "none", ("fgsm:eps=0.0001", LOUD), 12)
    assert len(pairs_of(run, "fgsm:eps=0.0001")) < 2
    found = evaluate(run, EVALUATIONS.make(SPEC))
    assert rows(found, TABLE)["fgsm:eps=0.0001"][1].value is None
    assert rows(found, TABLE)[LOUD][1].value is not None
    notes = block(found, "How sure this is")
    assert any("Too few pairs" in each and "eps=0.0001" in each for each in notes.items)


def test_a_detector_of_a_run_is_trained_on_all_pairs_of_the_attack(run):
    detector = detector_of(run, LOUD, seed=3)
    pairs, origin = pairs_of(run, LOUD), detector.origin
    assert (origin.attack, origin.pairs, origin.seed) == (LOUD, len(pairs), 3)
    assert (origin.model, origin.data) == (run.manifest.model.spec, run.manifest.data.spec)
    assert (origin.weights, origin.size) == (run.manifest.model.weights, (96, 96))
    expected = train_ensemble(features_of(run, None, pairs), features_of(run, LOUD, pairs), seed=3)
    assert (detector.ensemble.weights == expected.weights).all()
    many = detector_of(run, FAINT, failures=True)
    assert many.origin.pairs > len(pairs_of(run, FAINT))


@pytest.mark.filterwarnings("ignore:.*the budget is less than one level:limen.errors.LimenWarning")
def test_a_detector_of_a_run_needs_an_attack_with_pairs(run, tmp_path):
    with pytest.raises(UsageError, match="has 3 attacks; name one of"):
        detector_of(run)
    with pytest.raises(UsageError, match="unknown attack 'fgsm'"):
        detector_of(run, "fgsm")
    with pytest.raises(UsageError, match="0 pairs to train on"):
        detector_of(attacked(tmp_path / "none", ("fgsm:eps=0.0001",), 4))
