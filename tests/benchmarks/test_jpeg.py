"""Attacks behind JPEG, along one gradient or another."""

from __future__ import annotations

import torch

from limen.defenses import jpeg


def test_an_attack_behind_jpeg_sees_the_codec_whatever_gradient_leads_it(script):
    benchmark = script("jpeg")
    images = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    weights = torch.linspace(-1, 1, 3 * 16 * 16)
    coded, gradients = jpeg(images, 50).flatten(1) @ weights, []
    for stand_in, rounding in benchmark.GRADIENTS.values():
        seen = images.clone().requires_grad_()
        with rounding():
            answers = benchmark.Behind(lambda given: given.flatten(1) @ weights, stand_in, 50)(seen)
            gradients += torch.autograd.grad(answers.sum(), seen)
        torch.testing.assert_close(answers, coded)
    torch.testing.assert_close(gradients[0].flatten(1), weights.expand(2, -1))
    assert not gradients[1].equal(gradients[2])


def test_the_jpeg_benchmark_counts_of_the_images_that_are_right_behind_the_codec(script, monkeypatch, capsys):
    benchmark = script("jpeg")
    monkeypatch.setattr(benchmark, "STEPS", 2)
    benchmark.main(["--images", "2", "--qualities", "75", "--near"])
    rows = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if " of 2" in line]
    assert [row[0].strip() for row in rows] == list(benchmark.GRADIENTS)
