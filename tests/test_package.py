"""What `import limen` gives, and what it leaves for later."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import limen

ROOT = Path(__file__).resolve().parents[1]


def test_every_package_is_there_after_importing_limen():
    packages = {each.name for each in pkgutil.iter_modules(limen.__path__) if each.ispkg}
    packages -= {"cli", "classifier"}  # the class of the latter is what is public
    assert packages <= set(limen.__all__)


def test_what_dir_says_is_there_and_nothing_else():
    for name in dir(limen):
        getattr(limen, name)
    assert set(dir(limen)) == {*limen.__all__, "__version__"}
    assert not hasattr(limen, "atacks")


def test_importing_limen_imports_no_library():
    code = "import sys, limen; dir(limen); print({'torch', 'numpy', 'pyarrow'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_the_version_is_the_project_s():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert limen.__version__ == project["version"]
