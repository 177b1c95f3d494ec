from __future__ import annotations

import threading
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.errors import LimenError, UnknownNameError, UsageError, changed_filters


@pytest.mark.parametrize(
    ("error", "code"), [(LimenError("x"), 1), (UsageError("x"), 2), (UnknownNameError("attack", "x", []), 2)]
)
def test_the_exit_code_tells_failure_from_misuse(error: LimenError, code: int) -> None:
    assert error.exit_code == code
    assert isinstance(error, LimenError)


def test_misuse_is_also_a_value_error_and_failure_is_not() -> None:
    assert issubclass(UsageError, ValueError)
    assert issubclass(UnknownNameError, UsageError)
    assert not issubclass(LimenError, ValueError)


def test_a_misspelt_name_is_answered_with_the_nearest_one() -> None:
    error = UnknownNameError("metric", "ssmi", ["psnr", "ssim", "l2"])
    assert str(error) == "unknown metric 'ssmi'; did you mean 'ssim'? Known: l2, psnr, ssim"


def test_a_name_like_no_other_gets_the_list_alone() -> None:
    assert str(UnknownNameError("metric", "zzz", ["ssim", "l2"])) == "unknown metric 'zzz'. Known: l2, ssim"


@given(name=st.text(max_size=8), known=st.sets(st.text(min_size=1, max_size=8), max_size=5))
def test_the_message_holds_the_name_and_all_known_names(name: str, known: set[str]) -> None:
    message = str(UnknownNameError("metric", name, iter(known)))
    assert repr(name) in message
    assert message.endswith(", ".join(sorted(known)))


def test_threads_leave_the_filters_of_warnings_as_they_were():
    before = list(warnings.filters)
    entered, left = threading.Event(), threading.Event()

    def other() -> None:
        with changed_filters():
            entered.set()
            left.wait(5)
            warnings.simplefilter("ignore", ResourceWarning)

    thread = threading.Thread(target=other)
    with changed_filters():
        warnings.simplefilter("ignore", UserWarning)
        thread.start()
        assert not entered.wait(0.05)
    left.set()
    thread.join()
    assert warnings.filters == before
