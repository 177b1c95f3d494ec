"""What a training costs beyond the passes it makes, and whether its memory grows.

    python benchmarks/training.py --batch 64 --repeats 7

Three tables. In the first, one step of adversarial training with an attack of one step is timed against a
loop written by hand: the attack's forward and backward pass, then the forward and backward pass of the
weights, and the optimizer's step. In the second, whole epochs on CIFAR-10, with reading, augmentation and the
optimizer, are timed against the bare passes of as many batches. The third has the memory of the process after
each of several epochs; with `--memory` it stands alone, beside the most that `limen train` has at once, in
one epoch and in several. The sides of a ratio take turns; ratios are formed pair by pair. Exit code 1 if a
ratio is above its target.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from limen import data
from limen.attacks import fgsm, pgd_linf
from limen.classifier import Classifier
from limen.data import Dataset
from limen.training import Adversarial, Lesson, Objective, Settings, Team, train
from limen.training.learner import Learning

Clock = Callable[[], float]

MOST = 1.1
"""The most that a step, and an epoch, may take of what their bare passes take."""


def main(arguments: list[str] | None = None) -> int:
    parser = common.parser(__doc__)
    parser.add_argument("--batch", type=common.positive, default=64, help="images a step")
    parser.add_argument("--images", type=common.positive, default=1024, help="images an epoch")
    parser.add_argument("--epochs", type=common.positive, default=8, help="epochs whose memory is measured")
    parser.add_argument("--repeats", type=common.positive, default=7, help="pairs")
    parser.add_argument("--memory", action="store_true", help="measure memory alone")
    parser.add_argument("--processor", action="store_true", help="count processor time, on a busy machine")
    options = parser.parse_args(arguments)
    common.settle(options)
    clock = time.process_time if options.processor else time.perf_counter
    train_set = first(data.cifar10(common.data_folder() / "cifar10", split="train"), options.images)
    print(f"ResNet-20 on CIFAR-10, batches of {options.batch}, {len(train_set)} images an epoch")
    if options.memory:
        memory(train_set, options.batch, options.epochs)
        peaks(options.epochs)
        return 0
    ratios = [
        *steps(train_set, options.batch, options.repeats, clock),
        *epochs(train_set, options.batch, options.repeats, clock),
    ]
    memory(train_set, options.batch, options.epochs)
    return int(max(ratios) > MOST)


def steps(train_set: Dataset, size: int, repeats: int, clock: Clock) -> list[float]:
    """A step with an attack of one step, through the objective and by hand."""
    lesson, rows, ratios = a_lesson(train_set, size), [], []
    for name, attack, by_hand in (
        ("fgsm", fgsm(eps=8 / 255), signed_step),
        ("pgd_linf:steps=1", pgd_linf(eps=8 / 255, steps=1), random_signed_step),
    ):
        ours = own_step(Adversarial(attack), lesson)
        theirs = hand_step(by_hand, lesson)
        row, ratio = compare(ours, theirs, repeats, clock)
        rows.append([name, *row, MOST])
        ratios.append(ratio)
    print(common.table(["step with", "its s", "by hand, s", "ratio [range]", "target"], rows))
    return ratios


def epochs(train_set: Dataset, size: int, repeats: int, clock: Clock) -> list[float]:
    """Epochs through `train`, and the bare passes of their batches."""
    lesson, rows, ratios = a_lesson(train_set, size), [], []
    count, test_set = len(train_set) // size, first(train_set, size)
    for name, objective, bare in (
        ("cross_entropy", None, None),
        ("adversarial:fgsm", Adversarial(fgsm(eps=8 / 255)), signed_step),
    ):
        classifier = Classifier(network())

        def epoch(classifier: Classifier = classifier, objective: Objective | None = objective) -> None:
            settings = Settings(epochs=1, batch_size=size, augment=("crop+flip",))
            train(classifier, train_set, test_set, settings, objective=objective)

        step, measured = hand_step(bare, lesson), Classifier(network())

        def passes(step: Callable[[], None] = step, measured: Classifier = measured) -> None:
            for _ in range(count):
                step()
            with torch.no_grad():  # the accuracy after the epoch
                measured(lesson.images)

        row, ratio = compare(epoch, passes, repeats, clock)
        rows.append([name, *row, MOST])
        ratios.append(ratio)
    print()
    print(common.table(["epoch of", "its s", "passes, s", "ratio [range]", "target"], rows))
    return ratios


def memory(train_set: Dataset, size: int, count: int) -> None:
    """The resident memory after each epoch of one training."""
    settings, seen = Settings(epochs=count, batch_size=size, augment=("crop+flip",)), []

    def note(event: object, history: tuple[object, ...]) -> None:
        if len(history) > len(seen):
            gc.collect()
            seen.append(resident())

    objective = Adversarial(pgd_linf(eps=8 / 255, steps=1))
    train(
        Classifier(network()), train_set, first(train_set, size), settings, objective=objective, listen=note
    )
    rows = [[number, f"{value:.0f}"] for number, value in enumerate(seen, 1)]
    print()
    print(common.table(["after epoch", "resident, MB"], rows))


def peaks(count: int) -> None:
    """The most memory that the command has at once, whole: with its data, attacks, checkpoints and page."""
    rows = []
    for objective in ("cross_entropy", "adversarial:attack=pgd_linf:eps=0.1,,steps=5"):
        row = []
        for epochs in (1, count):
            with tempfile.TemporaryDirectory() as folder:
                command = ["train", "--model", "demo:digits", "--objective", objective]
                command += ["--validate", "fgsm:eps=0.1", "--epochs", str(epochs)]
                row.append(f"{common.peak_memory([*command, '--out', f'{folder}/a.safetensors']):.0f}")
        rows.append([objective, *row])
    print()
    print(common.table(["limen train", "peak of 1 epoch, MiB", f"of {count}"], rows))


def network() -> nn.Module:
    """A ResNet-20 of the data folder, with all its weights to learn."""
    return common.load_network("cifar_resnet").requires_grad_(True)


def first(dataset: Dataset, count: int) -> Dataset:
    """The first samples of a data set."""
    return Dataset(f"{dataset.spec},first={count}", dataset.ids[:count], dataset.read, dataset.class_names)


def a_lesson(train_set: Dataset, size: int) -> Lesson:
    (batch,) = data.batches(train_set, range(size), size, print)
    places = torch.arange(size)
    return Lesson(**vars(batch), weights=torch.ones(size), places=places, whole=size, seed=0)


def own_step(objective: Objective, lesson: Lesson) -> Callable[[], None]:
    classifier = Classifier(network())
    optimizer = torch.optim.AdamW(classifier.module.parameters())
    learning = Learning(classifier, Team(), optimizer)

    def step() -> None:
        with learning.training():
            loss = objective(learning, lesson).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return step


Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]


def hand_step(attack: Attack | None, lesson: Lesson) -> Callable[[], None]:
    module = network()
    optimizer = torch.optim.AdamW(module.parameters())

    def step() -> None:
        images = lesson.images
        if attack is not None:
            module.eval()
            module.requires_grad_(False)  # the gradient is of the images alone
            images = attack(module, images, lesson.labels)
            module.requires_grad_(True)
        module.train()
        loss = cross_entropy(module(images), lesson.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def signed_step(module: nn.Module, images: Tensor, labels: Tensor, start: Tensor | None = None) -> Tensor:
    moved = (images if start is None else start).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(module(moved), labels, reduction="sum"), moved)
    eps = 8 / 255
    stepped = moved.detach() + (eps if start is None else 2.5 * eps) * gradient.sign()
    return torch.clamp(stepped, images - eps, images + eps).clamp_(0, 1)


def random_signed_step(module: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    start = (images + torch.empty_like(images).uniform_(-8 / 255, 8 / 255)).clamp_(0, 1)
    return signed_step(module, images, labels, start)


def compare(
    one: Callable[[], object], other: Callable[[], object], repeats: int, clock: Clock
) -> tuple[list[str], float]:
    """The median seconds of the two, taking turns, and their ratio."""
    one(), other()  # to warm up
    times = [(common.seconds(one, clock), common.seconds(other, clock)) for _ in range(repeats)]
    ours, theirs = zip(*times, strict=True)
    medians = [f"{statistics.median(each):.3f}" for each in (ours, theirs)]
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return [*medians, common.paired_ratio(ours, theirs)], ratio


def resident() -> float:
    """The memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    sys.exit(main())
