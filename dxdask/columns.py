"""Columns of a table of reflections: name, dtype, shape, unit, meaning, and DIALS's name.

A table is a plain ``dict[str, ndarray]`` (`Reflections`), one entry per column, all of one length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import SchemaError

Reflections: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """Name, dtype, unit and meaning of one column; `parts` names the values of a row of several."""

    name: str
    dtype: str
    unit: str
    doc: str
    dials: str | None = None
    parts: tuple[str, ...] = ()


def _column_table(*columns: Column) -> dict[str, Column]:
    return {c.name: c for c in columns}


C = Column
COLUMNS = _column_table(
    C("experiment", "int32", "", "index of the experiment in the step's list of experiments", "id"),
    C("panel", "int32", "", "index of the panel", "panel"),
    C("hkl", "int32", "", "Miller index", "miller_index", ("h", "k", "l")),
    C(
        "flags",
        "uint32",
        "",
        "states of the reflection: bits of dxdask.columns.Flag",
        "flags",
    ),
    C("fate", "uint8", "", "fate of a spot in indexing: a value of dxdask.fate.SpotFate"),
    C("entering", "bool", "", "true if it enters the Ewald sphere, false if it leaves", "entering"),
    C("x", "float64", "px", "observed centroid along fast, in the panel", "xyzobs.px.value/0"),
    C("y", "float64", "px", "observed centroid along slow, in the panel", "xyzobs.px.value/1"),
    C(
        "z",
        "float64",
        "images",
        "observed centroid along the scan",
        "xyzobs.px.value/2",
    ),
    C("x_variance", "float64", "px^2", "variance of x", "xyzobs.px.variance/0"),
    C("y_variance", "float64", "px^2", "variance of y", "xyzobs.px.variance/1"),
    C("z_variance", "float64", "images^2", "variance of z", "xyzobs.px.variance/2"),
    C("x_mm", "float64", "mm", "observed centroid along fast", "xyzobs.mm.value/0"),
    C("y_mm", "float64", "mm", "observed centroid along slow", "xyzobs.mm.value/1"),
    C("phi_rad", "float64", "rad", "observed rotation angle", "xyzobs.mm.value/2"),
    C("x_mm_variance", "float64", "mm^2", "variance of x_mm", "xyzobs.mm.variance/0"),
    C("y_mm_variance", "float64", "mm^2", "variance of y_mm", "xyzobs.mm.variance/1"),
    C("phi_rad_variance", "float64", "rad^2", "variance of phi_rad", "xyzobs.mm.variance/2"),
    C("x_cal", "float64", "px", "predicted centroid along fast", "xyzcal.px/0"),
    C("y_cal", "float64", "px", "predicted centroid along slow", "xyzcal.px/1"),
    C("z_cal", "float64", "images", "predicted centroid along the scan", "xyzcal.px/2"),
    C("x_cal_mm", "float64", "mm", "predicted centroid along fast", "xyzcal.mm/0"),
    C("y_cal_mm", "float64", "mm", "predicted centroid along slow", "xyzcal.mm/1"),
    C("phi_cal_rad", "float64", "rad", "predicted rotation angle", "xyzcal.mm/2"),
    C(
        "s1",
        "float64",
        "1/Angstrom",
        "diffracted beam vector, laboratory frame",
        "s1",
        ("x", "y", "z"),
    ),
    C(
        "rlp",
        "float64",
        "1/Angstrom",
        "reciprocal lattice point at goniometer datum",
        "rlp",
        ("x", "y", "z"),
    ),
    C("d", "float64", "Angstrom", "lattice spacing", "d"),
    C("zeta", "float64", "", "Lorentz path factor m2 . e1 (Kabsch 2010)", "zeta"),
    C(
        "bbox",
        "int32",
        "px",
        "box x0 x1 y0 y1 z0 z1, half open; z in images",
        "bbox",
        ("x0", "x1", "y0", "y1", "z0", "z1"),
    ),
    C("n_pixels", "int32", "", "strong pixels of the spot", "n_signal"),
    C("peak", "int32", "photons", "largest pixel of the spot"),
    C(
        "intensity_sum",
        "float64",
        "photons",
        "summed intensity above background",
        "intensity.sum.value",
    ),
    C(
        "intensity_sum_variance",
        "float64",
        "photons^2",
        "variance of intensity_sum",
        "intensity.sum.variance",
    ),
    C("background_mean", "float64", "photons/px", "local background", "background.mean"),
    C(
        "background_sum",
        "float64",
        "photons",
        "background under the foreground",
        "background.sum.value",
    ),
    C(
        "background_sum_variance",
        "float64",
        "photons^2",
        "variance of background_sum",
        "background.sum.variance",
    ),
    C("n_foreground", "int32", "", "valid foreground pixels", "num_pixels.foreground"),
    C("n_background", "int32", "", "background pixels used", "num_pixels.background_used"),
    C("n_invalid", "int32", "", "foreground pixels that are masked or untrusted"),
    C("n_saturated", "int32", "", "foreground pixels at or above the saturation value"),
    C("partiality", "float64", "", "fraction of the reflection that is recorded", "partiality"),
    C(
        "excitation_error",
        "float64",
        "1/Angstrom",
        "of a still: |s0 + q| - |s0|, positive outside the Ewald sphere",
    ),
    C(
        "excitation_sigma",
        "float64",
        "1/Angstrom",
        "of a still: standard deviation of excitation errors at which the reflection is recorded",
    ),
    C("lp", "float64", "", "factor that corrects for Lorentz and polarisation", "lp"),
    C("qe", "float64", "", "quantum efficiency along the ray: of the sensor, air and window", "qe"),
    C(
        "scale",
        "float64",
        "",
        "inverse scale factor: corrected intensity / scale is scaled",
        "inverse_scale_factor",
    ),
    C(
        "intensity",
        "float64",
        "",
        "corrected (and, once scaled, scaled) intensity",
        "intensity.scale.value",
    ),
    C("intensity_variance", "float64", "", "variance of intensity", "intensity.scale.variance"),
    C("sigma", "float64", "", "standard deviation of a merged intensity"),
    C("wavelength", "float64", "Angstrom", "of a merged intensity, where there are several"),
    C("n_observations", "int32", "", "observations merged into this reflection"),
    C(
        "intensity_prf",
        "float64",
        "photons",
        "intensity of the fitted profile",
        "intensity.prf.value",
    ),
    C(
        "intensity_prf_variance",
        "float64",
        "photons^2",
        "variance of intensity_prf",
        "intensity.prf.variance",
    ),
    C(
        "profile_weights",
        "float64",
        "",
        "intensity_prf is sum w (photons - background): sums of w, of w^2, and of w^2 times the "
        "fraction of the intensity in a pixel",
        None,
        ("w", "w2", "w2p"),
    ),
    C(
        "profile_error",
        "float64",
        "",
        "relative error of intensity_prf by the difference of profiles from the one fitted",
    ),
)
for _sign in ("plus", "minus"):
    COLUMNS |= _column_table(
        C(f"intensity_{_sign}", "float64", "", f"merged intensity of the Friedel mates: {_sign}"),
        C(f"sigma_{_sign}", "float64", "", f"standard deviation of intensity_{_sign}"),
        C(f"n_{_sign}", "int32", "", f"observations merged into intensity_{_sign}"),
        C(f"amplitude_{_sign}", "float64", "", f"amplitude of intensity_{_sign}"),
        C(f"amplitude_sigma_{_sign}", "float64", "", f"error of amplitude_{_sign}"),
    )
COLUMNS |= _column_table(
    C("amplitude", "float64", "", "structure factor amplitude of a merged intensity"),
    C("amplitude_sigma", "float64", "", "standard deviation of amplitude"),
    C("dano", "float64", "", "amplitude_plus - amplitude_minus"),
    C("dano_sigma", "float64", "", "standard deviation of dano"),
)
for _half in ("half1", "half2"):
    COLUMNS |= _column_table(
        C(f"intensity_{_half}", "float64", "", f"merged intensity of random {_half}"),
        C(f"sigma_{_half}", "float64", "", f"standard deviation of intensity_{_half}"),
        C(f"n_{_half}", "int32", "", f"observations merged into intensity_{_half}"),
    )


class Flag:
    """Bits of the column `flags`; the values are DIALS's."""

    PREDICTED = 1 << 0
    OBSERVED = 1 << 1
    INDEXED = 1 << 2
    USED_IN_REFINEMENT = 1 << 3
    STRONG = 1 << 5
    INTEGRATED_SUM = 1 << 8
    INTEGRATED_PRF = 1 << 9
    INTEGRATED = INTEGRATED_SUM | INTEGRATED_PRF
    OVERLOADED = 1 << 10
    OVERLAPPED_BG = 1 << 11
    OVERLAPPED_FG = 1 << 12
    IN_POWDER_RING = 1 << 13
    FOREGROUND_INCLUDES_BAD_PIXELS = 1 << 14
    BACKGROUND_INCLUDES_BAD_PIXELS = 1 << 15
    CENTROID_OUTLIER = 1 << 17
    FAILED_DURING_BACKGROUND_MODELLING = 1 << 18
    FAILED_DURING_SUMMATION = 1 << 19
    FAILED_DURING_PROFILE_FITTING = 1 << 20
    BAD_REFERENCE = 1 << 21
    USER_EXCLUDED_IN_SCALING = 1 << 22
    OUTLIER_IN_SCALING = 1 << 23
    EXCLUDED_FOR_SCALING = 1 << 24
    BAD_FOR_SCALING = USER_EXCLUDED_IN_SCALING | OUTLIER_IN_SCALING | EXCLUDED_FOR_SCALING
    SCALED = 1 << 25


