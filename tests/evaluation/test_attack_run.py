from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import limen
from limen.data import DataError, Dataset, Sample
from limen.errors import LimenWarning, UsageError
from limen.evaluation import describe_run, run_attacks
from limen.evaluation.cleans import classify
from limen.evaluation.measure import _unconfirmed
from limen.identity import Identity
from limen.images import ImageFileError
from limen.metrics import METRICS, STANDARD, Metric
from limen.report import write_page
from limen.runs import MetricColumn, Settings, SkippedImage, create_or_resume, open_run

SHAPE = (3, 16, 16)
SMALL = (3, 10, 12)
NAMES = [metric.column.key for metric in STANDARD]
THRESHOLD = 127.2 / 255


class Brightness(torch.nn.Module):
    """Class 0 is dark and class 1 bright; class 2 never wins."""

    def __init__(self) -> None:
        super().__init__()
        self.threshold = torch.nn.Parameter(torch.tensor(THRESHOLD))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        excess = 20 * (images.mean((1, 2, 3)) - self.threshold)
        return torch.stack([-excess, excess, torch.full_like(excess, -1e3)], 1)


@dataclass
class Brighten:
    """Adds a constant; remembers how it was called."""

    amount: float
    name: str = "b"
    claim: bool | None = None
    calls: list[SimpleNamespace] = field(default_factory=list, compare=False)

    @property
    def identity(self) -> Identity:
        return Identity(self.name, {"amount": self.amount})

    def __call__(self, classifier, images, labels, targeted=False, ids=None, seed=0, lattice=255) -> Any:
        self.calls.append(
            SimpleNamespace(ids=ids, labels=labels.tolist(), targeted=targeted, seed=seed, lattice=lattice)
        )
        changed = (images + self.amount).clamp(0, 1)
        with torch.no_grad():
            predictions = classifier(changed).argmax(1)
        success = (predictions == labels) if targeted else (predictions != labels)
        count = torch.arange(len(images))
        return SimpleNamespace(
            images=torch.where(success[:, None, None, None], changed, images),
            success=success if self.claim is None else torch.full_like(success, self.claim),
            predictions=predictions,
            steps=count + 1,
            forwards=count + 2,
            backwards=count,
            zero_gradients=count * 0 + 1,
            nonfinite_gradients=count * 0,
            unmasked=count == 1,
        )


def grey(
    *levels: float,
    labels: Sequence[int] | None = None,
    targets=None,
    bad: Sequence[int] = (),
    shape: tuple[int, int, int] = SHAPE,
) -> Dataset:
    """Flat images with these levels (0 to 255), named by position, labelled by their brightness."""
    ids = tuple(f"flat/{i}" for i in range(len(levels)))
    truth = [int(level / 255 > THRESHOLD) for level in levels] if labels is None else labels

    def read(index: int) -> Sample:
        if index in bad:
            raise ImageFileError(f"{ids[index]}: truncated")
        image = torch.full(shape, levels[index]) / 255
        return Sample(ids[index], image, truth[index], None if targets is None else targets[index])

    return Dataset("flat", ids, read)


@pytest.fixture
def classifier() -> limen.Classifier:
    return limen.Classifier(Brightness(), class_names=("dark", "bright", "never"))


@pytest.fixture
def attack_run(tmp_path, classifier):
    """Run attacks into one directory and read it back."""

    def run(dataset, attacks, *, directory=tmp_path / "run", classifier=classifier, batch_size=2, **options):
        settings = {key: options.pop(key) for key in ("seed", "lattice", "targeted") if key in options}
        if "metrics" in options:
            settings["metrics"] = options["metrics"]
        manifest = describe_run(classifier, dataset, attacks, model_spec="brightness", **settings)
        with create_or_resume(directory, manifest) as writer:
            run_attacks(classifier, dataset, attacks, writer, batch_size=batch_size, **options)
        return open_run(directory)

    return run


def without_seconds(run) -> list[dict]:
    return run.table().drop_columns(["seconds"]).to_pylist()


