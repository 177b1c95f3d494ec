"""What attacks cost on a GPU, and whether the contracts hold there, within a few minutes on a bare machine.

    python benchmarks/gpu.py --minutes 8
    python benchmarks/gpu.py --device cpu --network tiny --minutes 1

Six attacks on ResNet-50 at 224, of random weights: a pass takes as long as with trained ones. Share is the
seconds of as many bare passes as an attack reports over the attack's own, in turns: 1 is no cost beside them.
Nothing is downloaded. What fails is printed, as is what no time is left for, and the rest goes on. The
contracts come last, in two fifths of the time at least, and are stopped at its end.
"""

from __future__ import annotations

import common  # before torch, which reads the thread settings when it is loaded

# isort: split
import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from limen.attacks import FACTORIES
from limen.classifier import Classifier
from limen.operators.graph_laplacian import GraphLaplacian
from limen.operators.solve import conjugate_gradient
from limen.operators.ssim_tensor import SsimTensor

# In which no image leaves the batch before the end, as far as that can be said of random weights.
ATTACKS = {
    "pgd_linf": {"eps": 8 / 255},
    "mifgsm": {"eps": 8 / 255},
    "pgd_l2": {"eps": 3.0},
    "ddn": {},
    "carlini_wagner_l2": {"search_steps": 1, "patience": None},
    "apgd_linf": {"eps": 8 / 255},
}
MODES = ("float32", "TF32", "bfloat16", "channels_last", "compiled")
SIDES = {"resnet50": 224, "tiny": 16}


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    common.settle(options)
    begin, device = time.monotonic(), torch.device(options.device)
    rest = Rest(begin + 60 * options.minutes, 24 * options.minutes if options.contracts else 0.0)
    if device.type == "cuda":
        print(torch.cuda.get_device_name(device), torch.version.cuda)
    shape, random = (options.images, 3, *[SIDES[options.network]] * 2), torch.Generator().manual_seed(0)
    images = torch.rand(shape, generator=random).to(device)
    for mode in options.modes:
        rest.section(
            f"beside the bare passes, {mode}", lambda mode=mode: throughput(options, mode, images, rest)
        )
    rest.section("solvers", lambda: solvers(images, options.repeats, rest))
    rest.section("the same in every batch", lambda: batches(options, images, rest))
    if options.contracts:
        rest.kept = 0.0
        rest.section(f"contracts on {device.type}", lambda: contracts(device.type, rest))
    print(f"\n{rest.failed} failed, {time.monotonic() - begin:.0f} s")
    return 1 if rest.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = common.parser(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--network", choices=SIDES, default="resnet50")
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    parser.add_argument("--modes", nargs="*", choices=MODES, default=list(MODES))
    parser.add_argument("--images", type=common.positive, default=64, help="one batch of so many")
    parser.add_argument("--steps", type=common.positive, default=10)
    parser.add_argument("--repeats", type=common.positive, default=3, help="pairs of attack and passes")
    parser.add_argument("--minutes", type=float, default=8.0, help="after these it ends")
    parser.add_argument("--no-contracts", dest="contracts", action="store_false", help="leave the tests out")
    return parser


@dataclass
class Rest:
    """The time that is left, of which some seconds are kept for the contracts, and how much has failed."""

    end: float
    kept: float
    failed: int = 0

    def section(self, title: str, run: Callable[[], object]) -> None:
        """Print what goes wrong in it, and go on."""
        print(f"\n{title}", flush=True)
        try:
            self.check()
            run()
        except Exception as error:  # of any kind: the rest is still worth its time
            self.failed += 1
            print(f"failed: {said(error)}", flush=True)

    def check(self) -> None:
        """End what has no time left."""
        if time.monotonic() >= self.end - self.kept:
            raise TimeoutError("no time is left for it")


def said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


class HalfInside(nn.Module):
    """A network that computes in bfloat16, where that is precise enough, and returns float32."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.network, self.kind = network, device.type

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(self.kind, torch.bfloat16):
            return self.network(images).float()


def network_of(options: argparse.Namespace, mode: str) -> nn.Module:
    """The network in this mode; its weights are always the same."""
    device = torch.device(options.device)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if options.network == "tiny":
            network: nn.Module = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.Flatten(), nn.Linear(196, 10))
        else:
            import torchvision

            network = torchvision.models.resnet50()
    network = network.eval().requires_grad_(False).to(device)
    if mode == "channels_last":
        for each in network.parameters():
            each.data = (
                each.data.contiguous(memory_format=torch.channels_last) if each.ndim == 4 else each.data
            )
    if mode == "bfloat16":
        return HalfInside(network, device)
    if mode == "compiled":
        network.compile(dynamic=False)  # in place, so that it still is a module of its own kind
    return network


@contextmanager
def precision(mode: str) -> Iterator[None]:
    """TF32 in matrix products and convolutions where that is the mode, and else not."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode == "TF32"
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def throughput(options: argparse.Namespace, mode: str, images: Tensor, rest: Rest) -> None:
    rows, classifier = [], Classifier(network_of(options, mode), ask=False)
    images = images.contiguous(memory_format=torch.channels_last) if mode == "channels_last" else images
    with precision(mode), torch.no_grad():
        labels = classifier(images).argmax(1)
        for name in options.attacks:
            rest.check()
            try:
                rows.append([name, *costs(options, name, classifier, images, labels)])
            except Exception as error:
                rows.append([name, said(error), *[""] * 4])
                rest.failed += 1
    print(
        common.table(["attack", "images a second", "share [range]", "fooled", "MiB", "of passes, MiB"], rows)
    )


def costs(
    options: argparse.Namespace, name: str, classifier: Classifier, images: Tensor, labels: Tensor
) -> list[str]:
    """Images a second, the share, how many were fooled, and the peak memory of the attack and of passes."""
    attack = FACTORIES[name](steps=options.steps, **ATTACKS[name])
    device = images.device
    outcome = attack(classifier, images, labels)
    forwards, backwards = int(outcome.forwards.sum()), int(outcome.backwards.sum())
    whole = len(images)

    def bare() -> None:
        with classifier.frozen():
            for _ in range(round(backwards / whole)):
                asked = images.detach().requires_grad_()
                with torch.enable_grad():
                    loss = cross_entropy(classifier(asked), labels, reduction="sum")
                torch.autograd.grad(loss, asked)
            for _ in range(round((forwards - backwards) / whole)):
                classifier(images)

    def run() -> None:
        attack(classifier, images, labels)

    bare()
    memory = [peak(each, device) for each in (run, bare)]
    times = [(common.seconds(run), common.seconds(bare)) for _ in range(options.repeats)]
    ours, passes = zip(*times, strict=True)
    speed = f"{whole / statistics.median(ours):.1f}"
    return [speed, common.paired_ratio(passes, ours), str(int(outcome.success.sum())), *memory]


def peak(function: Callable[[], object], device: torch.device) -> str:
    """The most memory of the device that was taken meanwhile."""
    if device.type != "cuda":
        function()
        return "not known"
    torch.cuda.reset_peak_memory_stats(device)
    function()
    return f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f}"


