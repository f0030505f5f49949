"""`dxdask --help`: every command under a heading, in the order of the work."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dxdask.cli.help_groups import GROUPS
from dxdask.cli.main import run


def test_every_command_has_a_heading() -> None:
    # in a process of its own, where no other test has added a command
    done = subprocess.run(
        [sys.executable, "-m", "dxdask", "--help"], capture_output=True, text=True, check=True
    )
    headings = [done.stdout.index(f" {heading} ") for heading in GROUPS]
    assert headings == sorted(headings)
    # the one of commands without a heading
    assert " Commands " not in done.stdout
    for name in (name for names in GROUPS.values() for name in names):
        assert f" {name} " in done.stdout


def test_steps_of_sweeps_and_stills_are_described_for_sweeps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--help"]) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Predict and integrate the reflections of every run." in printed
    assert "Merge to unique reflections of each wavelength" in printed