def test_records_hold_what_the_attack_did_to_the_stored_image(attack_run):
    run = attack_run(grey(100, 20, 200), [Brighten(40 / 255, name="brighten")])
    fooled, held, bright = run.table().to_pylist()
    assert (fooled["id"], fooled["index"], fooled["label"], fooled["target"]) == ("flat/0", 0, 0, None)
    assert (fooled["clean_prediction"], fooled["prediction"], fooled["success"]) == (0, 1, True)
    excess = 20 * (100 / 255 - THRESHOLD)
    assert fooled["clean_confidence"] == pytest.approx(1 / (1 + np.exp(2 * excess)), rel=1e-5)
    assert fooled["confidence"] == pytest.approx(1 / (1 + np.exp(-40 * (140 / 255 - THRESHOLD))), rel=1e-5)
    assert fooled["linf"] == pytest.approx(40 / 255, rel=1e-5)
    assert fooled["l2"] == pytest.approx(40 / 255 * np.sqrt(3 * 16 * 16), rel=1e-5)
    assert fooled["psnr"] == pytest.approx(20 * np.log10(255 / 40), rel=1e-5)
    assert fooled["ssim"] == pytest.approx((2 * 100 * 140 + 2.55**2) / (100**2 + 140**2 + 2.55**2), rel=1e-4)
    assert (fooled["steps"], fooled["forwards"], fooled["backwards"]) == (1, 2, 0)
    assert (fooled["zero_gradients"], fooled["nonfinite_gradients"]) == (1, 0)
    assert [row["unmasked"] for row in (fooled, held, bright)] == [False, True, False]
    assert fooled["seconds"] > 0
    for row in (held, bright):
        assert not row["success"]
        assert {row[name] for name in NAMES} == {None}
    assert (bright["label"], bright["prediction"]) == (1, 1)
    np.testing.assert_array_equal(run.original("flat/0"), np.full((16, 16, 3), 100))
    np.testing.assert_array_equal(run.image("brighten", "flat/0"), np.full((16, 16, 3), 140))
    np.testing.assert_array_equal(run.image("brighten", "flat/1"), run.original("flat/1"))


def test_the_time_of_a_call_is_shared_by_its_images(attack_run, monkeypatch):
    clock = SimpleNamespace(perf_counter=iter(range(0, 60, 6)).__next__)
    monkeypatch.setattr("limen.evaluation.measure.time", clock)
    run = attack_run(grey(100, 20, 200, 30), [Brighten(0.1)], batch_size=3)
    assert run.table()["seconds"].to_pylist() == [2, 2, 2, 6]


def test_images_below_ssims_window_are_attacked_and_shown_without_it(attack_run):
    run = attack_run(grey(100, 20, shape=SMALL), [Brighten(40 / 255, name="brighten")])
    fooled, held = run.table().to_pylist()
    assert (fooled["success"], held["success"]) == (True, False)
    assert [name for name in NAMES if fooled[name] is None] == ["ssim", "mad", "noticed"]
    assert fooled["linf"] == pytest.approx(40 / 255, rel=1e-5)
    assert write_page([run.directory]).is_file()


def test_the_manifest_describes_model_data_and_settings(attack_run, classifier):
    manifest = attack_run(grey(1, 2), [Brighten(0.5)], seed=7, lattice=None).manifest
    assert (manifest.model.spec, manifest.model.weights) == ("brightness", classifier.fingerprint())
    assert manifest.model.class_names == ("dark", "bright", "never")
    assert (manifest.data.spec, manifest.data.count) == ("flat", 2)
    assert (manifest.settings.seed, manifest.settings.lattice, manifest.settings.targeted) == (7, None, False)
    assert manifest.device == "cpu"


def test_success_is_what_the_stored_image_does_not_what_the_attack_claims(attack_run):
    table = attack_run(
        grey(20, 110),
        [Brighten(40 / 255, claim=True, name="boast"), Brighten(40 / 255, claim=False, name="shy")],
    )
    rows = [(row["attack"], row["success"], row["success_in_memory"]) for row in table.table().to_pylist()]
    assert rows == [
        ("boast", False, True),
        ("boast", True, True),
        ("shy", False, False),
        ("shy", True, False),
    ]


