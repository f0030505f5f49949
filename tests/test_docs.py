"""The pages: their code runs or says why it does not, links lead somewhere, names are there."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.paths import ROOT

from dxdask.storage.store.store import Store

DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]
GENERATED = ("columns.md", "api/steps.md", "parameters/")
"""Pages within `docs/` that are made as the site is built; its build checks links to them."""
BLOCK = re.compile(r"(?P<mark>[^\n]*)\n```(?P<language>\w+)\n(?P<code>.*?)\n```", re.DOTALL)
MARK = re.compile(r"<!-- (run|not run: .+) -->")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
FUNCTION = re.compile(r"^\| \[`(\w+)`\]\((\S+\.py)\) \|", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block, and the line above it that says whether it runs."""

    mark: str
    language: str
    code: str


def blocks(page: Path) -> list[Block]:
    found = [Block(m["mark"], m["language"], m["code"]) for m in BLOCK.finditer(page.read_text())]
    return [b for b in found if b.language in ("bash", "python", "pycon")]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def is_generated(target: Path) -> bool:
    path = target.resolve()
    return path.is_relative_to(DOCS) and str(path.relative_to(DOCS)).startswith(GENERATED)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_runs_or_says_why_not(page: Path) -> None:
    assert all(MARK.fullmatch(b.mark) for b in blocks(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for block in blocks(page):
        if block.mark != "<!-- run -->":
            continue
        command = ["bash", "-euc"] if block.language == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*command, block.code],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block.code}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        path = page.parent / target
        assert path.exists() or is_generated(path), f"{name_of(page)} links to {target}"


def test_the_walk_is_short_and_its_functions_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    _, _, rest = text.partition("## A newcomer's walk")
    walk = FUNCTION.findall(rest.partition("\n## ")[0])
    assert 0 < len(walk) <= 12
    for name, file in walk:
        tree = ast.walk(ast.parse((ROOT / file).read_text()))
        there = {node.name for node in tree if isinstance(node, ast.FunctionDef)}
        assert name in there, f"{file} has no function {name}"


def test_the_specification_has_every_attribute(processed: Store) -> None:
    text = (DOCS / "store.md").read_text()
    run = processed.runs[0]
    groups = ["", f"runs/{run}", "results/main/integrate", f"results/main/integrate/runs/{run}"]
    history = sorted(processed.path.glob("history/*/zarr.json"))[0]
    for file in [*(processed.path / g / "zarr.json" for g in groups), history]:
        for name in json.loads(file.read_text())["attributes"]:
            assert f"`{name}`" in text, f"{name} of {file}"


def test_the_drawing_is_that_of_its_script() -> None:
    script = [sys.executable, str(ROOT / "tools" / "draw_conventions.py")]
    drawn = subprocess.run([*script, "-"], capture_output=True, text=True, check=True).stdout
    assert drawn == (DOCS / "conventions.svg").read_text()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the built site; a broken link fails the build."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, str(ROOT / "tools" / "linkfarm.py")], check=True)
    mkdocs = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict"]
    done = subprocess.run(
        [*mkdocs, "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder


def test_pages_fetch_nothing_from_the_web(site: Path) -> None:
    fetched = re.compile(r'<(?:script|img|link rel="(?:stylesheet|preconnect)")[^>]*"https?://')
    for page in site.rglob("*.html"):
        assert not fetched.search(page.read_text()), page.name


def test_every_step_and_every_parameter_has_a_page(site: Path) -> None:
    from dxdask.parameters.entries import entries
    from dxdask.pipeline.steps import all_steps

    shown = (site / "api" / "steps.html").read_text()
    for step in all_steps():
        assert f"dxdask.{step.name}(" in shown or f'id="{step.name}' in shown, step.name
        pages = [site / "parameters" / f"{p}{step.name}.html" for p in ("", "stills_")]
        text = "".join(page.read_text() for page in pages if page.exists())
        for group, values in step.parameters().items():
            for entry in entries(values, f"{group}."):
                assert f"<code>{entry.path}</code>" in text, (step.name, entry.path)


def test_every_public_function_has_its_reference(site: Path) -> None:
    import dxdask

    text = "".join(p.read_text() for p in (site / "api").glob("*.html"))
    for name in dxdask.__all__:
        assert f".{name}" in text or f"{name}</" in text or f'id="{name}' in text, name
