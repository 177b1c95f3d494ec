"""Spec strings: what is read is what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limen.errors import UsageError
from limen.spec import Spec, split_chain, value_text

WORD = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="="), min_size=1).filter(
    lambda text: text == text.strip()
)
FURTHER = TEXT.filter(lambda text: text[0] != ",")
VALUES = st.dictionaries(
    WORD, st.builds(lambda first, more: (first, *more), TEXT, st.lists(FURTHER, max_size=2)), max_size=3
)


@given(WORD, TEXT, VALUES)
def test_a_written_spec_with_an_argument_reads_as_the_same_spec(name, argument, values):
    spec = Spec(name, argument, tuple(values.items()))
    assert Spec.parse(str(spec), argument=True) == spec


@given(WORD, st.sampled_from([None, ""]), VALUES)
def test_a_written_spec_without_an_argument_reads_as_the_same_spec(name, argument, values):
    spec = Spec(name, argument, tuple(values.items()))
    assert Spec.parse(str(spec), argument=argument is not None) == spec


def test_a_comma_instead_of_the_colon_leaves_the_argument_out():
    spec = Spec("lite0", "", (("weights", ("C:\\a.pth",)),))
    assert str(spec) == "lite0,weights=C:\\a.pth"
    assert Spec.parse(str(spec), argument=True) == spec
    assert Spec.parse("lite0:,weights=C:\\a.pth", argument=True) == spec


def test_a_further_value_with_an_equals_sign_repeats_its_key():
    spec = Spec("transfer", None, (("model", ("a.py:f,weights=x", "b.py:g", "c.py:h,weights=y")),))
    assert str(spec) == "transfer:model=a.py:f,,weights=x,b.py:g,model=c.py:h,,weights=y"
    assert Spec.parse(str(spec), argument=False, several={"model"}) == spec
    with pytest.raises(UsageError, match="model is given twice"):
        Spec.parse(str(spec), argument=False)


@pytest.mark.parametrize("text", ["", ",a"])
def test_a_further_value_that_would_read_as_something_else_is_not_written(text):
    with pytest.raises(UsageError, match="that a spec cannot hold"):
        str(Spec("pgd", None, (("eps", ("1", text)),)))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("fgsm:0.1", "'0.1' is not key=value"),
        ("fgsm:eps=1,eps=2", "eps is given twice"),
        ("fgsm,eps=1", "write fgsm:eps=1"),
    ],
)
def test_what_is_no_list_of_keys_and_values_is_refused(text, complaint):
    with pytest.raises(UsageError, match=complaint):
        Spec.parse(text, argument=False)


@given(st.floats(allow_nan=False))
def test_a_number_is_written_so_that_it_reads_as_itself(value):
    numerator, slash, denominator = value_text(value).partition("/")
    assert (float(numerator) / float(denominator) if slash else float(numerator)) == value


@given(st.lists(TEXT.filter(lambda text: text[0] != "+"), min_size=1, max_size=3))
def test_a_chain_reads_as_the_specs_that_it_is_made_of(specs):
    assert split_chain("+".join(spec.replace("+", "++") for spec in specs)) == specs


@pytest.mark.parametrize("text", ["jpeg+", "+jpeg", "jpeg+ +resize", "jpeg+++resize+"])
def test_a_chain_with_nothing_beside_a_plus_is_refused(text):
    with pytest.raises(UsageError, match="has a plus with nothing on one side"):
        split_chain(text)
