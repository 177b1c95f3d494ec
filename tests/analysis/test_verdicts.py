"""The verdict: counted by hand from the records, and in words."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from limen.analysis import verdict
from limen.analysis.verdicts import strongest
from limen.document import percent
from limen.runs import DataEntry, Manifest, ModelEntry, Run, Settings

from ..named import identity
from .handmade import COLUMNS, made, record, table

WHY = "what stands beside the figures says why"


def run_of(rows: list[dict], *labels: str, metrics: tuple[str, ...] = tuple(COLUMNS), **settings) -> Run:
    manifest = Manifest(
        model=ModelEntry("m", "ab"), data=DataEntry("d", len(rows)), settings=Settings(**settings)
    )
    manifest = manifest.with_attacks(map(identity, labels)).with_metrics(COLUMNS[each] for each in metrics)
    return SimpleNamespace(table=lambda: table(rows), manifest=manifest)  # pyright: ignore[reportReturnType]


def rows(label: str, fooled: int, right: int, wrong: int = 0, **changes) -> list[dict]:
    """So many images that the model had right, some of them fooled, and further ones that it had wrong."""
    of_right = [
        record(label, str(i), success=i < fooled, **(changes if i < fooled else {})) for i in range(right)
    ]
    return of_right + [record(label, f"wrong {i}", correct=False) for i in range(wrong)]


IMAGES = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=12)


@given(IMAGES)
def test_it_counts_as_one_would_by_hand(images: list[tuple[bool, bool, bool]]):
    records = [
        record(label, str(i), success=of[1 + place], correct=of[0])
        for place, label in enumerate(("a", "b"))
        for i, of in enumerate(images)
    ]
    found = verdict(run_of(records, "a", "b"))
    right = [of for of in images if of[0]]
    most = max(sum(of[place] for of in right) for place in (1, 2))
    assert (found.images, found.correct, found.counted, found.fooled) == (
        len(images),
        len(right),
        len(right),
        most,
    )
    assert (found.strongest is None) == (most == 0)
    assert len(found.equals) == (most > 0 and len({sum(of[place] for of in right) for place in (1, 2)}) == 1)
    if right:
        ends = binomtest(most, len(right)).proportion_ci(method="wilson")
        assert (found.success.low, found.success.high) == pytest.approx((ends.low, ends.high))


def test_of_equals_the_one_with_the_least_change_is_the_strongest():
    some = [
        made([(True, True, value), (True, True, value), (False, True, 0)], name=str(value))
        for value in (3, 1, 2)
    ]
    found = strongest(some, "l2")
    assert found is some[1]
    more = made([(True, True, 9.0), (True, True, 9.0), (True, True, 9.0)], name="more")
    assert strongest([*some, more], "l2") is more
    assert strongest([], "l2") is None
    assert strongest(some, None) is some[0]


def test_it_says_what_was_right_what_was_fooled_by_how_much_and_who_would_notice():
    changes = {"l2": 0.5, "linf": 4 / 255, "ssim": 0.998, "mad": 0.0, "noticed": 0.06}
    records = rows("weak", 1, 8, 1) + rows("strong", 6, 8, 1, **changes)
    before, success, notice = verdict(run_of(records, "weak", "strong")).sentences
    low, high = binomtest(8, 9).proportion_ci(method="wilson")
    ends = f"{percent(8 / 9)}, 95 % interval {percent(low)} to {percent(high)}"
    assert before == f"Before any attack the model had 8 of 9 images right ({ends})."
    assert success.startswith(
        "The strongest of 2 attacks, strong, fooled it on 6 of the 8 that it had right ("
    )
    assert success.endswith("at a median change of L₂\xa00.5, L∞\xa04/255 and SSIM\xa00.9980.")
    assert notice.startswith(
        f"Would people notice? Side by side with the original, {percent(0.06)} of people would"
    )
    assert notice.endswith("On 6 of the 6 the change is too faint for it to tell apart.")


def test_a_single_attack_is_named_alone_and_a_target_is_one():
    (_, success, _) = verdict(run_of(rows("ddn", 3, 4), "ddn", targeted=True)).sentences
    assert success.startswith("ddn led it to the target on 3 of the 4 that it had right (")
    before, success, notice = verdict(run_of(rows("ddn", 1, 1), "ddn")).sentences
    assert before == "Before any attack the model had 1 of 1 image right."
    assert success.startswith("ddn fooled it on the one that it had right, at a change of L₂\xa00.25, ")
    assert notice.endswith("a mean over images, and a single one may differ from it widely.")


def test_what_could_not_move_is_not_told_as_robustness():
    still = {"zero_gradients": 4, "nonfinite_gradients": 0}
    held = [each | still for each in rows("a", 0, 8)] + rows("b", 0, 8)
    assert verdict(run_of(held, "a", "b")).sentences[2] == (
        f"On 8 of these it could not move, which is no robustness; {WHY}."
    )
    some = rows("a", 6, 8)
    some[7] |= still
    some[6] |= {"still": True}
    some[0] |= still
    found = verdict(run_of(some, "a"))
    assert found.stuck == 2
    assert found.sentences[2] == f"On 2 of the others it could not move, which is no robustness; {WHY}."
    # Of one that fooled all, another's standstill is of no matter.
    assert verdict(run_of(held[:8] + rows("b", 8, 8), "a", "b")).stuck == 0


def test_what_did_not_hold_when_asked_again_is_told():
    some = rows("a", 6, 8)
    for place, each in enumerate(some):
        each["unconfirmed"] = place in (1, 2, 7)
    asked = "On 2 of these it did not hold when the model was asked again."
    assert verdict(run_of(some, "a")).sentences[2] == asked
    # "These" are those that it fooled, also where others could not move.
    some[6] |= {"still": True}
    assert [sentence[:17] for sentence in verdict(run_of(some, "a")).sentences[2:4]] == [
        "On 2 of these it ",
        "On 1 of the other",
    ]


@pytest.mark.parametrize(
    ("records", "labels", "said"),
    [
        ([], (), ["No image has been attacked yet."]),
        (rows("a", 0, 0, 5), ("a",), ["0 of 5 images right", "none is left to fool"]),
        (rows("a", 0, 8), ("a",), ["8 of 8 images right", "The attack fooled it on none of these ("]),
        (
            rows("a", 0, 8) + rows("b", 0, 8),
            ("a", "b"),
            ["8 of 8", "None of 2 attacks fooled it on any of these"],
        ),
        (rows("a", 2, 8) + rows("b", 2, 8), ("a", "b"), ["8 of 8", "Another fooled as many", "notice"]),
    ],
    ids=["empty", "all wrong", "held", "held twice", "equal"],
)
def test_runs_at_the_ends(records: list[dict], labels: tuple[str, ...], said: list[str]):
    sentences = verdict(run_of(records, *labels)).sentences
    for sentence, words in zip(sentences, said, strict=True):
        assert words in sentence


def test_where_nothing_tells_whether_people_would_notice_it_says_so():
    records = rows("a", 2, 4, noticed=None)
    assert "is not known" in verdict(run_of(records, "a")).sentences[-1]
    alone = verdict(run_of(records, "a", metrics=("psnr",)))
    assert alone.changes == ()
    assert replace(alone, faint=1).sentences[1].endswith(").")
    assert np.isnan(verdict(run_of([], "a")).clean.value)
