"""The `__init__.py` of a step's folder: a list of its modules and the names it exports, no code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.paths import ROOT

DOORS = (
    "analysis",
    "calibration",
    "geometry",
    "hits",
    "masking",
    "prediction",
    "prediction/stills",
    "reindex",
    "report",
    "report/values",
    "simulation",
    "spotfinding",
    "spotfinding/filters",
    "spotfinding/reports",
    "spotfinding/thresholds",
    "two_theta",
)


def tree_of(door: str) -> ast.Module:
    return ast.parse((ROOT / "dxdask" / door / "__init__.py").read_text())


def modules_of(folder: Path) -> set[str]:
    files = {p.stem for p in folder.glob("*.py")} - {"__init__"}
    return files | {p.parent.name for p in folder.glob("*/__init__.py")}


@pytest.mark.parametrize("door", sorted({*DOORS} - {"report"}))  # it imports matplotlib when used
def test_a_door_holds_a_docstring_imports_and_names_only(door: str) -> None:
    _, *statements = tree_of(door).body
    for statement in statements:
        if isinstance(statement, ast.Assign):
            assert [ast.unparse(t) for t in statement.targets] == ["__all__"]
        else:
            assert isinstance(statement, ast.ImportFrom)


@pytest.mark.parametrize("door", DOORS)
def test_a_door_lists_every_module_of_its_folder(door: str) -> None:
    text = ast.get_docstring(tree_of(door)) or ""
    heads = (part.partition(" :")[0] for line in text.splitlines() for part in line.split("; "))
    listed = {name.strip() for head in heads for name in head.split(",")}
    assert modules_of(ROOT / "dxdask" / door) <= listed
