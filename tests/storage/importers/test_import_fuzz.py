"""Mutated files of other programs: read, or refused with an error of ours; never a traceback."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gemmi
import msgpack
import numpy as np
import pytest
from support.processed_files import write_job, xds_text

from dxdask.errors import DxdaskError
from dxdask.storage.exporters import mtz_unmerged
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_reflections

VALUES = (None, "", "x", -1, 0, 1e308, float("nan"), [], {}, [1], 2**70, True, [[0.0] * 3] * 3)


def read(paths: list[Path]) -> bool:
    """Return True if files are read; an error that is not dxdask's is raised."""
    try:
        runs = read_runs(paths)
    except DxdaskError:
        return False
    assert all(np.prod(run.shape) < 1 << 40 for run in runs)
    return True


def mutated(value: Any, rng: random.Random) -> Any:
    """Return a document with one value changed, dropped or doubled."""
    copy = json.loads(json.dumps(value))
    node: Any = copy
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = rng.choice(list(keys))
        child = node[key]
        if isinstance(child, dict | list) and child and rng.random() < 0.85:
            node = child
            continue
        if rng.random() < 0.3:
            del node[key]
        else:
            node[key] = rng.choice(VALUES)
        return copy


@pytest.mark.parametrize("step", ["find_spots", "integrate"])
def test_mutated_experiment_lists(tmp_path: Path, step: str) -> None:
    expt, refl = write_job(tmp_path, step)
    values = json.loads(expt.read_text())
    rng = random.Random(1)
    n_read = 0
    for _ in range(250):
        expt.write_text(json.dumps(mutated(values, rng)))
        n_read += read([expt, refl])
    assert 20 < n_read < 240


def bytes_mutated(raw: bytes, rng: random.Random) -> bytes:
    """Return bytes that are cut, or of which some of the first 4000 are changed."""
    if rng.random() < 0.3:
        return raw[: rng.randrange(len(raw))]
    out = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(min(len(out), 4000))] = rng.randrange(256)
    return bytes(out)


@pytest.mark.parametrize("step", ["find_spots", "integrate"])
def test_mutated_tables(tmp_path: Path, step: str) -> None:
    expt, refl = write_job(tmp_path, step)
    mark, version, content = msgpack.unpackb(refl.read_bytes(), strict_map_key=False)
    # the heads of columns within reach of the mutations
    small = {"identifiers": content["identifiers"], "nrows": 2, "data": {}}
    for name, (kind, (n, raw)) in content["data"].items():
        small["data"][name] = [kind, [2, raw[: 2 * len(raw) // n]]]
    raw = msgpack.packb([mark, version, small])
    rng = random.Random(2)
    for _ in range(400):
        refl.write_bytes(bytes_mutated(raw, rng))
        read([expt, refl])


def test_columns_missing_of_other_types_and_lengths(tmp_path: Path) -> None:
    expt, refl = write_job(tmp_path, "integrate")
    mark, version, content = msgpack.unpackb(refl.read_bytes(), strict_map_key=False)
    for name in content["data"]:
        for column in (
            None,
            ["int", [3, b"123"]],
            ["double", [content["nrows"], b""]],
            ["odd", []],
        ):
            data = {**content["data"], name: column}
            if column is None:
                del data[name]
            refl.write_bytes(msgpack.packb([mark, version, {**content, "data": data}]))
            assert not read([expt, refl]) or column is None


@pytest.mark.parametrize("make", [lambda rng: bytes_mutated, lambda rng: lines_mutated])
def test_mutated_files_of_xds(
    tmp_path: Path, make: Callable[[Any], Callable[[bytes, random.Random], bytes]]
) -> None:
    header, _, rows = xds_text().partition("!END_OF_HEADER\n")
    text = header + "!END_OF_HEADER\n" + "\n".join(rows.splitlines()[:30]) + "\n!END_OF_DATA\n"
    path = tmp_path / "XDS_ASCII.HKL"
    rng = random.Random(3)
    n_read = 0
    for _ in range(250):
        path.write_bytes(make(rng)(text.encode(), rng))
        n_read += read([path])
    assert n_read < 250


def lines_mutated(raw: bytes, rng: random.Random) -> bytes:
    """Return text with a line dropped, doubled, or one of its words replaced."""
    lines = raw.decode().splitlines()
    k = rng.randrange(len(lines))
    words = lines[k].split(" ")
    words[rng.randrange(len(words))] = rng.choice(["", "0", "-1", "nan", "1e999", "x", "9" * 30])
    lines[k : k + 1] = rng.choice([[], [lines[k]] * 2, [" ".join(words)]])
    return "\n".join(lines).encode() + b"\n"


def test_mutated_mtz(tmp_path: Path) -> None:
    expt, refl = write_job(tmp_path, "integrate")
    experiments = read_experiments(expt)
    path = tmp_path / "a.mtz"
    mtz_unmerged.write_unmerged(path, read_reflections(refl, experiments), experiments)
    file = gemmi.read_mtz_file(str(path))
    file.set_data(np.array(file, copy=True)[:20])
    file.write_to_file(str(path))
    raw = path.read_bytes()
    start = raw.rfind(b"VERS MTZ")
    rng = random.Random(4)
    for k in range(300):
        out = bytearray(raw)
        where = (0, 80) if k % 3 == 0 else (start, len(raw))
        for _ in range(rng.randint(1, 3)):
            out[rng.randrange(*where)] = rng.choice([rng.randrange(256), *b"0123456789 -."])
        path.write_bytes(bytes(out) if k % 10 else raw[: rng.randrange(len(raw))])
        read([path])