def n_rows(table: Reflections) -> int:
    """Return the number of reflections."""
    return len(next(iter(table.values()))) if table else 0


def select(table: Reflections, rows: NDArray[Any]) -> Reflections:
    """Return the rows given by a mask (n,) bool or by indices (m,)."""
    return {name: values[rows] for name, values in table.items()}


def concatenate(tables: Sequence[Reflections]) -> Reflections:
    """Return the tables concatenated; their columns must agree."""
    filled = [t for t in tables if t]
    if not filled:
        return {}
    names = set(filled[0])
    for t in filled[1:]:
        if set(t) != names:
            raise SchemaError(
                f"tables differ in columns {sorted(names ^ set(t))}; give all the same ones"
            )
    return {name: np.concatenate([t[name] for t in filled]) for name in filled[0]}


def empty(names: Sequence[str]) -> Reflections:
    """Return a table of no rows with these columns."""
    return {n: np.empty((0, *_row_shape(COLUMNS[n])), dtype=COLUMNS[n].dtype) for n in names}


def has_flag(table: Reflections, bits: int) -> NDArray[np.bool_]:
    """Return True (n,) for reflections with any of these bits of `Flag`."""
    return np.asarray((table["flags"] & np.uint32(bits)) != 0)


def rows_of_images(
    table: Reflections, experiment: NDArray[Any], image: NDArray[Any]
) -> NDArray[np.int64]:
    """Return the row (n,) of each reflection's image in a list of images, -1 for none.

    table : columns experiment and z. experiment, image : (m,) of the images, each once, in any
    order; an image is the integer part of z.
    """
    known = image_keys(experiment, image)
    wanted = image_keys(table["experiment"], np.floor(table["z"]))
    if len(known) == 0:
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    row = order[place]
    return np.where(known[row] == wanted, row, -1)


