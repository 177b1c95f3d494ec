"""What lets third-party libraries be imported, each case in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

PACKAGE = """
import torch
@torch.library.register_fake("torchvision::nms")
def fake(dets, scores, iou_threshold): return scores
"""
PROGRAM = """
import sys
import torch
torch.version.cuda = torch.version.hip = None
sys.path.insert(0, sys.argv[1])
from limen.compat import declare_torchvision_operators
for _ in range(int(sys.argv[2])):
    declare_torchvision_operators()
import torchvision
try:
    torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except NotImplementedError:
    print("imported, not implemented")
"""


def imported(folder, times: int) -> subprocess.CompletedProcess[str]:
    """Import a torchvision whose compiled operators do not load."""
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    (package / "_C.so").write_bytes(b"built for another torch")
    command = [sys.executable, "-c", PROGRAM, str(folder), str(times)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("times", [1, 2])
def test_a_torchvision_built_for_another_torch_can_be_imported(tmp_path, times):
    done = imported(tmp_path, times)
    assert done.stdout == "imported, not implemented\n", done.stderr


def test_without_the_declaration_it_cannot(tmp_path):
    assert "torchvision::nms does not exist" in imported(tmp_path, 0).stderr
