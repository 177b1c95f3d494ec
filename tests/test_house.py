"""The house rules: style, types, layers, documentation, and what may be in the repository."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import os
import pkgutil
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from limen import attacks, bench, catalog, defenses, evaluation, metrics, recipes, training
from limen.attacks.part import Part
from limen.evaluation.indicators import SPECS

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src" / "limen").rglob("*.py"))
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
MEGABYTES = 2**20
CATALOGS = (catalog.MODELS, catalog.DATA, catalog.ATTACKS, catalog.DEFENSES, catalog.METRICS)
TRAINING = (
    *(training.OBJECTIVES, training.AUGMENTATIONS, training.OPTIMIZERS, training.SCHEDULES),
    training.SAMPLINGS,
)
STRUCTURE = (catalog.ATTENTION, catalog.SALIENCY, catalog.FOREGROUNDS, catalog.FEATURES)
OTHERS = (*STRUCTURE, *TRAINING, evaluation.EVALUATIONS, SPECS, recipes.RECIPES)
GROUPS = {table.group for table in (*CATALOGS, *OTHERS)}
ROOMS = [
    f"limen.{room}"
    for room in (
        *(
            "analysis",
            "attacks",
            "attacks.constraint",
            "audit",
            "bench",
            "catalog",
            "data",
            "defenses",
            "detection",
            "document",
            "evaluation",
        ),
        *(
            "metrics",
            "models",
            "operators",
            "recipes",
            "report",
            "runs",
            "smoothing",
            "structure",
            "study",
            "training",
        ),
    )
]


def run(*command: str, **told: str) -> None:
    """Run a tool of this Python in the project's root; what it complains of is the failure."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", **told}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def script(name: str) -> str:
    """A tool beside this Python."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    assert found, f"{name} is missing; install Limen with its extra dev"
    return found


def tracked() -> list[Path]:
    """The files of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone of the repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [path for name in listed.decode().split("\0")[:-1] if (path := ROOT / name).is_file()]


def blocks(language: str) -> list[tuple[str, str]]:
    """The code blocks of one language on all pages, as (page, code)."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [(page.name, code) for page in PAGES for code in pattern.findall(page.read_text(encoding="utf-8"))]


def test_ruff_finds_nothing():
    run(script("ruff"), "check", ".")


def test_ruff_would_format_nothing():
    run(script("ruff"), "format", "--check", ".")


def test_types_hold():
    run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "src")


def test_each_room_knows_only_those_below():
    run(script("lint-imports"), "--no-cache")


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The built documentation."""
    folder = tmp_path_factory.mktemp("site")
    # How signatures are wrapped and what the search finds is for others to test, and takes half of the time.
    told = {"NO_MKDOCS_2_WARNING": "1", "DOCS_SEARCH": "false", "DOCS_SIGNATURES": "false"}
    run(sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder), **told)
    return folder


def test_the_documentation_builds_without_a_warning_and_fetches_nothing(site):
    tags = re.compile(r"<(?:script|img|iframe|link)\b[^>]*>")
    for page in site.rglob("*.html"):
        for tag in tags.findall(page.read_text(encoding="utf-8")):
            assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", tag), f"{page}: {tag}"


def test_the_reference_holds_every_attack_metric_and_defence(site):
    tables = {"attacks": attacks.FACTORIES, "metrics": metrics.METRICS, "defenses": defenses.DEFENSES}
    for name, table in tables.items():
        page = (site / "reference" / name / "index.html").read_text(encoding="utf-8")
        for each in table.values():
            factory = getattr(each, "function", each)
            assert f'id="{factory.__module__}.{factory.__qualname__}"' in page


def test_the_reference_holds_everything_public(site):
    known = documented(site)
    missing = {
        f"{room}.{name}"
        for room in ROOMS
        for name in importlib.import_module(room).__all__
        if not {f"{room}.{name}", home(room, name)} & known
    }
    assert missing == set()


def test_the_reference_holds_every_part(site):
    page = (site / "reference" / "parts" / "index.html").read_text(encoding="utf-8")
    kinds = parts_of("limen.attacks")
    assert len(kinds) > 30
    for each in kinds:
        rooms = (each.__module__, each.__module__.rpartition(".")[0])
        assert any(f'id="{room}.{each.__qualname__}"' in page for room in rooms), each


