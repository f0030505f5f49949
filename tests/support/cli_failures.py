"""Commands that have to fail, and their messages."""

from __future__ import annotations

import pytest

from dxdask.cli.main import run

Captured = pytest.CaptureFixture[str]


def fails(capsys: Captured, *arguments: object) -> tuple[int, str]:
    """Run a command that has to fail; return its status and its error message."""
    status = run([str(a) for a in arguments])
    message = capsys.readouterr().err
    assert status in (1, 2), message
    assert "Traceback" not in message
    return status, message


def one_line(message: str) -> str:
    assert message.startswith("dxdask: ")
    assert message.count("\n") == 1, message
    return message
