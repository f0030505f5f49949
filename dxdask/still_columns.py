"""Columns of a table of stills: one row per event, arrays instead of a model for each crystal.

A table of stills is a plain ``dict[str, ndarray]`` (`Stills`), all of one length. The event of a
reflection is given by `experiment` (the run) and the image, which is the integer part of `z`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import SchemaError

Stills: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class StillColumn:
    """Name, dtype, unit and meaning of one column; `shape` is that of one row."""

    name: str
    dtype: str
    unit: str
    doc: str
    shape: tuple[int, ...] = ()


S = StillColumn
STILL_COLUMNS = {
    c.name: c
    for c in (
        S("experiment", "int32", "", "index of the run in the step's list of experiments"),
        S("image", "int32", "", "index of the event in its run, from 0"),
        S("event_id", "int64", "", "number of the event at the facility; -1 for none"),
        S("wavelength", "float64", "Angstrom", "of this shot"),
        S("n_strong_pixels", "int32", "", "strong pixels of the event"),
        S("n_spots", "int32", "", "spots of the event"),
        S("hit", "bool", "", "true if it has enough spots"),
        S("indexed", "bool", "", "true if it has a crystal"),
        S("n_indexed", "int32", "", "indexed spots"),
        S("a_matrix", "float64", "1/Angstrom", "A = U B: hkl to the laboratory frame", (3, 3)),
        S("rmsd_x_px", "float64", "px", "observed less predicted along fast, root mean square"),
        S("rmsd_y_px", "float64", "px", "the same along slow"),
        S("domain_size", "float64", "Angstrom", "of the coherent blocks (Sauter et al. 2014)"),
        S("half_mosaicity", "float64", "degree", "of the spread of the blocks"),
        S("bandwidth", "float64", "", "full width of the spectrum, relative"),
        S("scale", "float64", "", "factor G of the event: observed = G full"),
        S("b_factor", "float64", "Angstrom^2", "fall-off: exp(-2 B (sin theta / wavelength)^2)"),
        S("rlp_radius", "float64", "1/Angstrom", "standard deviation of excitation errors"),
        S("rlp_mosaicity", "float64", "degree", "increase of that radius with |q|"),
        S("cc_to_others", "float64", "", "correlation with the intensities of other events"),
        S("reason", "int32", "", "fate of the event: see dxdask.fate"),
    )
}


def check_stills(table: Stills, needed: tuple[str, ...] = ()) -> Stills:
    """Return the table after checking names, dtypes, shapes and lengths against `STILL_COLUMNS`.

    Raises
    ------
    SchemaError
        A column is missing, unknown, of another dtype or shape, or of another length.
    """
    missing = [n for n in needed if n not in table]
    if missing:
        raise SchemaError(
            f"table of stills lacks {', '.join(missing)}; has {', '.join(sorted(table))}"
        )
    rows = len(next(iter(table.values()))) if table else 0
    for name, values in table.items():
        spec = STILL_COLUMNS.get(name)
        if spec is None:
            raise SchemaError(
                f"unknown column {name!r}: add it to dxdask/still_columns.py or drop it"
            )
        if values.dtype != np.dtype(spec.dtype) or values.shape != (rows, *spec.shape):
            raise SchemaError(
                f"column {name!r} is {values.dtype} {values.shape}, "
                f"should be {spec.dtype} {(rows, *spec.shape)}"
            )
    return table