def solvers(images: Tensor, repeats: int, rest: Rest) -> None:
    """The smooth attack's factors and solves, and conjugate gradients with SSIM's metric tensor."""
    targets = torch.randn(images.shape, generator=torch.Generator().manual_seed(1)).to(images)
    laplacian = GraphLaplacian.at(images, "gaussian", 300.0, 0.997, 4, False)
    factor, tensor = laplacian.factorise(), SsimTensor.at(images)
    tasks: dict[str, Callable[[], object]] = {
        "factorise": laplacian.factorise,
        "solve, kept factors": lambda: factor.solve(targets),
        "solve, 50 conjugate gradients": lambda: conjugate_gradient(
            laplacian, targets, tolerance=0.0, iterations=50
        ),
        "SSIM's tensor times a vector": lambda: tensor.matvec(targets),
        "SSIM, 20 conjugate gradients": lambda: conjugate_gradient(
            tensor, targets, tolerance=0.0, iterations=20
        ),
    }
    rows = []
    for name, function in tasks.items():
        rest.check()
        function()
        taken = statistics.median(common.seconds(function) for _ in range(repeats))
        rows.append([name, f"{1e3 * taken / len(images):.3f}"])
    print(common.table(["what", "ms an image"], rows))


def batches(options: argparse.Namespace, images: Tensor, rest: Rest) -> None:
    """Whether an image's result is the same again, and in a batch of half as many."""
    classifier, rows = Classifier(network_of(options, "float32"), ask=False), []
    with precision("float32"), torch.no_grad():
        labels, half = classifier(images).argmax(1), max(1, len(images) // 2)
        for name in options.attacks:
            rest.check()
            attack = FACTORIES[name](steps=options.steps, **ATTACKS[name])
            whole, again = (attack(classifier, images, labels, ids=range(len(images))) for _ in range(2))
            with torch.backends.cudnn.flags(deterministic=True):
                pair = [attack(classifier, images, labels, ids=range(len(images))).images for _ in range(2)]
            part = attack(classifier, images[:half], labels[:half], ids=range(half))
            same = [(whole.images, again.images), pair, (whole.images[:half], part.images)]
            levels = (255 * (whole.images[:half] - part.images)).abs().round()
            rows.append(
                [
                    name,
                    *("yes" if torch.equal(*each) else "no" for each in same),
                    f"{float((levels > 0).float().mean()):.2%}",
                    str(int((whole.success[:half] != part.success).sum())),
                ]
            )
    header = ["attack", "equal again", "cuDNN deterministic", "in half the batch", "values off", "turned"]
    print(common.table(header, rows))


def contracts(kind: str, rest: Rest) -> None:
    """The contracts of all attacks, as many as there is time for; twenty that fail end them."""
    tests = sorted(Path(__file__).resolve().parents[1].glob("tests/attacks/test_contract*.py"))
    # A machine's own plugins may warn, which ends the tests: of this one it is known.
    how = ["-q", "-k", kind, "--maxfail=20", "--dist=worksteal", "-p", "no:benchmark"]
    command = [sys.executable, "-m", "pytest", *how, *map(str, tests)]
    process = subprocess.Popen(
        command, cwd=tests[0].parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        text, _ = process.communicate(timeout=max(1.0, rest.end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.terminate()
        text, _ = process.communicate()
        print("stopped: the time is up")
    print("\n".join(text.splitlines()[-40:]))
    if process.returncode > 0:
        raise RuntimeError(f"pytest ended with {process.returncode}")


if __name__ == "__main__":
    sys.exit(main())