def test_the_attacks_own_image_is_measured_beside_the_stored_one(attack_run):
    float_run = attack_run(grey(100, 20), [Brighten(40.4 / 255)], lattice=None)
    fooled, held = float_run.table().select(["linf", "linf_in_memory"]).to_pylist()
    assert fooled["linf"] == pytest.approx(40 / 255, rel=1e-5)
    assert fooled["linf_in_memory"] == pytest.approx(40.4 / 255, rel=1e-5)
    assert held == {"linf": None, "linf_in_memory": None}


def test_a_claim_that_the_file_does_not_keep_has_a_distance_in_memory_alone(attack_run):
    (row,) = attack_run(grey(127), [Brighten(0.4 / 255)], lattice=None).table().to_pylist()
    assert (row["linf"], row["linf_in_memory"]) == (None, pytest.approx(0.4 / 255, rel=1e-4))


def test_what_is_derived_of_a_metric_is_measured_with_it(attack_run, monkeypatch):
    calls, mad = [], METRICS["mad"].function
    monkeypatch.setattr(
        "limen.metrics.apparent_distortion.mad", lambda a, b: calls.append(len(a)) or mad(a, b)
    )
    monkeypatch.setattr("limen.metrics.noticing.mad", lambda a, b: calls.append(len(a)) or mad(a, b))
    run = attack_run(grey(100, 20), [Brighten(40 / 255)])
    assert calls == [1]  # of the one image that is fooled
    for row in run.table().to_pylist():
        known = row["mad"] is not None
        assert (row["noticed"] is not None) == known
        if known:
            share = METRICS["noticed"].derive(torch.tensor(row["mad"], dtype=torch.float32)).item()
            assert row["noticed"] == row["noticed_in_memory"] == pytest.approx(share)


def test_on_the_lattice_both_settings_are_equal(attack_run):
    for row in attack_run(grey(100, 20), [Brighten(40 / 255)]).table().to_pylist():
        assert [row[name] for name in NAMES] == [row[f"{name}_in_memory"] for name in NAMES]


def test_a_metric_of_the_users_own_is_a_column_of_the_run(attack_run):
    def drop(originals, images):
        return (originals - images).amin((1, 2, 3))

    own = Metric(MetricColumn("drop", "drop"), drop)
    run = attack_run(grey(100, 20), [Brighten(40 / 255)], metrics=[own])
    assert [column.key for column in run.manifest.metrics] == ["drop"]
    assert run.table()["drop"].to_pylist() == [pytest.approx(-40 / 255, rel=1e-5), None]
    assert "l2" not in run.table().column_names


def test_without_a_lattice_an_image_may_succeed_in_memory_and_fail_in_its_file(attack_run):
    attack = Brighten(0.4 / 255)
    run = attack_run(grey(127), [attack], lattice=None)
    (row,) = run.table().to_pylist()
    assert attack.calls[0].lattice is None
    assert (row["success_in_memory"], row["success"], row["prediction"]) == (True, False, 0)
    np.testing.assert_array_equal(run.image("b", "flat/0"), np.full((16, 16, 3), 127))


def test_a_misclassified_image_is_attacked_and_recorded_as_such(attack_run):
    (row,) = attack_run(grey(100, labels=[1]), [Brighten(0.0)]).table().to_pylist()
    assert (row["label"], row["clean_prediction"], row["success"], row["linf"]) == (1, 0, True, 0.0)


