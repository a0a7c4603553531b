"""The order of the rooms: a module imports only from rooms above it, and the package loads nothing heavy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "safegym"
ROOMS = """
errors loops records randomness statistics slots tables content tools spaces shell families papers env vector multi
wrappers registration dialects models conversation agent choosing audiences log votes polling judging fitting graders
plan recording episodes matches engines rollout measures answers sheets typeset publish report figures training frames
replay testing conformance shortcuts question_shortcuts checking handbook catalogue progress paper_commands
tool_commands audience_commands train_commands cli
""".split()
LAZY = {
    *"""
cli paper_commands tool_commands audience_commands train_commands __init__ models figures rollout engines families
graders
""".split()
}
"""Rooms that may import inside functions: the commands, what loads by name, and the lazy imports of extras."""
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "safegym":
        inner = node.module.split(".")[1:]
        return [inner[0]] if inner else [alias.name for alias in node.names]
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("safegym.")]
    return []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_above_it(module: Path) -> None:
    own = room(module)
    if own == "__init__":
        return
    assert own in ROOMS, f"{own} has no place in the order of the rooms"
    above = {*ROOMS[: ROOMS.index(own) + 1], "__version__"}
    tree = ast.parse(module.read_text("utf-8"))
    assert {name for node in ast.walk(tree) for name in imported(node)} <= above


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PACKAGE)))
def test_only_some_rooms_import_inside_functions(module: Path) -> None:
    if room(module) in LAZY:
        return
    tree = ast.parse(module.read_text("utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = [
        node.lineno for each in functions for node in ast.walk(each) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "matplotlib", "bashkit", "rich", "pydantic")
    code = f"import sys, safegym; print([name for name in {heavy} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