def image_keys(experiment: NDArray[Any], image: NDArray[Any]) -> NDArray[np.int64]:
    """Return a key (n,) for images of runs, unique and in their order."""
    return (experiment.astype(np.int64) << 32) + image.astype(np.int64)


def check(table: Reflections, needed: Sequence[str] = ()) -> Reflections:
    """Return the table after checking names, dtypes, shapes and lengths against `COLUMNS`.

    Raises
    ------
    SchemaError
        A column is missing, unknown, of another dtype or shape, or of another length.
    """
    missing = [n for n in needed if n not in table]
    if missing:
        raise SchemaError(
            f"table of reflections lacks {', '.join(missing)}; has {', '.join(sorted(table))}"
        )
    rows = n_rows(table)
    for name, values in table.items():
        spec = COLUMNS.get(name)
        if spec is None:
            raise SchemaError(f"unknown column {name!r}: add it to dxdask/columns.py or drop it")
        if values.dtype != np.dtype(spec.dtype) or values.shape != (rows, *_row_shape(spec)):
            raise SchemaError(
                f"column {name!r} is {values.dtype} {values.shape}, "
                f"should be {spec.dtype} {(rows, *_row_shape(spec))}"
            )
    return table


def _row_shape(spec: Column) -> tuple[int, ...]:
    return (len(spec.parts),) if spec.parts else ()


def rows_by_panel(reflections: Reflections) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Yield (experiment, panel, their rows in ascending order) by experiment, then panel."""
    experiment, panel = reflections["experiment"], reflections["panel"]
    order = np.lexsort((panel, experiment))
    if not len(order):
        return
    e, p = experiment[order], panel[order]
    ends = np.flatnonzero((np.diff(e) != 0) | (np.diff(p) != 0)) + 1
    for rows in np.split(order, ends):
        yield int(experiment[rows[0]]), int(panel[rows[0]]), rows