def test_each_attack_is_called_once_a_batch_with_ids_seed_and_lattice(attack_run, classifier):
    passes = []
    classifier.module.register_forward_hook(lambda module, inputs, output: passes.append(len(inputs[0])))
    one, two = Brighten(0.1, "one"), Brighten(0.2, "two")
    attack_run(grey(*range(5)), [one, two], seed=9, lattice=51)
    for attack in (one, two):
        assert [call.ids for call in attack.calls] == [
            ("flat/0", "flat/1"),
            ("flat/2", "flat/3"),
            ("flat/4",),
        ]
        assert {(call.seed, call.lattice, call.targeted) for call in attack.calls} == {(9, 51, False)}
    # A batch costs one clean pass, and an attack its own and the check of what was stored. The network is
    # asked the first batch twice more, to tell whether its answers are steady.
    assert passes == [2] * 2 + [2] * 5 + [2] * 5 + [1] * 5


def test_a_targeted_run_aims_at_the_targets(attack_run):
    attack = Brighten(40 / 255)
    run = attack_run(grey(100, 20, targets=[1, 1]), [attack], targeted=True)
    assert attack.calls[0].labels == [1, 1]
    rows = [
        (row["label"], row["target"], row["prediction"], row["success"]) for row in run.table().to_pylist()
    ]
    assert rows == [(0, 1, 1, True), (0, 1, 0, False)]


def test_a_targeted_run_without_targets_is_refused_before_anything_is_attacked(attack_run, tmp_path):
    attack = Brighten(0.1)
    with pytest.raises(UsageError, match="flat: names no target classes"):
        attack_run(grey(1, 2), [attack], targeted=True)
    assert not attack.calls


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        (
            grey(1, 2, labels=[0, 3]),
            {},
            r"image 'flat/1' has label 3, but the model has 3 classes \(0 to 2\)",
        ),
        (grey(1, 2, labels=[-1, 0]), {}, "image 'flat/0' has label -1"),
        (grey(1, 2, targets=[0, 1000]), {"targeted": True}, "image 'flat/1' has target 1000"),
    ],
)
def test_a_class_that_the_model_lacks_is_named_before_anything_is_attacked(
    attack_run, dataset, options, message
):
    attack = Brighten(0.1)
    with pytest.raises(UsageError, match=message):
        attack_run(dataset, [attack], **options)
    assert not attack.calls


def test_a_negative_limit_is_refused(tmp_path, classifier):
    manifest = describe_run(classifier, grey(1), [Brighten(0.1)], model_spec="brightness")
    with create_or_resume(tmp_path, manifest) as run, pytest.raises(UsageError, match="limit"):
        run_attacks(classifier, grey(1), [Brighten(0.1)], run, limit=-1)


def test_a_finished_run_repeats_nothing(attack_run):
    first = attack_run(grey(*range(90, 95)), [Brighten(0.2)])
    again = Brighten(0.2)
    assert attack_run(grey(*range(90, 95)), [again]).table() == first.table()
    assert not again.calls


def test_chosen_images_alone_are_attacked_and_more_can_be_chosen(attack_run):
    levels, attack = range(6), [Brighten(0.2, name="a")]
    assert attack_run(grey(*levels), attack, places=[1, 4]).table()["index"].to_pylist() == [1, 4]
    more = attack_run(grey(*levels), attack, places=[0, 1, 4, 5], limit=3)
    assert more.table()["index"].to_pylist() == [0, 1, 4]


def test_a_limit_can_be_raised_and_attacks_added(attack_run, tmp_path):
    levels = range(90, 97)
    attack_run(grey(*levels), [Brighten(0.2, name="a")], limit=3)
    a, b = Brighten(0.2, "a"), Brighten(0.1)
    run = attack_run(grey(*levels), [a, b], batch_size=5)
    assert [call.ids for call in a.calls] == [("flat/3", "flat/4"), ("flat/5", "flat/6")]
    assert [len(call.ids) for call in b.calls] == [5, 2]
    whole = attack_run(grey(*levels), [Brighten(0.2, name="a"), Brighten(0.1)], directory=tmp_path / "whole")
    # These say where in its batch an image stood.
    places = {"steps": 0, "forwards": 0, "backwards": 0, "unmasked": False}
    assert [row | places for row in without_seconds(run)] == [row | places for row in without_seconds(whole)]


