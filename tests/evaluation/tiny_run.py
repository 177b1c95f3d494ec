"""A small real run as a command, for tests that kill it: `python tiny_run.py --out DIR`."""

from __future__ import annotations

import sys

import numpy as np
import torch

import limen
from limen.evaluation import describe_run, run_attacks


def main(out: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    classifier = limen.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 10)))
    pixels = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    dataset = limen.data.from_arrays("noise", pixels, np.arange(30) % 10)
    attacks = [limen.attacks.pgd_l2(eps=1.0, steps=5), limen.attacks.ddn(steps=5)]
    manifest = describe_run(classifier, dataset, attacks, model_spec="a linear model")
    with limen.runs.create_or_resume(out, manifest) as run:
        run_attacks(classifier, dataset, attacks, run, batch_size=3)


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--out") + 1])
