"""Commands that go wrong in a user's file, network, checkpoint or option: one line, and an exit code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from limen import Classifier, attacks, catalog
from limen.classifier import ModelError
from limen.errors import LimenError
from limen.weights import WeightsError
from limen.weights.reading import load_weights, read_weights

RUN = ("--data", "folder:photos", "--attack", "fgsm", "--out", "run", "--no-report")
"""A small attack but for its model."""

FILES = {
    "argparse": (
        "import argparse\nargparse.ArgumentParser().parse_args(['--x'])",
        "raised SystemExit when run",
    ),
    "sys.exit": ("import sys\nsys.exit('done')", "raised SystemExit when run: done"),
    "exit code": ("raise SystemExit(3)", "raised SystemExit when run: 3"),
    "generator exit": ("raise GeneratorExit", "raised GeneratorExit when run"),
    "own base": ("class Stop(BaseException): pass\nraise Stop('now')", "raised Stop when run: now"),
    "like an interrupt": ("class Stop(KeyboardInterrupt): pass\nraise Stop", "raised Stop when run"),
    "stop iteration": ("raise StopIteration(4)", "raised StopIteration when run: 4"),
    "memory": ("raise MemoryError", "raised MemoryError when run"),
    "recursion": ("def f(): f()\nf()", "raised RecursionError when run: maximum recursion"),
    "syntax": ("def make(:", "raised SyntaxError when run"),
    "tabs": ("if 1:\n\tx = 1\n        y = 2", "raised TabError when run"),
    "null byte": ("x = 1\0", "raised "),
    "no UTF-8": ("\udce4 = 1", "raised SyntaxError when run"),
    "import": ("import no_such_package_at_all", "raised ModuleNotFoundError when run: No module named"),
    "lines": ("raise ValueError('one\\ntwo\\n\\nthree')", "raised ValueError when run: one two three"),
    "no name": ("x = 1", "unknown function in net.py 'make'"),
    "no function": ("make = 3", "3 is no function"),
    "builtin": ("make = dict", "is no function whose parameters can be read"),
    "None": ("def make(): return None", "make() returned NoneType; it must return a torch.nn.Module"),
    "class": ("import torch\nmake = torch.nn.Linear", "in_features is missing|must be"),
    "exit when called": ("def make(): raise SystemExit('bye')", "make() raised SystemExit: bye"),
    "own base when called": (
        "class Stop(BaseException): pass\ndef make(): raise Stop('x')",
        "make() raised Stop: x",
    ),
    "generator exit when called": ("def make(): raise GeneratorExit", "make() raised GeneratorExit"),
    "needs arguments": ("def make(size): pass", "size is missing"),
    "state dict": (
        "import torch\ndef make(): return torch.nn.Linear(2, 2).state_dict()",
        "returned OrderedDict",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_goes_wrong_is_blamed_by_name_in_one_line(workshop, limen, name):
    code, said = FILES[name]
    Path("net.py").write_bytes(code.encode(errors="surrogateescape"))
    result = limen("attack", "--model", "python:net.py:make", *RUN)
    assert result.exit_code in (1, 2)
    assert "net.py" in result.stderr.splitlines()[-1]
    assert any(each in result.stderr for each in said.split("|")), result.stderr
    assert len(result.stderr.splitlines()) == (3 if name == "argparse" else 1)  # of its own, before it exits
    assert not Path("run").exists()


NETS = {
    "exit": ("raise SystemExit(2)", "the model raised SystemExit"),
    "generator exit": ("raise GeneratorExit", "the model raised GeneratorExit"),
    "own base": ("raise type('Stop', (BaseException,), {})('now')", "the model raised Stop.*: now"),
    "lines": ("raise ValueError('one\\ntwo')", "the model raised ValueError.*: one two$"),
    "nothing": ("return None", "the model returned NoneType; expected a tensor of logits"),
    "text": ("return 'cat'", "the model returned str"),
    "array": ("return x.mean((2, 3)).detach().numpy()", "the model returned ndarray"),
    "sparse": (
        "return x.mean((2, 3)).to_sparse()",
        "returned a torch.sparse_coo tensor; return dense logits",
    ),
    "meta": ("return x.mean((2, 3)).to('meta')", "returned a meta tensor; return dense logits"),
    "integers": ("return (x.mean((2, 3)) * 9).int()", "returned torch.int32; expected floating-point logits"),
    "bool": ("return x.mean((2, 3)) > 0.5", "returned torch.bool; expected floating-point"),
    "complex": ("return x.mean((2, 3)) + 0j", "returned torch.complex64; expected floating-point"),
    "one logit": ("return x.mean((1, 2, 3))[:, None]", r"returned shape \(2, 1\) for 2 images"),
    "a vector": ("return x.mean((1, 2, 3))", r"returned shape \(2,\) for 2 images"),
    "a map": ("return x", r"returned shape \(2, 3, 6, 6\) for 2 images"),
    "one row": ("return x.mean((2, 3))[:1]", r"returned shape \(1, 3\) for 2 images"),
    "no row": ("return x.mean((2, 3))[:0]", r"returned shape \(0, 3\) for 2 images"),
    "NaN": ("return x.mean((2, 3)) * float('nan')", "NaN or infinite logits for 2 of 2 images"),
    "infinity": ("return x.mean((2, 3)) / 0", "NaN or infinite logits for 2 of 2 images"),
    "two readings": ("return x.mean((2, 3)), x.amax((2, 3))", "could each be the logits"),
    "empty dict": ("return {}", "the model returned dict"),
    "no gradient": ("return x.detach().mean((2, 3))", "no gradient flows through the model"),
    "another device": ("return torch.rand(2, 3, device='nowhere')", "the model raised RuntimeError"),
}


@pytest.mark.parametrize("name", NETS)
def test_a_network_that_goes_wrong_is_one_line(name):
    body, said = NETS[name]
    space: dict[str, Any] = {"nn": nn, "torch": torch}
    exec(f"class Net(nn.Module):\n    def forward(self, x):\n        {body}", space)
    with pytest.raises(ModelError, match=said) as caught:
        attacks.fgsm()(
            Classifier(space["Net"]()), torch.rand(2, 3, 6, 6) / 2, torch.zeros(2, dtype=torch.int64)
        )
    assert "\n" not in str(caught.value)


def test_ctrl_c_in_a_network_stays_ctrl_c():
    class Net(nn.Module):
        def forward(self, x):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Classifier(Net())(torch.rand(1, 3, 6, 6))


class Payload:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def saved(path: Path, content: Any) -> None:
    torch.save(content, path)


GOOD = nn.Linear(2, 2).state_dict()
CHECKPOINTS = {
    "empty": (lambda path: path.write_bytes(b""), "cannot be read as weights"),
    "text": (lambda path: path.write_text("<html>404</html>"), "cannot be read as weights"),
    "broken pickle": (lambda path: path.write_bytes(b"\x80\x020000."), "cannot be read as weights"),
    "marks": (
        lambda path: path.write_bytes(b"\x80\x02" + b"(" * 100_000 + b"."),
        "cannot be read as weights",
    ),
    "a payload": (lambda path: path.write_bytes(pickle.dumps(Payload())), "cannot be read as weights"),
    "a payload that torch saved": (
        lambda path: saved(path, {"weight": Payload()}),
        "cannot be read as weights",
    ),
    "a whole network": (lambda path: saved(path, nn.Linear(2, 2)), "cannot be read as weights"),
    "zip": (lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18)), "cannot be read as weights"),
    "a tensor": (lambda path: saved(path, torch.zeros(2)), "holds no state dict, but Tensor"),
    "a list": (lambda path: saved(path, [1, 2]), "holds no state dict, but list"),
    "a number in it": (
        lambda path: saved(path, {**GOOD, "epoch": 3}),
        "'epoch' is int, and a state dict has",
    ),
    "a number as a name": (
        lambda path: saved(path, {1: torch.zeros(2)}),
        "1 is Tensor, and a state dict has",
    ),
    "text in it": (lambda path: saved(path, {"weight": "x"}), "'weight' is str, and a state dict has"),
    "another shape": (
        lambda path: saved(path, {**GOOD, "weight": torch.zeros(3, 2)}),
        r"of another shape: weight has shape \(3, 2\) and not \(2, 2\)",
    ),
    "one missing": (lambda path: saved(path, {"weight": torch.zeros(2, 2)}), "missing: bias"),
    "one too many": (lambda path: saved(path, {**GOOD, "head": torch.zeros(1)}), "unknown: head"),
    "nothing in it": (lambda path: saved(path, {}), "missing: weight, bias"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_cannot_be_used_says_what_of_it(tmp_path, name):
    write, said = CHECKPOINTS[name]
    write(tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=said) as caught:
        load_weights(nn.Linear(2, 2), tmp_path / "w.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_truncated_checkpoint_is_one_line(tmp_path, suffix, share):
    from safetensors.torch import save_file

    path = tmp_path / f"w{suffix}"
    save_file(GOOD, path) if suffix == ".safetensors" else torch.save(GOOD, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(WeightsError, match="cannot be read as weights") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


MODEL = ("--model", "python:nets.py:lamp")
COMMANDS = {
    "batch size 0": (("attack", *MODEL, *RUN, "--batch-size", "0"), "'--batch-size'"),
    "batch size huge": (("attack", *MODEL, *RUN, "--batch-size", "10000000000"), "'--batch-size'"),
    "batch size text": (("attack", *MODEL, *RUN, "--batch-size", "many"), "'--batch-size'"),
    "limit": (("attack", *MODEL, *RUN, "--limit", "-1"), "'--limit'"),
    "seed": (("attack", *MODEL, *RUN, "--seed", "-1"), "'--seed'"),
    "seed huge": (("attack", *MODEL, *RUN, "--seed", "1" + "0" * 30), "'--seed'"),
    "draws": (("attack", *MODEL, *RUN, "--draws", "1000000000"), "'--draws'"),
    "lattice": (("attack", *MODEL, *RUN, "--lattice", "7"), "'--lattice'"),
    "cuda": (("attack", *MODEL, *RUN, "--device", "cuda:7"), "device 'cuda:7'"),
    "meta": (("attack", *MODEL, *RUN, "--device", "meta"), "device 'meta'"),
    "mps": (("attack", *MODEL, *RUN, "--device", "mps"), "device 'mps'"),
    "device of another name": (("attack", *MODEL, *RUN, "--device", "gpu"), "unknown device 'gpu'"),
    "restarts": (
        ("attack", *MODEL, *RUN, "--attack", "pgd_linf:restarts=1000000000"),
        "expected an integer from 1 to 1,000,000",
    ),
    "steps": (("attack", *MODEL, *RUN, "--attack", f"pgd_linf:steps={10**20}"), "too large a number"),
    "eps": (("attack", *MODEL, *RUN, "--attack", "pgd_l2:eps=1e308"), "1e308 is too large a number"),
    "epochs": (("train", "--out", "a.safetensors", "--epochs", "10000000000"), "'--epochs'"),
    "jobs": (("train", "--out", "a", "--models", "2", "--jobs", "100000"), "'--jobs'"),
    "workers": (("train", "--out", "a.safetensors", "--workers", "1000000"), "'--workers'"),
    "models": (("train", "--out", "a", "--models", "10000000000"), "'--models'"),
    "photographs to learn": (
        ("train", *MODEL, "--data", "images:photos/dark", "--out", "a.safetensors"),
        "photographs of images: have no labels to learn",
    ),
    "steps of augment": (
        ("augment", "--attack", "fgsm", "--out", "a", "--steps", "10000000000"),
        "'--steps'",
    ),
    "report of nothing": (("report", "nothing"), "no run here"),
    "report of a long name": (("report", "x" * 300), "File name too long"),
    "evaluate a long name": (("evaluate", "x" * 300), "File name too long"),
    "fairness of a long name": (
        ("fairness", "x" * 300, "--data", "demo:scenes", "--out", "a"),
        "brings no number",
    ),
    "detect in a long name": (("detect", "x" * 300, "--detector", "d"), "too long|no such"),
    "out of a file": (("attack", *MODEL, *RUN, "--out", "nets.py/run"), "nets.py"),
    "out of a device": (("attack", *MODEL, *RUN, "--out", "/dev/null/run"), "/dev/null"),
    "out too long": (("attack", *MODEL, *RUN, "--out", "x" * 300), "File name too long"),
    "unknown home": (("attack", *MODEL, *RUN, "--data", "folder:~nosuchuser/a"), "no user '~nosuchuser'"),
    "size": (("attack", *MODEL, *RUN, "--data", "folder:photos,size=40000"), "from 1 to 8192"),
    "count": (("attack", *MODEL, *RUN, "--data", "demo:photos,count=300000000"), "from 1 to 1,000,000"),
    "metric": (("attack", *MODEL, *RUN, "--metric", "python:nets.py:lamp"), "lamp|images"),
    "no attack": (("attack", *MODEL, *RUN, "--attack", ""), "attack"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_cannot_be_done_says_why_before_anything_is_made(workshop, limen, name):
    arguments, said = COMMANDS[name]
    result = limen(*arguments)
    assert result.exit_code in (1, 2)
    text = " ".join(result.stderr.replace("│", " ").split())
    assert any(each in text for each in said.split("|")), result.stderr
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "spec",
    [
        "demo:photos,weights=" + "x" * 300,
        "demo:photos,weights=a\0b",
        "demo:photos,weights=~nosuchuser/w",
        "\udcff",
    ],
    ids=["long", "null", "home", "half a character"],
)
def test_a_model_nowhere_is_one_line(spec):
    with pytest.raises(LimenError) as caught:
        catalog.model(spec)
    assert "\n" not in str(caught.value)


def test_names_that_are_no_unicode_pass_through_or_are_told(workshop, limen):
    Path("nets\udcff.py").write_text(Path("nets.py").read_text())
    assert limen("attack", *MODEL, *RUN, "--out", "out\udcff", "--limit", "2").exit_code == 0
    assert limen("report", "out\udcff").exit_code == 0
    assert limen("report", "out\udcff", "--out", "page\udcff.html").exit_code == 0
    assert "\\udcff" in Path("page\udcff.html").read_text()
    for result in (
        limen("attack", "--model", "python:nets\udcff.py:lamp", *RUN),
        limen("evaluate", "out\udcff"),
        limen("evaluate", "out\udcff", "-e", "transfer:model=python:nets\udcff.py:lamp"),
    ):
        assert result.exit_code == 2
        assert "no Unicode; rename" in result.stderr