def documented(site: Path) -> set[str]:
    """The names of everything that the reference explains."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    return {line.split(" py:")[0] for line in zlib.decompress(packed).decode().splitlines()}


def home(room: str, name: str) -> str:
    """Where a public thing of a room is defined."""
    thing = getattr(importlib.import_module(room), name)
    return f"{getattr(thing, '__module__', room)}.{getattr(thing, '__qualname__', name)}"


def parts_of(package: str) -> list[type]:
    """Every class of a package that derives from `Part` and is public."""
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)
    found, left = [], [Part]
    while left:
        each = left.pop()
        left += each.__subclasses__()
        if each.__module__.startswith(package) and each.__name__[0] != "_":
            found.append(each)
    return found


def test_files_are_short():
    for path in SOURCES:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 300, path


def test_everything_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    needed = (
        *project["dependencies"],
        *extras["hf"],
        *extras["ray"],
        *extras["superpixels"],
        *extras["training"],
    )
    declared = {re.split(r"[<>=\[]", each)[0].lower() for each in needed}
    providers = importlib.metadata.packages_distributions()
    for path in SOURCES:
        for name in imported(path) - sys.stdlib_module_names - {"limen"}:
            assert declared.intersection(each.lower().replace("_", "-") for each in providers[name]), (
                path,
                name,
            )


def imported(path: Path) -> set[str]:
    """The top-level names of the modules that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_two_commands_of_the_readme_set_everything_up():
    setups = re.findall(
        r"^python3 -m venv .venv && .venv/bin/pip install -c constraints.txt .*$", README, re.MULTILINE
    )
    assert [command.rpartition(" && ")[2] for command in setups] == [
        ".venv/bin/limen demo",
        ".venv/bin/python -m pytest",
    ]


def test_continuous_integration_runs_the_command_of_the_readme():
    (pattern,) = re.findall(r"grep -E '(.*)' README.md", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    (command,) = re.findall(pattern, README, re.MULTILINE)
    assert command.endswith(" -m pytest")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_continuous_integration_installs_what_the_browser_tests_drive():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (packages,) = re.findall(r"apt-get install .*", text)
    for program, package in {"chromium": "chromium", "chromedriver": "chromium-driver"}.items():
        assert f"command -v {program}" in text
        assert package in packages.split()


def test_versions_are_pinned_without_addresses():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9.]*(post\d+)?", pin) for pin in pins)
    pinned = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for needed in (*project["dependencies"], *extras["hf"], *extras["docs"], *extras["dev"]):
        assert re.split(r"[<>=\[]", needed)[0] in pinned | {"limen"}


