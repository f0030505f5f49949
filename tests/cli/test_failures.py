"""Errors of the system and of ours at the top of a command: one line and a status."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ensemble_example import ENVIRONMENT

from dxdask.cli import commands, failures, main
from dxdask.cli.main import run
from dxdask.errors import ConvergenceError, InputError, ParameterError
from dxdask.storage.store.store import Store

Captured = pytest.CaptureFixture[str]


def explained(error: Exception) -> str:
    text = failures.explain(error)
    assert "\n" not in text
    return text


@given(st.sampled_from(sorted(errno.errorcode)), st.text(max_size=20), st.booleans())
def test_every_error_of_the_system_is_one_line(number: int, name: str, has_name: bool) -> None:
    text = os.strerror(number)
    explained_ = explained(OSError(number, text, name) if has_name else OSError(number, text))
    assert " ".join(text.split()) in explained_


def test_what_is_said_of_errors() -> None:
    denied = PermissionError(errno.EACCES, "Permission denied", "a/b.nxs")
    assert explained(denied) == (
        "a/b.nxs: Permission denied; check the rights of the file and of its folder"
    )
    assert explained(OSError("no number")) == "no number; check the file and the disk it is on"
    assert "NUMBA_CACHE_DIR" in explained(RuntimeError("cannot cache function 'f': no locator"))
    assert "memory" in explained(MemoryError())
    assert explained(InputError("two\nlines")) == "two lines"
    causes = ConvergenceError("1. the beam  centre\n2. the distance")
    assert failures.explain(causes) == "1. the beam centre\n  2. the distance"
    assert "internal error, KeyError: 'x'" in explained(KeyError("x"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ParameterError("p"), 2),
        (InputError("i"), 1),
        (OSError(errno.ENOSPC, "No space left on device", "a"), 1),
        (ZeroDivisionError("z"), 1),
        (MemoryError(), 1),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), 1),
    ],
)
def test_each_has_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, error: Exception, status: int
) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(commands, "add_steps", lambda: None)

    class Application:
        def main(self, **_: object) -> None:
            broken()

    monkeypatch.setattr(main.typer.main, "get_command", lambda _: Application())
    assert run(["show"]) == status
    message = capsys.readouterr().err
    assert message.startswith("dxdask: ")
    assert message.count("\n") == 1
    monkeypatch.setenv(main.TRACEBACK, "1")
    with pytest.raises(type(error)):
        run(["show"])


def as_user(*arguments: object) -> list[str]:
    """Return a command for which the modes of files hold, also where root runs the tests."""
    command = [sys.executable, "-m", "dxdask", *map(str, arguments)]
    if os.getuid() != 0:
        return command
    rights = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]
    if shutil.which("setpriv") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("root cannot give up its rights over files here")
    return [*prefix, *command]


def fails(*arguments: object) -> str:
    done = subprocess.run(
        as_user(*arguments), capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_files_and_folders_without_rights(
    raw: list[Path], processed: Store, tmp_path: Path
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    file = Path(shutil.copy(raw[0], tmp_path / "a.nxs"))
    file.chmod(0o000)
    message = fails("import", file, "-o", tmp_path / "a.zarr")
    assert "a.nxs" in message
    assert "ermission denied" in message
    assert not (tmp_path / "a.zarr").exists()
    closed.chmod(0o555)
    for given_ in (["output=m.mtz"], ["format=dials", "output=m.expt"], ["format=csv"]):
        words = [w.replace("output=", f"output={closed}/") for w in given_]
        words = words if "output" in "".join(words) else [*words, f"output={closed}/x.csv"]
        message = fails("export", processed.path, *words)
        assert str(closed) in message
        assert "ermission denied" in message
    assert "closed" in fails("import", raw[0], "-o", closed / "a.zarr")
    assert list(closed.iterdir()) == []
    closed.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of files are Linux's")
def test_a_pair_of_files_is_whole_or_not_there(processed: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.expt"
    path.write_text("before")
    code = f"""
import resource
from dxdask.cli.main import run
import dxdask.storage.exporters.dials
resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000))
raise SystemExit(run(["export", {str(processed.path)!r}, "format=dials", "output={path}"]))
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("dxdask: cannot write ")
    assert done.stderr.count("\n") == 1
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
