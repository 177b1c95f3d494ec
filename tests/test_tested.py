"""Every public function and class is on a path of code that begins in a test.

A path is made of names that code uses, not of words: what a test uses, what the functions use that it uses,
and so on. So nothing public can be added that no test can reach.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from limen.cli import app

ROOT = Path(__file__).resolve().parents[1]
Definition = ast.FunctionDef | ast.ClassDef


def parsed(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def used(*nodes: ast.AST) -> set[str]:
    """The names that code uses, also after a dot."""
    every = [each for node in nodes for each in ast.walk(node)]
    names = {each.id for each in every if isinstance(each, ast.Name)}
    return names | {each.attr for each in every if isinstance(each, ast.Attribute)}


def uses(trees: list[ast.Module]) -> dict[str, set[str]]:
    """What the code behind each name of a module uses: a function, a class, or a table such as `METRICS`."""
    found: dict[str, set[str]] = defaultdict(set)
    for statement in (statement for tree in trees for statement in tree.body):
        if isinstance(statement, Definition):
            found[statement.name] |= used(statement)
            for decorator in statement.decorator_list:  # which may put it into a table
                for name in used(decorator):
                    found[name].add(statement.name)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.For | ast.Expr):
            stored = [each for each in ast.walk(statement) if isinstance(each, ast.Name)]
            for name in (each.id for each in stored if isinstance(each.ctx, ast.Store)):
                found[name] |= used(statement)
    return found


def test_every_public_function_and_class_is_on_a_path_from_a_test():
    sources = list(parsed("src/limen"))
    behind = uses([tree for _, tree in sources])
    left = used(*(tree for _, tree in parsed("tests")))
    reached: set[str] = set()
    while left:
        reached |= left
        left = {name for each in left for name in behind[each]} - reached
    unreached = [
        f"{path}: {each.name}"
        for path, tree in sources
        for each in tree.body
        if isinstance(each, Definition) and not each.name.startswith("_") and each.name not in reached
    ]
    assert unreached == []


def test_every_command_is_run_by_a_test():
    calls = (each for _, tree in parsed("tests/cli") for each in ast.walk(tree) if isinstance(each, ast.Call))
    first = {each.args[0].value for each in calls if each.args and isinstance(each.args[0], ast.Constant)}
    assert {command.name for command in app.registered_commands} <= first
