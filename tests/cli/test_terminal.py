"""Output on a terminal, in a pipe and in a file: the same lines, whatever the width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from support.ensemble_example import ENVIRONMENT, QUICK, words

from dxdask.cluster.terminal_line import ERASE

WIDTH = 80
_TIMES = re.compile(r"\d+\.\d s|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


class Terminal:
    """A pseudo-terminal of some width, which keeps what is written to it."""

    def __init__(self, columns: int) -> None:
        self._leader, self.follower = pty.openpty()
        fcntl.ioctl(self.follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._leader, 65536):
                self._parts.append(part)
        except OSError:  # how Linux reports that nothing has it open any more
            return

    def close(self) -> str:
        """Return all that was written."""
        os.close(self.follower)
        self._reader.join(timeout=30)
        os.close(self._leader)
        return b"".join(self._parts).decode()


def seen(text: str) -> list[str]:
    """Return the lines that stay on a screen: of each what follows the last return or erasure."""
    lines = text.replace("\r\n", "\n").split("\n")
    return [re.split(r"\r|\x1b\[2K", line)[-1] for line in lines]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "dxdask", *map(str, arguments)]


def process(raw: list[Path], folder: Path) -> list[str]:
    return command("process", raw[0], "-o", folder / "s.zarr", *words(QUICK))


def run_on(terminal: Terminal, given: list[str], **streams: object) -> int:
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "COLUMNS"} | {"TERM": "xterm"}
    out = streams.get("stdout", terminal.follower)
    done = subprocess.run(
        given, stdin=subprocess.DEVNULL, stdout=out, stderr=terminal.follower,  # type: ignore[call-overload]
        env=environment, timeout=300, check=False,
    )  # fmt: skip
    return int(done.returncode)


def without_times(lines: list[str], folder: Path) -> list[str]:
    return [_TIMES.sub("T", line.replace(str(folder), "HERE")) for line in lines]


@pytest.fixture(scope="module")
def piped(raw: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the lines of `process` in a pipe."""
    folder = tmp_path_factory.mktemp("piped")
    done = subprocess.run(
        process(raw, folder), capture_output=True, text=True, env=ENVIRONMENT, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return without_times(done.stdout.split("\n"), folder)


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_gets_the_lines_of_a_pipe(
    raw: list[Path], piped: list[str], tmp_path: Path, columns: int
) -> None:
    terminal = Terminal(columns)
    status = run_on(terminal, process(raw, tmp_path))
    text = terminal.close()
    assert status == 0, text
    assert "process [" in text  # the bar was there
    assert without_times(seen(text), tmp_path) == piped


@pytest.mark.parametrize("columns", [80, 200])
def test_a_file_gets_all_while_the_terminal_has_the_bar(
    raw: list[Path], piped: list[str], tmp_path: Path, columns: int
) -> None:
    terminal = Terminal(columns)
    with (tmp_path / "out.txt").open("w") as file:
        status = run_on(terminal, process(raw, tmp_path), stdout=file)
    text = terminal.close()
    assert status == 0, text
    assert "process [" in text
    assert seen(text) == [""]  # nothing is left of it
    for drawn in text.split(ERASE):
        assert len(drawn) < columns
    written = (tmp_path / "out.txt").read_text()
    assert "\x1b" not in written
    assert without_times(written.split("\n"), tmp_path) == piped


def test_what_a_step_shows(piped: list[str]) -> None:
    text = "\n".join(piped)
    for pattern in (
        r"Extracted \d+ spots", "RMSDs by experiment", "Error model", "Merging statistics",
        r"^Found:", r"  merged +\d+ observations",
    ):  # fmt: skip
        assert re.search(pattern, text, re.MULTILINE), pattern
    tables = [line for line in piped if line.startswith(("|", "+", "   "))]
    assert tables
    assert [line for line in tables if len(line) > WIDTH] == []


def test_output_to_the_file_of_the_log(raw: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "a.log"
    with out.open("w") as file:
        done = subprocess.run(
            [sys.executable, "-m", "dxdask", "import", raw[0], "-o", tmp_path / "a.zarr"],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.read_text().startswith("dxdask ")
    assert " INFO " not in out.read_text()
    assert " INFO " in (tmp_path / "a.zarr.log").read_text()


def test_a_dumb_terminal_has_no_bar(raw: list[Path], tmp_path: Path) -> None:
    terminal = Terminal(80)
    done = subprocess.run(
        command("import", raw[0], "-o", tmp_path / "a.zarr"),
        stdin=subprocess.DEVNULL, stdout=terminal.follower, stderr=terminal.follower,
        env={**ENVIRONMENT, "TERM": "dumb"}, timeout=300, check=False,
    )  # fmt: skip
    assert "\x1b" not in terminal.close()
    assert done.returncode == 0


def test_the_same_again_is_nothing_to_do(raw: list[Path], tmp_path: Path) -> None:
    first = subprocess.run(
        command("import", raw[0], "-o", tmp_path / "a.zarr"), capture_output=True, check=True
    )
    assert b"axis      omega (1, 0, 0)" in first.stdout
    for expected in ("Extracted", "nothing to do: in the store with the same inputs"):
        done = subprocess.run(
            command("find_spots", tmp_path / "a.zarr"), capture_output=True, text=True, check=True
        )
        assert expected in done.stdout
    assert "Extracted" not in done.stdout
    assert " s)" not in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode(encoding: str) -> None:
    code = """
from dxdask.cli import output
from dxdask.cli.main import run
status = run(["--version"])
output.on_terminal(chr(963) + "\\u00b2")
raise SystemExit(status)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False,
        env={**ENVIRONMENT, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == b"?" + (b"?" if encoding == "ascii" else b"\xb2")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_full_disk_behind_stdout(raw: list[Path], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("import", raw[0], "-o", tmp_path / "a.zarr"),
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device; free some space" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_closed_pipe_is_no_error_of_ours(raw: list[Path], tmp_path: Path) -> None:
    given = command("import", raw[0], "-o", tmp_path / "a.zarr")
    with subprocess.Popen(given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        ran.stdout.close()
        assert ran.stderr is not None
        message = ran.stderr.read()
    assert "Traceback" not in message
