"""Seeds and random numbers that belong to a sample."""

from __future__ import annotations

import torch

from limen.seeds import content_seeds, draw, sample_seeds


def test_seeds_are_of_the_id_and_the_calls_seed():
    seeds = sample_seeds(0, ["a", "b", "c"])
    assert len(seeds.unique()) == 3
    assert (seeds >= 0).all()
    assert torch.equal(sample_seeds(0, ["c", "a"]), seeds[[2, 0]])
    assert not torch.isin(sample_seeds(1, ["a", "b", "c"]), seeds).any()
    assert sample_seeds(0, []).shape == (0,)


def test_seeds_are_the_same_on_every_machine():
    assert sample_seeds(0, ["a"]).tolist() == [6841154156042874738]


def test_seeds_of_the_content_are_of_the_8_bit_image_and_the_calls_seed():
    images = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    seeds = content_seeds(0, images)
    assert len(seeds.unique()) == 3
    assert (seeds >= 0).all()
    assert torch.equal(content_seeds(0, images[[2, 0]].double()), seeds[[2, 0]])
    assert torch.equal(content_seeds(0, images.mul(255).round() / 255), seeds)
    assert not torch.isin(content_seeds(1, images), seeds).any()
    assert content_seeds(0, images[:0]).shape == (0,)


def test_seeds_of_the_content_tell_a_level_and_a_shape_apart():
    black = torch.zeros(1, 1, 4, 4)
    brighter = black.clone()
    brighter[0, 0, 3, 3] = 1 / 255
    seeds = [content_seeds(0, each) for each in (black, brighter, black.reshape(1, 1, 2, 8))]
    assert len(torch.cat(seeds).unique()) == 3


def test_the_seed_of_an_image_is_the_same_on_every_machine():
    assert content_seeds(0, torch.zeros(1, 1, 2, 2)).tolist() == [2095642509064476566]


def test_numbers_are_drawn_of_each_seed_alone_and_leave_the_global_generator():
    seeds, state = sample_seeds(3, range(4)), torch.get_rng_state()
    drawn = draw(torch.rand, seeds, (2, 5), torch.float64)
    assert drawn.dtype == torch.float64
    assert torch.equal(draw(torch.rand, seeds[[2, 1]], (2, 5), torch.float64), drawn[[2, 1]])
    assert not torch.equal(draw(torch.rand, seeds, (2, 5), torch.float64, salt=1), drawn)
    assert len(drawn.unique()) == drawn.numel()
    assert torch.equal(torch.get_rng_state(), state)
