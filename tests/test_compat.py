"""What lets third-party libraries be imported, each case in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

from limen.compat import let_torchvision_be_imported

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
if sys.argv[2] == "limen":
    import limen
import torchvision
try:
    torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except NotImplementedError:
    print("imported, not implemented")
"""


def imported(folder, beside: str) -> subprocess.CompletedProcess[str]:
    """Import a torchvision whose compiled operators do not load."""
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    (package / "_C.so").write_bytes(b"built for another torch")
    command = [sys.executable, "-c", PROGRAM, str(folder), beside]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_torchvision_built_for_another_torch_can_be_imported_once_limen_is(tmp_path):
    done = imported(tmp_path, "limen")
    assert done.stdout == "imported, not implemented\n", done.stderr


def test_without_limen_it_cannot(tmp_path):
    assert "torchvision::nms does not exist" in imported(tmp_path, "nothing").stderr


def test_it_is_settled_once():
    before = list(sys.meta_path)
    let_torchvision_be_imported()
    assert sys.meta_path == before
