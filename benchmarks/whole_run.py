"""What a whole run costs beyond the passes that its attacks make through the model.

    python benchmarks/whole_run.py --cases mobilenet_v2 --images 200 --threads 1
    python benchmarks/whole_run.py --cases cifar_resnet mnist_cnn --images 500 --threads 1
    python benchmarks/whole_run.py --cases cifar_resnet --attacks fgsm:eps=2/255 --memory 1000 10000

`limen attack` is started as from a shell: it imports, loads the network, reads the images, attacks, measures,
writes images and records, and makes the page. Beside it stand as many bare passes as the run's records
count: the gradient of the cross-entropy, in batches of the same size, through the same classifier; a pass is
timed before and after the run. Settings are such that no image leaves its attack before the end.

Photographs are of 224 px and go through MobileNetV2, those of CIFAR-10 through ResNet-20, digits through a
small CNN. One attack is cheap, one usual, one long. A run of a single image tells what each run costs to
start and to end, however many images it has. `--clock cpu` counts the processor's seconds instead of the
clock's, for a machine that does other things. With `--memory` nothing is timed: it says how much memory runs
of so many images have at most.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from limen.classifier import Classifier
from limen.runs import open_run

CASES = ("mobilenet_v2", "cifar_resnet", "mnist_cnn")

# Each attack, and the most that a run of it may cost over its bare passes.
ATTACKS = {
    "fgsm:eps=2/255": None,
    "pgd_linf:eps=2/255,steps=20": 1.15,
    "carlini_wagner_l2:steps=100,search_steps=1,patience=none": 1.10,
}


def main(arguments: list[str] | None = None) -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--attacks", nargs="*", default=list(ATTACKS), metavar="SPEC")
    parser.add_argument("--images", type=common.positive, default=200)
    parser.add_argument("--batch", type=common.positive, default=32)
    parser.add_argument("--repeats", type=common.positive, default=1, help="runs of each kind")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--memory", nargs="+", type=common.positive, default=(), metavar="N")
    options = parser.parse_args(arguments)
    common.settle(options)
    if options.memory:
        print(peaks(options))
        return
    rows = []
    for case in options.cases:
        classifier = Classifier(common.load_network(case))
        batch = common.load_images(case, classifier, options.batch)
        for attack in options.attacks:
            fixed, *_ = run(case, attack, 1, options)
            found = [beside_passes(case, attack, classifier, batch, options) for _ in range(options.repeats)]
            whole, bare = zip(*found, strict=True)
            seconds = (f"{value:.1f}" for value in (fixed, *map(statistics.median, (whole, bare))))
            target = ATTACKS.get(attack) or "none"
            rows.append([case, attack, *seconds, common.paired_ratio(whole, bare), target])
    header = [
        "network",
        "attack",
        "one image, s",
        "all, s",
        "bare passes, s",
        "all / passes [range]",
        "target",
    ]
    print(common.table(header, rows))


def beside_passes(
    case: str, attack: str, classifier: Classifier, batch: common.Images, options: argparse.Namespace
) -> tuple[float, float]:
    """Seconds of a whole run, and of its bare passes: each is timed before and after it."""
    before = seconds_of_passes(classifier, batch, options.clock)
    whole, forwards, backwards = run(case, attack, options.images, options)
    after = seconds_of_passes(classifier, batch, options.clock)
    forward, gradient = ((a + b) / 2 for a, b in zip(before, after, strict=True))
    return whole, backwards * gradient + (forwards - backwards) * forward


def peaks(options: argparse.Namespace) -> str:
    """The most memory that runs of so many images have at once."""
    rows = []
    for case in options.cases:
        for attack in options.attacks:
            row = []
            for images in options.memory:
                with tempfile.TemporaryDirectory() as out:
                    row.append(common.peak_memory(arguments_of(case, attack, images, options.batch, out)))
            rows.append([case, attack, *(f"{value:.0f}" for value in row)])
    return common.table(["network", "attack", *(f"{images} images, MiB" for images in options.memory)], rows)


def arguments_of(case: str, attack: str, images: int, batch: int, out: str) -> list[str]:
    """What the `limen` command is given."""
    source, folder, parameters = common.NETWORKS[case]
    root = common.data_folder()
    settings = "".join(f",{name}={value}" for name, value in parameters.items())
    given = ["attack", "--out", out, "--attack", attack]
    given += ["--model", f"python:{root / 'nets.py'}:{case}"]
    given += ["--data", f"{source}:{root / folder}{settings}"]
    return [*given, "--limit", str(images), "--batch-size", str(batch)]


def run(case: str, attack: str, images: int, options: argparse.Namespace) -> tuple[float, int, int]:
    """Seconds of a whole run, and how many forward and backward passes its records count."""
    with tempfile.TemporaryDirectory() as out:
        given = arguments_of(case, attack, images, options.batch, out)
        command = [sys.executable, "-m", "limen", *given]
        environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
        begin, used = time.perf_counter(), _children()
        subprocess.run(command, check=True, env=environment, capture_output=True)
        spent = time.perf_counter() - begin if options.clock == "wall" else _children() - used
        table = open_run(Path(out)).table()
    forwards, backwards = (int(np.sum(table[name].to_numpy())) for name in ("forwards", "backwards"))
    return spent, forwards, backwards


def seconds_of_passes(classifier: Classifier, images: common.Images, clock: str) -> tuple[float, float]:
    """Seconds an image of a forward pass alone, and of one with its gradient."""
    timer = time.perf_counter if clock == "wall" else time.process_time
    with classifier.frozen():  # as it is during an attack
        forward = [common.seconds(lambda: _answer(classifier, images.images), timer) for _ in range(5)]
        gradient = [common.seconds(lambda: _gradient(classifier, images), timer) for _ in range(5)]
    return statistics.median(forward) / len(images.images), statistics.median(gradient) / len(images.images)


def _answer(classifier: Classifier, images: Tensor) -> None:
    with torch.no_grad():
        classifier(images)


def _gradient(classifier: Classifier, batch: common.Images) -> None:
    images = batch.images.detach().requires_grad_()
    torch.autograd.grad(cross_entropy(classifier(images), batch.labels, reduction="sum"), images)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
