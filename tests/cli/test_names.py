"""Files as they are named on a command line: home folders, patterns, lists; DIALS's names."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.cli import arguments, commands, names
from dxdask.cli.app import app
from dxdask.cli.help_groups import name_of
from dxdask.cli.main import run
from dxdask.cli.unknown_commands import OF_DIALS
from dxdask.errors import ParameterError
from dxdask.parameters.dials_names import ANSWERS
from dxdask.storage.store.store import Store

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_tilde_is_the_home_folder_everywhere(raw: list[Path], home: Path) -> None:
    shutil.copy(raw[0], home / "a.nxs")
    (home / "p.yaml").write_text("overwrite: true\n")
    assert run(["import", "~/a.nxs", "-o", "~/new/s.zarr", "-p", "~/p.yaml"]) == 0
    assert Store.open(home / "new" / "s.zarr").runs == ("a",)
    assert run(["show", "~/new/s.zarr"]) == 0
    assert run(["find_spots", "~/new/*.zarr"]) == 0
    assert run(["export", "~/new/s.zarr", "format=csv", "output=~/spots.csv"]) == 0
    assert (home / "spots.csv").exists()
    assert not (home.parent / "~").exists()
    assert run(["import", "template=~/a.nxs", "-o", "~/t.zarr"]) in (0, 1)
    assert not (home.parent / "~").exists()


def test_a_home_folder_that_is_none(home: Path, capsys: Captured) -> None:
    for given_ in (["import", "a", "-o", "~nosuchuser/a.zarr"], ["import", "~nosuchuser/a"]):
        assert run(given_) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert "~nosuchuser" in message


def test_a_file_whose_name_has_a_tilde(home: Path) -> None:
    (home.parent / "~odd").write_text("")
    assert names.files(["~odd", "a~b", "./~"]) == ["~odd", "a~b", "./~"]


def test_lists_of_files(
    raw: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    shutil.copy(raw[0], tmp_path / "beside.nxs")
    text = f"# frames\n\n{raw[1]}\r\n  beside.nxs  \n{raw[1]}\n"
    (tmp_path / "files.lst").write_text(text)
    assert run(["import", str(tmp_path / "files.lst"), "-o", str(tmp_path / "l.zarr")]) == 0
    assert set(Store.open(tmp_path / "l.zarr").runs) == {"beside", "tiny_2"}
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{raw[1]}\0{raw[2]}\0"))
    assert run(["import", "-", "-o", str(tmp_path / "i.zarr")]) == 0
    assert Store.open(tmp_path / "i.zarr").runs == ("tiny_2", "tiny_3")
    capsys.readouterr()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "names no file"),
        (b"# nothing\n\n", "names no file"),
        (b"a.h5 //3\n", "names the event"),
        (b"\xff\xfe\x00\x80", "is no list of files"),
    ],
)
def test_lists_that_are_none(
    tmp_path: Path, capsys: Captured, content: bytes, expected: str
) -> None:
    path = tmp_path / "a.lst"
    path.write_bytes(content)
    assert run(["import", str(path), "-o", str(tmp_path / "a.zarr")]) == 2
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "a.zarr").exists()


def test_a_list_at_a_terminal_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    assert run(["import", "-", "-o", str(tmp_path / "a.zarr")]) == 2
    assert "ls *.cbf | dxdask import -" in capsys.readouterr().err


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)))
def test_any_words_are_paths_or_assignments(words: list[str]) -> None:
    try:
        paths, assignments = arguments.split([w for w in words if w != "-" and w[0] != "~"])
    except (ParameterError, OSError, ValueError):
        return
    assert all("=" in a for a in assignments)
    assert len(paths) + len(assignments) == len([w for w in words if w != "-" and w[0] != "~"])


@pytest.mark.parametrize(
    ("given_", "answer"),
    [
        ("nproc=4", "cluster.cores"),
        ("mp.nproc=4", "cluster.cores"),
        ("spotfinder.mp.nproc=4", "cluster.cores"),
        ("njobs=4", "cluster.jobs"),
        ("output.reflections=strong.refl", "dxdask export STORE format=dials"),
        ("output.experiments=a.expt", "dxdask export STORE format=dials"),
        ("output.log=a.log", "beside the store"),
        ("mp.method=slurm", "cluster=slurm"),
    ],
)
def test_names_of_dials_are_answered(capsys: Captured, given_: str, answer: str) -> None:
    assert run(["find_spots", "s.zarr", given_]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert given_.split("=")[0] in message
    assert answer in message


def test_no_name_of_dials_hides_one_of_ours(capsys: Captured) -> None:
    from dxdask.pipeline.parameters import StepParameters
    from dxdask.pipeline.steps import parameters_of_kind

    for kind in ("sweeps", "stills"):
        fields = set(parameters_of_kind(kind).model_fields) | set(StepParameters.model_fields)
        assert not fields & set(ANSWERS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("image_viewer", "dxdask view STORE"),
        ("dials.reciprocal_lattice_viewer", "dxdask view STORE"),
        ("dials.find_spots", "it is dxdask find_spots"),
        ("indexx", "did you mean index"),
        ("qqq", "dxdask --help lists them"),
    ],
)
def test_an_unknown_command_is_answered(name: str, expected: str, capsys: Captured) -> None:
    assert run([name, "a.zarr"]) == 2
    assert expected in capsys.readouterr().err


def test_commands_that_stand_for_those_of_dials_are_there() -> None:
    commands.add_steps()
    known = {name_of(command) for command in app.registered_commands}
    assert {text.split()[1] for text in OF_DIALS.values()} <= known
    assert not known & set(OF_DIALS)


def test_files_of_dials_beside_a_store(capsys: Captured) -> None:
    assert run(["index", "a.zarr", "strong.refl"]) == 2
    assert "is in the store, once imported" in capsys.readouterr().err


def test_the_version(capsys: Captured) -> None:
    from dxdask import __version__

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"dxdask {__version__}\n"


def test_a_job_script(capsys: Captured, tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue")
    given_ = ["cluster.cores=4", "cluster.memory=8GB", "cluster.walltime=02:00:00"]
    assert run(["cluster", "script", "cluster=slurm", *given_]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#!")
    assert "#SBATCH -t 02:00:00" in script
    assert "--cpus-per-task=4" in script
    assert run(["cluster", "script", "pbs", "cluster.cores=3"]) == 0
    assert "#PBS -l select=1:ncpus=3" in capsys.readouterr().out
    site = tmp_path / "site.yaml"
    site.write_text("jobqueue:\n  sge:\n    queue: long.q\n    cores: 2\n    memory: 4GB\n")
    assert run(["cluster", "script", str(site)]) == 0
    assert "-q long.q" in capsys.readouterr().out
    assert run(["cluster", "script"]) == 2
    assert "cluster=slurm" in capsys.readouterr().err
    assert run(["cluster", "script", "cluster=cloud"]) == 2
    assert run(["cluster"]) in (0, 2)
    assert run(["cluster", "script", "-c"]) == 0
    assert "cluster.walltime" in capsys.readouterr().out


def test_show_has_the_geometry(processed: Store, capsys: Captured) -> None:
    assert run(["show", str(processed.path)]) == 0
    printed = capsys.readouterr().out
    for text in ("3 runs, 42 images", "0.90000", "80.00", "127.20", "omega (1, 0, 0)", "0.8"):
        assert text in printed, text
    assert max(len(line) for line in printed.splitlines() if "/" not in line) <= 80
    assert run(["show", str(processed.path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["runs"]
    assert [row["run"] for row in rows] == list(processed.runs)
    assert [row["transmission"] for row in rows] == [0.25, 0.5, 1.0]
