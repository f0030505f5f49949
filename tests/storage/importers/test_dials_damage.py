"""Experiment lists and reflection tables of DIALS that are damaged or of an unknown kind."""

import json

import msgpack
import numpy as np
import pytest
from support.dials_examples import sweep, table

from dxdask.errors import FormatError
from dxdask.models import ExperimentList
from dxdask.storage.exporters.dials import write_experiments, write_reflections
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_npz, read_reflections


@pytest.mark.parametrize("text", ["not json", "[1, 2]", '{"__id__": "ExperimentList"}'])
def test_what_is_no_experiment_list(tmp_path, text):
    (tmp_path / "a.expt").write_text(text)
    with pytest.raises(FormatError, match=r"a\.expt"):
        read_experiments(tmp_path / "a.expt")


def test_an_unknown_beam_is_named(tmp_path):
    write_experiments(tmp_path / "a.expt", ExperimentList.of([sweep()]))
    values = json.loads((tmp_path / "a.expt").read_text())
    values["beam"][0] = {"__id__": "polychromatic", "direction": [0, 0, 1]}
    (tmp_path / "a.expt").write_text(json.dumps(values))
    with pytest.raises(FormatError, match="kind 'polychromatic' has no wavelength"):
        read_experiments(tmp_path / "a.expt")


def test_damaged_tables(tmp_path):
    path = tmp_path / "a.refl"
    write_reflections(path, table(), ExperimentList.of([sweep()]))
    raw = path.read_bytes()
    path.write_bytes(raw[:-9])
    with pytest.raises(FormatError, match="truncated"):
        read_reflections(path)
    mark, version, content = msgpack.unpackb(raw, strict_map_key=False)
    content["nrows"] = 10**15
    path.write_bytes(msgpack.packb([mark, version, content]))
    with pytest.raises(FormatError, match="the table has 1000000000000000 rows"):
        read_reflections(path)
    path.write_bytes(msgpack.packb(["something else", 1, content]))
    with pytest.raises(FormatError, match="'something else' version 1 is not known"):
        read_reflections(path)
    content["data"]["id"] = ["complex", [5, b""]]
    path.write_bytes(msgpack.packb([mark, version, content]))
    with pytest.raises(FormatError, match=r"column .* is of an unknown type|has 5 rows"):
        read_reflections(path)


def test_npz_of_objects_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", id=np.array([object()]))
    with pytest.raises(FormatError, match=r"not an \.npz file of plain arrays"):
        read_npz(tmp_path / "a.npz")
