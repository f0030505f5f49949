"""The code in README.md and docs/ runs, or says why it does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?P<mark>[^\n]*)\n```(?P<language>\w+)\n(?P<code>.*?)\n```", re.DOTALL)
MARK = re.compile(r"<!-- (run|not run: .+) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block, and the line above it that says whether it runs."""

    mark: str
    language: str
    code: str


def blocks(page: Path) -> list[Block]:
    found = [Block(m["mark"], m["language"], m["code"]) for m in BLOCK.finditer(page.read_text())]
    return [b for b in found if b.language in ("bash", "python")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_block_runs_or_says_why_not(page: Path) -> None:
    assert all(MARK.fullmatch(b.mark) for b in blocks(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
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


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
