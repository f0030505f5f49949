"""The command line: help, parameters, what is shown and written, and how it ends."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.ensemble_example import QUICK, RUNS, STEPS, dxdask, python, words

from dxdask.cli.brief import LINES
from dxdask.cli.main import run
from dxdask.pipeline.steps import all_steps, names
from dxdask.storage.formats import formats
from dxdask.storage.store.store import Store

ALL_STEPS = names()
COMMANDS = ("import", "process", "stills_process", *ALL_STEPS, "export", "simulate")


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Path:
    shutil.copytree(processed.path, tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


def test_every_step_has_a_builder() -> None:
    for step in all_steps():
        assert (step.build is None) != (step.in_pass is None), step.name
        if step.in_pass is not None:
            assert step.name in step.in_pass().steps


@pytest.mark.parametrize("command", COMMANDS)
def test_configuration_and_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "-c"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^[a-z_.0-9A-Z]+ = ", printed, re.M)
    assert run([command, "-c", "-e", "3"]) == 0
    assert len(capsys.readouterr().out) >= len(printed)
    for flag in ("-h", "--help"):
        assert run([command, flag]) == 0
        assert "-c" in capsys.readouterr().out


def test_a_step_shows_only_the_parameters_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["find_spots", "-c"]) == 0
    printed = capsys.readouterr().out
    assert "spotfinder.filter.min_spot_size = " in printed
    assert "indexing." not in printed
    assert run(["find_spots", "-c", "min_spot_size=7", "d_min=2.5"]) == 0
    printed = capsys.readouterr().out
    assert "spotfinder.filter.min_spot_size = 7" in printed
    assert "spotfinder.filter.d_min = 2.5" in printed


@pytest.mark.parametrize("suffix", [".yaml", ".toml"])
def test_parameters_from_a_file_and_the_line_wins(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {
        ".yaml": "spotfinder:\n  filter:\n    d_min: 2.5\n    d_max: 20\n",
        ".toml": "[spotfinder.filter]\nd_min = 2.5\nd_max = 20\n",
    }
    file = tmp_path / f"given{suffix}"
    file.write_text(texts[suffix])
    assert run(["find_spots", "-c", "-p", str(file), "d_max=30"]) == 0
    printed = capsys.readouterr().out
    assert "spotfinder.filter.d_min = 2.5" in printed
    assert "spotfinder.filter.d_max = 30" in printed


def test_modules_imported_by_each_command() -> None:
    heavy = "{'numba', 'dask', 'distributed', 'matplotlib', 'pandas', 'xarray', 'scipy'}"
    code = f"""
import sys
from dxdask.cli.main import run
status = run(sys.argv[1:] or ['--help'])
found = sorted({heavy} & set(sys.modules))
sys.exit(f'imports {{found}}' if found else status)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    for command in ("import", "process", "show", "export", *ALL_STEPS):
        assert re.search(rf"\b{command}\b", done.stdout)