class Interrupt(Brighten):
    def __call__(self, *arguments, **options) -> Any:
        if len(self.calls) == 2:
            raise KeyboardInterrupt
        return super().__call__(*arguments, **options)


def test_an_interrupted_run_is_valid_and_ends_as_an_undisturbed_one(attack_run, tmp_path):
    levels = range(90, 99)
    attacks = [Brighten(0.2, name="a"), Brighten(0.1)]
    with pytest.raises(KeyboardInterrupt):
        attack_run(grey(*levels), [Brighten(0.2, name="a"), Interrupt(0.1)])
    rows = open_run(tmp_path / "run").table().to_pydict()
    assert (rows["attack"].count("a"), rows["attack"].count("b")) == (6, 4)
    run = attack_run(grey(*levels), attacks)
    assert without_seconds(run) == without_seconds(
        attack_run(grey(*levels), attacks, directory=tmp_path / "whole")
    )


def test_a_bad_image_is_recorded_and_counted_until_it_is_mended(attack_run):
    seen: list[tuple[str, int, int]] = []
    run = attack_run(grey(90, 91, 92, bad=[1]), [Brighten(0.2)], progress=lambda *values: seen.append(values))
    assert run.manifest.skipped == (SkippedImage("flat/1", "flat/1: truncated"),)
    assert run.table()["id"].to_pylist() == ["flat/0", "flat/2"]
    assert seen == [("b", 0, 3), ("b", 0, 2), ("b", 1, 2), ("b", 2, 2)]
    run = attack_run(grey(90, 91, 92), [Brighten(0.2)])
    assert run.manifest.skipped == ()
    assert run.table()["id"].to_pylist() == ["flat/0", "flat/1", "flat/2"]


def test_progress_starts_at_what_is_finished(attack_run):
    seen: list[tuple[str, int, int]] = []
    attack_run(grey(*range(4)), [Brighten(0.2, name="a")], limit=2)
    attack_run(
        grey(*range(4)),
        [Brighten(0.2, name="a"), Brighten(0.1)],
        progress=lambda *values: seen.append(values),
    )
    assert seen == [("a", 2, 4), ("b", 0, 4), ("b", 2, 4), ("a", 4, 4), ("b", 4, 4)]


def test_an_image_that_went_bad_counts_for_the_attack_alone_that_had_finished_it(attack_run):
    attack_run(grey(90, 91), [Brighten(0.2, name="a")])
    seen: list[tuple[str, int, int]] = []
    both = [Brighten(0.2, name="a"), Brighten(0.1)]
    attack_run(grey(90, 91, bad=[1]), both, progress=lambda *values: seen.append(values))
    assert seen == [("a", 2, 2), ("b", 0, 2), ("b", 0, 1), ("b", 1, 1)]


def test_memory_is_bounded_by_a_batch(attack_run):
    alive: list[int] = []
    made: list[weakref.ref] = []

    class Watched(Brighten):
        def __call__(self, classifier, images, *arguments, **options) -> Any:
            made.append(weakref.ref(images))
            alive.append(sum(each() is not None for each in made))
            return super().__call__(classifier, images, *arguments, **options)

    attack_run(grey(*range(20)), [Watched(0.1)])
    assert len(alive) == 10
    assert max(alive) <= 2


def test_a_model_in_double_precision_is_attacked_in_it(attack_run):
    run = attack_run(grey(100), [Brighten(40 / 255)], classifier=limen.Classifier(Brightness().double()))
    assert run.table()["linf"].to_pylist() == [pytest.approx(40 / 255, rel=1e-6)]


def test_an_attack_that_the_run_does_not_list_is_refused(tmp_path, classifier):
    manifest = describe_run(classifier, grey(1), [Brighten(0.1, "a")], model_spec="brightness")
    with create_or_resume(tmp_path, manifest) as run, pytest.raises(UsageError, match="no attack 'b'"):
        run_attacks(classifier, grey(1), [Brighten(0.1)], run)


