"""The files by which others find, cite, check and join the project."""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import limen

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINNED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def command_of(page: str) -> str:
    """The one command on a page that sets everything up and runs the tests."""
    (command,) = re.findall(r"^python3 -m venv .* -m pytest$", text(page), re.MULTILINE)
    return command


@pytest.fixture(scope="module")
def workflow() -> Any:
    return yaml.safe_load(text(".github/workflows/tests.yml"))


def test_the_workflow_runs_the_readme_s_command_and_contributors_do(workflow):
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [command_of("README.md")]
    assert command_of("CONTRIBUTING.md") == command_of("README.md")


def test_the_workflow_tries_each_python_from_the_oldest_that_is_promised(workflow):
    (job,) = workflow["jobs"].values()
    pythons = job["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={pythons[0]}"
    assert pythons == [f"3.{minor}" for minor in range(11, 15)]


def test_the_workflow_may_only_read_and_pins_what_it_uses(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert "permissions" not in job
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", each) for each in used)
    (cached,) = [step["with"] for step in job["steps"] if "cache" in step.get("with", ())]
    assert all((ROOT / name).is_file() for name in cached["cache-dependency-path"].split())


def test_hooks_before_a_commit_are_the_pinned_tools_of_the_environment():
    (repository,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    tools = {"ruff": "ruff", "pyright": "pyright", "lint-imports": "import-linter"}
    for hook in repository["hooks"]:
        program, *rest = hook["entry"].split()
        folder, _, name = program.rpartition("/")
        assert (folder, hook["language"]) == (".venv/bin", "system")
        tool = rest[1] if name == "python" else name
        assert tools[tool] in PINNED
        assert shutil.which(tool, path=str(Path(sys.executable).parent))


@pytest.mark.parametrize("name", ["bug.yml", "idea.yml"])
def test_forms_for_issues_ask_for_what_is_needed(name):
    form = yaml.safe_load(text(f".github/ISSUE_TEMPLATE/{name}"))
    assert {"name", "description", "body"} <= form.keys()
    assert len({each["id"] for each in form["body"]}) == len(form["body"])
    for each in form["body"]:
        assert each["type"] == "textarea"
        assert each["attributes"].keys() == {"label", "description"}


def test_the_citation_says_what_the_project_says():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()  # what the format asks for
    assert citation["version"] == limen.__version__ == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert all(each.keys() == {"name"} for each in citation["authors"])


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CITATION.cff"])
def test_the_readme_or_a_page_beside_it_leads_to(page):
    assert any(f"]({page})" in text(other) for other in ("README.md", "CONTRIBUTING.md"))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_links_lead_to_a_file_and_a_heading(page):
    for target in re.findall(r"\]\((?!https://)([^)]+)\)", text(page)):
        name, _, anchor = target.partition("#")
        headings = re.findall(r"^#+ (.*)$", text(name), re.MULTILINE) if anchor else []
        assert (ROOT / name).is_file(), target
        assert not anchor or anchor in [re.sub(r"\W+", "-", each.lower()) for each in headings], target


def test_what_belongs_to_the_project_is_in_its_source_archive():
    build = tomllib.loads(text("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert [name for name in build if not (ROOT / name).exists()] == []
    kept_out = {".git", ".gitignore"}
    if (ROOT / ".git").exists():
        here = {each.name for each in ROOT.iterdir() if not _ignored(each.name)}
        assert here - {*build, "pyproject.toml"} <= kept_out


def _ignored(name: str) -> bool:
    lines = text(".gitignore").splitlines()
    return any(Path(name).match(line.strip("/")) for line in lines)