def test_show_imports_little(processed: Store) -> None:
    code = f"""
import sys
from dxdask.cli.main import run
status = run(['show', {str(processed.path)!r}])
heavy = {{'numba', 'dask', 'distributed', 'matplotlib', 'pandas', 'scipy'}}
found = sorted(heavy & set(sys.modules))
sys.exit(f'imports {{found}}' if found else status)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert "CC1/2" in done.stdout


def test_module_and_pipe(processed: Store, tmp_path: Path) -> None:
    done = dxdask("show", processed.path, "merge", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "Merging statistics by resolution shell" in done.stdout


def test_process_in_a_pipe_and_its_log(raw: list[Path], processed: Store, tmp_path: Path) -> None:
    done = dxdask("process", raw[0], "-o", "out/one.zarr", *words(QUICK), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    lines = done.stdout.splitlines()
    order = [line.split(" ")[0] for line in lines if re.match(r"\w+ \([\d.]+ s\)$", line)]
    assert order[0] == "find_spots"
    assert sorted(order) == sorted(s for s in STEPS if s != "linearity")
    ends = [*(i for i, line in enumerate(lines) if set(line) == {"-"}), lines.index("Found:")]
    assert all(b - a <= LINES for a, b in itertools.pairwise(ends))
    assert "  indexing.known_symmetry.space_group = I 21 3" in lines
    assert lines[-1] == f"The results are in {tmp_path / 'out' / 'one.zarr'}"
    log = (tmp_path / "out" / "one.log").read_text()
    assert "Merging statistics" in log
    assert log.splitlines()[0].split(" ")[2:4] == ["INFO", "dxdask"]


def test_show_json(processed: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(processed.path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert sorted(shown["steps"]) == sorted(STEPS)
    for step in shown["steps"].values():
        assert set(step) == {"complete", "parameters", "seconds", "tables"}
        assert step["complete"] is True
        assert all(isinstance(s, float) for s in step["seconds"].values())
        for rows in step["tables"].values():
            assert all(isinstance(row, dict) for row in rows)
            assert len({tuple(row) for row in rows}) <= 1
    assert shown["problems"] == []
    for (step, table), columns in NAMES.items():
        rows = shown["steps"][step]["tables"][table]
        assert rows, (step, table)
        assert columns <= set(rows[0]), (step, table, columns - set(rows[0]))
    found = {row["run"] for row in shown["steps"]["index"]["tables"]["imagesets"]}
    assert found == set(RUNS)
    given = shown["steps"]["index"]["parameters"]["indexing"]
    assert given["known_symmetry"]["space_group"] == "I 21 3"


CELL = {f"{x}{su}" for x in ("a", "b", "c", "alpha", "beta", "gamma") for su in ("", "_su")}
MERGING = {
    "d_max", "d_min", "n_obs", "n_unique", "multiplicity", "completeness", "i_over_sigma",
    "r_merge", "r_meas", "r_pim", "cc_half",
}  # fmt: skip
# what the last paragraph of the design promises to others
NAMES = {
    ("find_spots", "images"): {"run", "image", "n_strong_pixels", "n_spots"},
    ("index", "imagesets"): {"run", "n_indexed", "n_unindexed", "percent"},
    ("index", "crystals"): {"experiment", "run", "space_group", *CELL},
    ("refine", "crystals"): {"experiment", "run", "space_group", *CELL},
    ("refine", "rmsds"): {
        "experiment", "run", "n", "rmsd_x_px", "rmsd_y_px", "rmsd_z_images",
    },
    ("refine", "panels"): {"panel", "distance_mm"},
    ("integrate", "summary"): {"run"},
    ("integrate", "shells"): {"run"},
    ("linearity", "ratios"): {"run", "transmission", "n", "mean", "median", "sum_ratio"},
    ("merge", "shells"): MERGING,
    ("merge", "overall"): MERGING,
}  # fmt: skip


def test_show_some_steps(processed: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", str(processed.path), "merge", "refine", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["steps"]) == {"merge", "refine"}
    assert run(["show", str(processed.path), "refine"]) == 0
    printed = capsys.readouterr().out
    assert "RMSDs by experiment" in printed
    assert "Merging" not in printed
    assert run(["show", str(processed.path)]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*STEPS, *RUNS))
    assert run(["show", str(processed.path), "truncate"]) == 1
    assert "no result of truncate" in capsys.readouterr().err


def test_json_of_an_import_is_all_that_is_printed(
    raw: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(raw[0]), "-o", str(tmp_path / "a.zarr"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    [shown] = printed.pop("runs")
    assert printed == Store.open(tmp_path / "a.zarr").show()
    assert shown["run"] == RUNS[0]
    assert shown["n_images"] == 14
    assert shown["wavelength_A"] == pytest.approx(0.9)
    assert shown["distance_mm"] == pytest.approx(80.0)
    assert (shown["beam_x_px"], shown["beam_y_px"]) == pytest.approx((127.2, 131.6))
    assert (shown["start_deg"], shown["width_deg"]) == (0.0, 0.8)
    assert shown["axis"] == [1.0, 0.0, 0.0]


def test_json_of_a_step_is_all_that_is_printed(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["merge", str(store), "--json", "force=true"]) == 0
    assert set(json.loads(capsys.readouterr().out)["steps"]) == {"merge"}
    assert "Merging statistics" in store.with_suffix(".log").read_text()


def test_export_mtz(store: Path, tmp_path: Path, processed: Store) -> None:
    merged, unmerged = tmp_path / "new" / "m.mtz", tmp_path / "u.mtz"
    assert run(["export", str(store), f"output={merged}"]) == 0
    mtz = gemmi.read_mtz_file(str(merged))
    assert mtz.spacegroup.hm == "I 21 3"
    assert mtz.nreflections == len(processed.columns("merge")["hkl"])
    assert {"IMEAN", "SIGIMEAN"} <= set(mtz.column_labels())
    assert run(["export", str(store), f"output={unmerged}", "unmerged=true"]) == 0
    mtz = gemmi.read_mtz_file(str(unmerged))
    assert len(mtz.batches) == 42
    assert {"M/ISYM", "BATCH", "I", "SIGI"} <= set(mtz.column_labels())


def test_export_csv_and_dials(store: Path, tmp_path: Path, processed: Store) -> None:
    assert run(["export", str(store), "format=csv", f"output={tmp_path / 'a.csv'}"]) == 0
    table = np.genfromtxt(tmp_path / "a.csv", delimiter=",", names=True)
    assert len(table) == len(processed.columns("scale")["hkl"])
    given = ["format=dials", "step=index", f"output={tmp_path / 'i.expt'}"]
    assert run(["export", str(store), *given]) == 0
    models = json.loads((tmp_path / "i.expt").read_text())
    assert len(models["experiment"]) == 3
    assert (tmp_path / "i.refl").stat().st_size > 1000


def test_export_refuses(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "m.mtz"
    file.write_text("mine")
    assert run(["export", str(store), f"output={file}", "overwrite=false"]) == 1
    assert "overwrite=true" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert run(["export", str(store), "format=pdb"]) == 2
    assert "format" in capsys.readouterr().err
    assert run(["export", str(store), "step=truncate"]) == 1
    assert "no result of truncate" in capsys.readouterr().err


def test_simulate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sim"
    given = ["transmissions=1.0,", "n_images=2", "module_size=64,32", "pixel_size=0.9"]
    assert run(["simulate", "-o", str(out), *given]) == 0
    assert len(list(out.rglob("*.nxs"))) == 1
    assert (out / "truth.json").exists()
    assert str(next(out.rglob("*.nxs"))) in capsys.readouterr().out
    assert run(["simulate", "-o", str(out), *given]) == 1
    assert "give another -o" in capsys.readouterr().err


def test_simulate_raw_stills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sim"
    assert run(["simulate", "--stills", "-o", str(out), "n_images=2", "n_dark=3"]) == 0
    assert (out / "true.geom").exists()
    assert str(out / "dark.nxs") in capsys.readouterr().out
    assert run(["simulate", "--stills", "-c"]) == 0
    assert "n_images = 120" in capsys.readouterr().out


def test_registered_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", "--formats"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in listed] == [one.name for one in formats()]
    assert all(one.description in row for one, row in zip(formats(), listed, strict=True))
    assert run(["import", "--formats", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["formats"]
    assert {"nxmx", "cbf", "smv", "dials"} <= {row["name"] for row in found}
    assert found[0]["priority"] == max(row["priority"] for row in found)
