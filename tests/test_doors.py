"""The `__init__.py` of a step's folder: a list of its modules and the names it exports, no code."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

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
        elif isinstance(statement, ast.If):
            assert ast.unparse(statement.test) == "TYPE_CHECKING"
            assert all(isinstance(s, ast.ImportFrom) for s in statement.body)
        elif isinstance(statement, ast.Expr):
            assert ast.unparse(statement).startswith("on_demand(__name__, ")
        else:
            assert isinstance(statement, ast.ImportFrom)


def on_demand_doors() -> list[str]:
    found = (ROOT / "dxdask").rglob("__init__.py")
    return sorted(
        ".".join(p.parent.relative_to(ROOT).parts) for p in found if "on_demand(" in p.read_text()
    )


@pytest.mark.parametrize("door", on_demand_doors())
def test_a_door_gives_on_demand_what_type_checkers_see(door: str) -> None:
    import_module(door)
    package = sys.modules[door]  # `import dxdask.hits as x` gives the function
    folder = door.partition(".")[2].replace(".", "/")
    seen = {
        alias.name: statement.module
        for block in tree_of(folder).body
        if isinstance(block, ast.If)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    given = {name: f"{door}.{module}" for name, module in package._modules.items()}
    assert given == seen
    assert {*given} <= {*package.__all__} <= {*dir(package)}
    for name in package.__all__:
        assert not isinstance(getattr(package, name), ModuleType)
    with pytest.raises(AttributeError, match=f"module '{door}' has no attribute 'absent'"):
        package.absent  # noqa: B018  it is looked for


@pytest.mark.parametrize("door", DOORS)
def test_a_door_lists_every_module_of_its_folder(door: str) -> None:
    text = ast.get_docstring(tree_of(door)) or ""
    heads = (part.partition(" :")[0] for line in text.splitlines() for part in line.split("; "))
    listed = {name.strip() for head in heads for name in head.split(",")}
    assert modules_of(ROOT / "dxdask" / door) <= listed
