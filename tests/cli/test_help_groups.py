"""`dxdask --help`: every command under a heading, in the order of the work."""

from __future__ import annotations

import pytest

from dxdask.cli.app import app
from dxdask.cli.help_groups import GROUPS, name_of
from dxdask.cli.main import run


def test_every_command_has_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    printed = capsys.readouterr().out
    listed = [name for names in GROUPS.values() for name in names]
    there = [name_of(c) for c in (*app.registered_commands, *app.registered_groups)]
    assert sorted(there) == sorted(listed)
    headings = [printed.index(f" {heading} ") for heading in GROUPS]
    assert headings == sorted(headings)


def test_steps_of_sweeps_and_stills_are_described_for_sweeps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--help"]) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Predict and integrate the reflections of every run." in printed
    assert "Merge to unique reflections of each wavelength" in printed
