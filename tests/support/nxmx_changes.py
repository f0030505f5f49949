"""Changes of the NXmx example, and what is imported of it."""

import h5py
from support.mutated_nxmx import write_example

from dxdask.storage.importers import ImportParameters, read_runs

DETECTOR = "entry/instrument/detector"

MODULE = DETECTOR + "/module"

DET_Z = DETECTOR + "/transformations/det_z"

BEAM = "entry/instrument/beam"

SAMPLE = "entry/sample/transformations"


def put(file, name, value, **attributes):
    """Make or replace a dataset, whose other attributes stay."""
    kept = dict(file[name].attrs) if name in file else {}
    if name in file:
        del file[name]
    file[name] = value
    file[name].attrs.update({**kept, **attributes})


def changed(tmp_path, *changes):
    """Write the example; `changes` are functions of the file."""
    path = write_example(tmp_path / "a.nxs")
    with h5py.File(path, "r+") as file:
        for change in changes:
            change(file)
    return path


def imported(path, **parameters):
    return read_runs([path], ImportParameters.model_validate(parameters))


def setting(name, value, **attributes):
    return lambda file: put(file, name, value, **attributes)


def attribute(name, key, value):
    def change(file):
        if value is None:
            del file[name].attrs[key]
        else:
            file[name].attrs[key] = value

    return change


def deleting(name):
    def change(file):
        del file[name]

    return change