def test_a_changed_data_set_is_not_mixed_into_a_run(attack_run):
    attack_run(grey(1, 2), [Brighten(0.1)])
    with pytest.raises(UsageError, match="number of images: 2 in the run, 3 now"):
        attack_run(grey(1, 2, 3), [Brighten(0.1)])


def test_a_label_or_target_that_changed_between_two_commands_is_refused_never_mixed(attack_run):
    attack_run(grey(100, 20), [Brighten(0.1, "a")])
    later = Brighten(0.1)
    with pytest.raises(UsageError, match="image 'flat/0' has another label"):
        attack_run(grey(100, 20, labels=[1, 0]), [Brighten(0.1, "a"), later])
    assert not later.calls


def test_a_run_goes_on_with_the_images_that_it_attacked_though_others_lie_there_now(attack_run):
    attack_run(grey(100, 20), [Brighten(0.1, "a")])
    with pytest.warns(LimenWarning, match="image 'flat/0' has changed since this run attacked"):
        run = attack_run(grey(101, 20), [Brighten(0.1, "a"), Brighten(0.1)])
    sources = run.table()["source"].to_pylist()
    assert sources[:2] == sources[2:]
    assert sources[0] != sources[1]
    assert np.array_equal(run.image("b", "flat/0"), run.image("a", "flat/0"))
    with pytest.warns(LimenWarning, match="2 images, such as 'flat/0', have changed"):
        attack_run(grey(101, 21), [Brighten(0.1, "a"), Brighten(0.1), Brighten(0.2, "c")])


def test_a_target_counts_only_where_it_is_aimed_at(attack_run, tmp_path):
    attack_run(grey(100, targets=[1]), [Brighten(0.1, "a")])
    attack_run(grey(100, targets=[2]), [Brighten(0.1, "a"), Brighten(0.1)])
    aimed = {"targeted": True, "directory": tmp_path / "aimed"}
    attack_run(grey(100, targets=[1]), [Brighten(0.1, "a")], **aimed)
    with pytest.raises(UsageError, match="has another label, target or mask"):
        attack_run(grey(100, targets=[2]), [Brighten(0.1, "a"), Brighten(0.1)], **aimed)


def test_a_file_exchanged_after_the_run_is_noticed_though_nothing_is_left_to_do(attack_run, tmp_path):
    for name, level in (("bright", 100), ("dark", 20)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (16, 16), (level,) * 3).save(tmp_path / "photos" / name / "1.png")
    first = attack_run(limen.data.folder(tmp_path / "photos"), [Brighten(0.1)])
    assert attack_run(limen.data.folder(tmp_path / "photos"), [Brighten(0.1)]).table() == first.table()
    Image.new("RGB", (16, 16), (101,) * 3).save(tmp_path / "photos" / "bright" / "1.png")
    with pytest.warns(LimenWarning, match=r"image 'bright/1\.png' has changed"):
        attack_run(limen.data.folder(tmp_path / "photos"), [Brighten(0.1)])
    (tmp_path / "photos" / "bright" / "1.png").write_bytes(b"no image any more")
    assert attack_run(limen.data.folder(tmp_path / "photos"), [Brighten(0.1)]).table() == first.table()


def test_one_run_never_holds_a_bare_and_a_defended_model(attack_run, classifier):
    attack_run(grey(100), [Brighten(0.1)])
    blurred = limen.defenses.Defended(classifier, limen.defenses.bilateral)
    # The defence is told by itself, so that the weights are those of the model alone.
    assert describe_run(blurred, grey(100), []).model.weights == classifier.fingerprint()
    with pytest.raises(UsageError, match=r"defenses: '' in the run, 'bilateral' now"):
        attack_run(grey(100), [Brighten(0.1)], classifier=blurred)


def brighten_a_little(classifier, images, labels, *, targeted=False, ids=None, seed=0, lattice=255):
    return Brighten(0.2)(classifier, images, labels, targeted)


