"""Each step of the solver is that of the reference, which shares no line with it."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limen.operators.nested_dissection import GridFactor, substitution
from limen.operators.nested_dissection.layout import INTERLEAVED_BELOW
from limen.operators.nested_dissection.ordering import LEAF, Level, dissect
from limen.operators.nested_dissection.symbolic import analyse

from . import reference
from .grids import SHAPES, dense, drawn, matrices, relative

SIDES = [(1, 1), (1, 40), (7, 1), (2, 3), (5, 5), (13, 7), (9, 31), (15, 15)]
CASES = [*((*sides, torch.float64, 1e-11) for sides in SIDES), (15, 15, torch.float32, 1e-4)]


def subdomains(level: Level, pixels: int) -> list[tuple[list[int], list[int]]]:
    """The separator and the boundary of each, without what fills up the rows."""
    rows = zip(level.separator.tolist(), level.boundary.tolist(), strict=True)
    return [([p for p in own if p < pixels], [p for p in around if p < pixels]) for own, around in rows]


@pytest.mark.parametrize("edges", [2, 4])
@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_the_separators_are_georges_and_the_boundaries_what_they_fill_in(height, width, edges):
    levels, expected = dissect(height, width, edges), reference.dissect(height, width, LEAF)
    matrix = dense(*matrices(1, 1, height, width, edges=edges))[0, 0].numpy()
    filled = {tuple(own): around for own, around, *_ in reference.factorise(matrix, expected)}
    found = [subdomains(level, height * width) for level in levels]
    assert [[own for own, _ in level] for level in found] == expected
    assert all(around == filled[tuple(own)] for level in found for own, around in level)


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_a_parent_is_the_subdomain_that_was_cut(height, width):
    levels = dissect(height, width, 4)
    for above, level in pairwise(levels):
        assert sum(level.halves) == level.layout.subdomains
        parents = zip(level.parents.tolist(), subdomains(level, height * width), strict=True)
        whole = subdomains(above, height * width)
        assert all({*around} <= {*chain(*whole[parent])} for parent, (_, around) in parents)


@pytest.fixture(params=[0, INTERLEAVED_BELOW, 10**9], ids=["batched", "mixed", "interleaved"])
def layouts(request, monkeypatch):
    """Each layout by itself, whatever the size, and both as they are used."""
    analyse.cache_clear()
    monkeypatch.setattr("limen.operators.nested_dissection.layout.INTERLEAVED_BELOW", request.param)
    yield
    analyse.cache_clear()


def steps(height: int, width: int, edges: int, dtype: torch.dtype):
    """The factor of 2 × 2 matrices, and for each of them the reference's."""
    diagonal, links = matrices(2, 2, height, width, edges=edges, dtype=dtype)
    levels = reference.dissect(height, width, LEAF)
    written_out = dense(diagonal, links).double().numpy()
    exact = {place: reference.factorise(written_out[place], levels) for place in np.ndindex(2, 2)}
    return GridFactor.of(diagonal, links), exact


@pytest.mark.usefixtures("layouts")
@pytest.mark.parametrize(("height", "width", "dtype", "most"), CASES, ids=str)
@pytest.mark.parametrize("edges", [2, 4])
def test_the_factors_hold_what_the_reference_eliminates_with(height, width, edges, dtype, most):
    factor, exact = steps(height, width, edges, dtype)
    levels = zip(dissect(height, width, edges), factor.forward, factor.backward, strict=True)
    for level, *sides in reversed([*levels]):
        s = level.layout.separator
        for (sample, group), left in exact.items():
            forward, backward = (level.layout.by_subdomain(each[sample])[group] for each in sides)
            for ahead, (separator, boundary, inverse, carried) in zip(forward, left, strict=False):
                e, b = len(separator), len(boundary)
                assert np.allclose(ahead[:e, :e], inverse, rtol=0, atol=most * abs(inverse).max())
                assert np.allclose(-ahead[:e, s : s + b], carried, rtol=0, atol=most)
            assert torch.equal(backward, forward[..., s:].mT)
            del left[: len(forward)]
    assert not any(exact.values())


@pytest.mark.usefixtures("layouts")
@pytest.mark.parametrize(("height", "width", "dtype", "most"), CASES, ids=str)
@pytest.mark.parametrize("edges", [2, 4])
def test_both_substitutions_are_those_of_the_reference(height, width, edges, dtype, most):
    factor, exact = steps(height, width, edges, dtype)
    targets = drawn(2, 2, height, width, seed=2, dtype=dtype) - 0.5
    vectors = analyse(height, width, edges, torch.device("cpu")).vectors
    values = targets.view(4, -1).index_select(1, vectors.order)
    substitution.forward(vectors, values, factor.forward)
    halfway = values.index_select(1, vectors.places).view(2, 2, -1)
    substitution.backward(vectors, values, factor.backward)
    solution = values.index_select(1, vectors.places).view(2, 2, -1)
    for place, factors in exact.items():
        half = reference.forward(factors, targets[place].double().numpy().ravel())
        whole = reference.backward(factors, half)
        for found, expected in (halfway[place], half), (solution[place], whole):
            assert relative(found - torch.tensor(expected), torch.tensor(expected)) <= most


@settings(max_examples=25)
@given(st.integers(1, 14), st.integers(1, 14), st.sampled_from([2, 4]), st.integers(0, 2**31))
def test_the_reference_solves(height, width, edges, seed):
    diagonal, links = matrices(1, 1, height, width, edges=edges)
    matrix = dense(diagonal, links)[0, 0].numpy()
    target = drawn(height * width, seed=seed).numpy()
    factors = reference.factorise(matrix, reference.dissect(height, width, LEAF))
    solution = reference.backward(factors, reference.forward(factors, target))
    assert np.allclose(matrix @ solution, target, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("groups", "channels"), [(1, 3), (2, 2)])
@pytest.mark.parametrize(("height", "width"), [(1, 9), (13, 10), (21, 22)])
def test_the_gradient_of_a_solution_is_a_solution(height, width, groups, channels):
    factor = GridFactor.of(*matrices(2, groups, height, width))
    targets = drawn(2, channels, height, width, seed=2).requires_grad_()
    gradient = drawn(2, channels, height, width, seed=3)
    (found,) = torch.autograd.grad(factor.solve(targets), targets, gradient)
    expected = factor.solve(gradient)
    assert relative(found - expected, expected) <= 1e-13