def test_the_readmes_table_holds_every_attack():
    rows = re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)
    assert rows == list(attacks.FACTORIES)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("README.md", "fooled"),
        ("attacks.md", "fooled"),
        ("quick-start.md", "True"),
        ("demo.md", "night"),
        ("metrics.md", ""),
        ("mad.md", "torch.Size([4])"),
        ("smooth.md", "smooth"),
        ("solver.md", "1.4 MB"),
        ("evaluation.md", "fgsm"),
        ("detection.md", "out-of-bag error"),
        ("training.md", "under attack"),
        ("structure.md", "torch.Size([4, 96, 96])"),
        ("saliency.md", "holds"),
        ("ssim-geometry.md", "derived"),
        ("defenses.md", "behind the defence"),
        ("smoothing.md", "predicted"),
        ("perceptual.md", "True"),
        ("indicators.md", "found"),
    ],
)
def test_the_python_of_a_page_runs_from_top_to_bottom(page, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = [code for name, code in blocks("python") if name == page]
    assert code
    exec(compile("\n".join(code), page, "exec"), {"__name__": page})
    assert says in capsys.readouterr().out


def drawn_again(script: str, file: Path, monkeypatch) -> None:
    """Run a script of docs/images, which draws into a file."""
    path = str(ROOT / "docs" / "images" / script)
    monkeypatch.setattr(sys, "argv", [path, str(file)])
    runpy.run_path(path, run_name="__main__")


def test_the_picture_fits_the_readme_and_can_be_drawn_again(tmp_path, monkeypatch):
    shown, drawn = ROOT / "docs" / "images" / "limen.png", tmp_path / "limen.png"
    drawn_again("make_picture.py", drawn, monkeypatch)
    with Image.open(shown) as first, Image.open(drawn) as second:
        assert first.size == second.size
        assert 1100 <= first.width <= 1300
    assert shown.stat().st_size < 400_000


def test_the_picture_of_the_scenes_shows_what_is_drawn(tmp_path, monkeypatch):
    shown, drawn = ROOT / "docs" / "images" / "scenes.png", tmp_path / "scenes.png"
    drawn_again("make_scenes.py", drawn, monkeypatch)
    with Image.open(shown) as first, Image.open(drawn) as second:
        extrema = ImageChops.difference(first, second).getextrema()
    assert max(highest for _, highest in extrema) <= 1  # the rounding of another machine
    assert shown.stat().st_size < 400_000


def test_the_picture_of_the_solver_shows_its_dissection():
    shown = ROOT / "docs" / "images" / "dissection.svg"
    found: Any = runpy.run_path(str(ROOT / "docs" / "images" / "make_dissection.py"))
    assert found["draw"]() == shown.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page, tmp_path, monkeypatch):
    # What a reference page includes is checked when the site is built.
    text = re.sub(r"^:::.*", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    for name, code in re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        Path(name).write_text(code, encoding="utf-8")
    for spec in re.findall(r"--attack[ =]([^\s\\`…]+)", text):
        if spec != bench.ALL:
            catalog.attack_or_grid(spec)
    for spec in re.findall(r"--defense[ =]([^\s\\`…]+)", text):
        catalog.chain(spec)
    for spec in re.findall(r"--objective[ =]([^\s\\`…]+)", text):
        training.OBJECTIVES.make(spec)
    for spec in re.findall(r"--validate[ =]([^\s\\`…]+)", text):
        catalog.attack(spec)
    # The changelog names what is gone.
    dotted = [] if page.name == "CHANGELOG.md" else re.findall(r"(?<![\w/.-])limen(?:\.[A-Za-z_]\w*)+", text)
    for name in {*dotted} - GROUPS:
        resolve(name)


def test_the_calls_on_the_pages_fit_the_functions():
    for page, code in blocks("python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Call) and re.fullmatch(r"limen[.\w]+", ast.unparse(node.func)):
                keywords = dict.fromkeys(each.arg for each in node.keywords if each.arg)
                try:
                    inspect.signature(resolve(ast.unparse(node.func))).bind(*node.args, **keywords)
                except TypeError as error:
                    raise AssertionError(f"{page}: {ast.unparse(node)}: {error}") from None


def resolve(dotted: str) -> Any:
    """What a dotted name stands for, imported as far as needed."""
    value: Any = importlib.import_module("limen")
    for depth, part in enumerate(parts := dotted.split(".")[1:], start=1):
        if not hasattr(value, part):
            importlib.import_module(".".join(["limen", *parts[:depth]]))
        value = getattr(value, part)
    return value


def test_the_commands_on_the_pages_are_whole():
    import typer.main

    from limen.cli import app

    found: Any = typer.main.get_command(app)
    for page, code in blocks("sh"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split((line.rpartition("/")[2] if ".venv" in line else line).partition(" | ")[0])
            command, rest = found, words[1:]
            if words[:1] != ["limen"]:
                continue
            while rest and rest[0] in getattr(command, "commands", {}):
                command, rest = command.commands[rest[0]], rest[1:]
            try:
                command.make_context("limen", rest).close()
            except typer.Exit:  # of --help and --version
                assert rest
            except Exception as error:
                pytest.fail(f"{page}: {line}: {error}")


def test_a_file_that_a_command_runs_is_given_on_its_page_or_on_one_that_this_links_to():
    given: dict[str, dict[str, set[str]]] = {page.name: {} for page in PAGES}
    for page, code in blocks("python"):
        if titled := re.match(r"# (\w+\.py)\n", code):
            tree = ast.parse(code)
            assigned = [each.targets[0] for each in tree.body if isinstance(each, ast.Assign)]
            names = {each.id for each in assigned if isinstance(each, ast.Name)}
            names |= {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
            given[page].setdefault(titled[1], set()).update(names)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        near = [page.name, *re.findall(r"\]\((?:docs/)?([\w-]+\.md)", text)]
        for file, name in re.findall(r"python:(\w+\.py):(\w+)", "".join(re.findall(COMMANDS, text))):
            assert any(name in given[other].get(file, ()) for other in near), f"{page.name}: {file}:{name}"


def test_no_command_names_a_folder_above_or_one_of_a_machine():
    for page in PAGES:
        for code in re.findall(COMMANDS, page.read_text(encoding="utf-8")):
            assert not re.search(r"(?<![\w/])(\.\.?/|/)(?=\w)|LIMEN_TEST_DATA|^cd ", code, re.MULTILINE), code


@pytest.mark.parametrize("room", ["objective", "perturbation", "constraint", "direction", "update", "search"])
def test_the_attacks_page_names_every_part(room):
    module = importlib.import_module(f"limen.attacks.{room}")
    parts = [
        name
        for name, value in inspect.getmembers(module, inspect.isclass)
        if value.__module__.startswith(module.__name__)
        and not name.startswith("_")
        and not getattr(value, "_is_protocol", False)
    ]
    (row,) = re.findall(
        rf"^\| (?:rule: )?{room} \|.*",
        (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert sorted(re.findall(r"`(\w+)`", row)) == sorted(parts)


def test_the_page_on_extending_names_every_group_of_entry_points():
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    assert {group for group in GROUPS if f"`{group}`" not in text} == set()


def test_the_metrics_page_names_every_metric():
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert [name for name in metrics.METRICS if not re.search(rf"\b{name}\b", text)] == []


def test_no_file_is_large():
    large = [path for path in tracked() if path.stat().st_size > 2 * MEGABYTES]
    assert large == []


def test_no_file_names_a_machine_or_a_registry():
    places = r"/(?:root|work|home/\w+|opt|tmp)/[\w.]"
    # Letters in brackets, so that this file is no such file itself.
    addresses = r"file:[/]/|--(?:extra-)?index[-]url|--find[-]links|pypi[.]org/simple|python[h]osted"
    for path in tracked():
        if path.suffix in (".png", ".safetensors", ".parquet") or path.parent.name == "jspsych":
            continue
        found = re.search(f"{places}|{addresses}", path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)}: {found and found[0]}"