def test_a_plain_function_is_an_attack_and_a_lambda_is_refused(attack_run):
    run = attack_run(grey(100), [brighten_a_little])
    (label,) = run.manifest.labels
    assert label.endswith(":brighten_a_little")
    assert run.manifest.attacks[0].identity.parameters == {}
    assert run.table()["linf"].to_pylist() == [pytest.approx(0.2, abs=1 / 255)]
    with pytest.raises(UsageError, match="cannot be told apart"):
        attack_run(grey(100), [lambda *given, **options: brighten_a_little(*given)])


def test_classes_are_matched_by_name_and_others_refused_before_anything_is_attacked(attack_run, tmp_path):
    named = dataclasses.replace(grey(200, 20, labels=[0, 1], targets=[1, 0]), class_names=("Bright", "dark"))
    run = attack_run(named, [Brighten(0.0)])
    assert run.table()["label"].to_pylist() == [1, 0]
    assert run.table()["success"].to_pylist() == [False, False]
    run = attack_run(named, [Brighten(0.0)], directory=tmp_path / "targeted", targeted=True)
    assert run.table()["target"].to_pylist() == [0, 1]
    unknown = dataclasses.replace(named, class_names=("bright", "gloomy"))
    with pytest.raises(DataError, match="class 'gloomy' is none of the model's 3 classes"):
        attack_run(unknown, [Brighten(0.0)], directory=tmp_path / "unknown")
    assert not (tmp_path / "unknown").exists()


@pytest.mark.parametrize("right", [True, False])
def test_the_page_warns_where_labels_are_no_better_than_chance(attack_run, right):
    levels = (10, 20, 30, 200, 210, 220)
    labels = [int((level > 127) == right) for level in levels]
    run = attack_run(grey(*levels, labels=labels), [Brighten(0.0)])
    said = "only 0 of 6 images as they are labelled, no better than by chance among 3 classes"
    assert (said in write_page([run.directory]).read_text(encoding="utf-8")) == (not right)


def test_masks_of_the_data_reach_an_attack_and_count_as_part_of_the_image(tmp_path):
    def scenes(full: bool) -> limen.data.Dataset:
        pixels = np.random.default_rng(0).integers(90, 166, (3, 12, 12, 3), dtype=np.uint8)
        masks = np.full((3, 12, 12), full)
        masks[:, :, :6] = True
        return limen.data.from_arrays("scenes", pixels, np.zeros(3, np.int64), masks=masks)

    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(432, 3))
    classifier = limen.Classifier(module)
    attack = limen.attacks.dual_perturbation(0.0, 20.0, steps=5, salience=0.0, mask="data")
    manifest = describe_run(classifier, scenes(False), [attack])
    with limen.runs.create_or_resume(tmp_path / "run", manifest) as run:
        run_attacks(classifier, scenes(False), [attack], run, metrics=())
    stored = limen.runs.open_run(tmp_path / "run")
    rows = stored.table().to_pylist()
    assert any(row["success"] for row in rows)
    for row in rows:
        before = np.asarray(Image.open(stored.original_path(row["id"])))
        after = np.asarray(Image.open(stored.image_path(row["attack"], row["id"])))
        assert (before[:, :6] == after[:, :6]).all()
    sources = [
        classify(classifier, "scenes", next(iter(limen.data.batches(each, [0], 1, print))), Settings())
        for each in (scenes(False), scenes(True))
    ]
    assert sources[0].columns["source"] != sources[1].columns["source"]


def test_of_a_model_that_draws_a_success_holds_when_both_times_it_is_asked():
    drawn: Any = SimpleNamespace(repeatable=False)
    claimed = torch.tensor([True, True, True, False])
    outcome: Any = SimpleNamespace(success=claimed, unconfirmed=torch.tensor([True, False, False, False]))
    stored = torch.tensor([True, False, True, True])
    assert list(_unconfirmed(drawn, outcome, stored)) == [True, True, False, False]
    assert list(_unconfirmed(SimpleNamespace(repeatable=True), outcome, stored)) == [None] * 4
