"""What goes on beside the attacks of a run: in order, at most two pieces at once, and no error lost."""

from __future__ import annotations

import contextvars
import threading
from contextlib import ExitStack, closing

import pytest

from limen.evaluation.beside import Behind, ahead


def test_work_goes_on_meanwhile_and_only_a_third_piece_waits():
    release, done = threading.Event(), []
    with Behind() as behind:
        behind.do(release.wait, 10)
        behind.do(done.append, 1)  # not waited for
        assert not done
        giving = threading.Thread(target=behind.do, args=(done.append, 2))
        giving.start()
        giving.join(0.05)
        assert giving.is_alive()
        release.set()
        giving.join(10)
        behind.wait()
        assert done == [1, 2]


def test_after_an_error_nothing_more_is_done_and_whoever_gives_work_is_told():
    done = []
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(ZeroDivisionError))
        behind = stack.enter_context(Behind())
        behind.do(lambda: 1 / 0)
        behind.do(done.append, 1)
        with pytest.raises(ZeroDivisionError):
            behind.wait()
        behind.do(done.append, 1)
    assert done == []


def test_an_error_of_the_last_piece_is_raised_at_the_end():
    with pytest.raises(KeyboardInterrupt), Behind() as behind:
        behind.do(_interrupt)


def test_an_error_in_the_block_lets_what_was_given_be_done_first():
    done = []
    behind = Behind()
    behind.do(done.append, 1)
    behind.__exit__(ZeroDivisionError)
    assert done == [1]


def test_what_the_caller_is_in_holds_there_too():
    trusted = contextvars.ContextVar("trusted", default=False)
    found = []

    def items():
        yield trusted.get()

    trusted.set(True)
    with Behind() as behind:
        behind.do(lambda: found.append(trusted.get()))
    assert [*found, *ahead(items())] == [True, True]


def test_one_item_is_made_ahead_and_no_more():
    made, second = [], threading.Event()

    def items():
        for number in range(4):
            made.append(number)
            if number == 1:
                second.set()
            yield number

    with closing(ahead(items())) as coming:
        assert next(coming) == 0
        assert second.wait(10)
    assert made == [0, 1]


def test_an_error_of_an_item_is_raised_where_it_is_asked_for():
    coming = ahead(1 // number for number in (1, 0))
    assert next(coming) == 1
    with pytest.raises(ZeroDivisionError):
        next(coming)


def _interrupt():
    raise KeyboardInterrupt
