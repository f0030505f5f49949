"""Tables of reflections as DIALS writes them (`.refl`), and with its names in `.npz` files."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import COLUMNS, Reflections, check
from dxdask.errors import FormatError
from dxdask.models import ExperimentList
from dxdask.storage.importers.dials.parallax import mm_from_dials

MARK = b"dials::af::reflection_table"
"""Stands near the beginning of a `.refl` file."""

# DIALS's name for the type of a column -> (dtype in the file, numbers a row).
_TYPES: Mapping[str, tuple[str, int]] = {
    "bool": ("<?", 1),
    "int": ("<i4", 1),
    "std::size_t": ("<u8", 1),
    "double": ("<f8", 1),
    "vec2<double>": ("<f8", 2),
    "vec3<double>": ("<f8", 3),
    "mat3<double>": ("<f8", 9),
    "int6": ("<i4", 6),
    "cctbx::miller::index<>": ("<i4", 3),
}

_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {"qe": ("dqe",)}
"""Names of columns in older versions of DIALS."""
_DEFLATE_RATIO = 1100  # no stream of deflate grows more


@dataclass(frozen=True, kw_only=True)
class DialsTable:
    """A table of reflections of DIALS.

    Attributes
    ----------
    columns : those of which dxdask knows the name, as in the file.
    names : of all columns.
    identifiers : of experiments, by the numbers in the column `id`.
    rows : number of reflections.
    shoeboxes : the column of these, as in the file; None where there is none.
    """

    columns: Mapping[str, NDArray[Any]]
    names: frozenset[str]
    identifiers: Mapping[int, str]
    rows: int
    shoeboxes: bytes | None = None


def read_reflections(path: str | Path, experiments: ExperimentList | None = None) -> Reflections:
    """Return the table of a DIALS `.refl` file (msgpack), with the columns that dxdask knows.

    Where `experiments` is given, ids are matched to its members by the identifiers in the file, and
    positions in mm are on its panels, whatever their law of parallax.

    Raises
    ------
    FormatError
        Truncated, not a reflection table, or a column's bytes do not fit its type and rows.
    """
    table = read_table(path)
    found = from_dials_columns(table.columns)
    if experiments is not None and table.identifiers and "experiment" in found:
        found["experiment"] = _matched(path, found["experiment"], table.identifiers, experiments)
    if experiments is not None and "experiment" in found:
        of = [experiments.detectors[m.detector] for m in experiments.members]
        found = mm_from_dials(found, of)
    return found


def read_table(path: str | Path) -> DialsTable:
    """Return the table of a `.refl` file, or of an `.npz` file with DIALS's names.

    Raises
    ------
    FormatError
        As `read_reflections`.
    """
    if Path(path).suffix == ".npz":
        return _npz(path)
    raw = Path(path).read_bytes()
    limit = len(raw)
    try:
        packed = _unpack(
            raw,
            strict_map_key=False,
            max_bin_len=limit,
            max_str_len=limit,
            max_array_len=limit,
            max_map_len=1 << 20,
            max_ext_len=0,
        )
        mark, version, content = packed
        rows, data = int(content["nrows"]), dict(content["data"])
        identifiers = {int(k): str(v) for k, v in (content.get("identifiers") or {}).items()}
    except (ValueError, TypeError, KeyError, AttributeError, msgpack.UnpackException) as error:
        raise FormatError(
            f"{path} is truncated or not a .refl file of DIALS ({type(error).__name__}: {error})"
        ) from error
    if mark != "dials::af::reflection_table" or version != 1:
        raise FormatError(f"{path}: {mark!r} version {version!r} is not known; version 1 is read")
    columns = {
        name: _unpacked(path, name, column, rows) for name, column in data.items() if name in _KNOWN
    }
    _check_shapes(path, columns, rows)
    names = frozenset(map(str, data))
    return DialsTable(
        columns=columns,
        names=names,
        identifiers=identifiers,
        rows=rows,
        shoeboxes=_shoeboxes(data.get("shoebox"), rows),
    )


def _shoeboxes(column: Any, rows: int) -> bytes | None:
    """Return the bytes of the column of shoeboxes, None where it is absent or of another kind."""
    match column:
        case ["Shoebox<>", [int(count), bytes(raw)]] if count == rows:
            return raw
    return None


def _unpacked(path: str | Path, name: str, column: Any, rows: int) -> NDArray[Any]:
    try:
        kind, (count, raw) = column
        dtype, parts = _TYPES[kind]
    except (TypeError, ValueError, KeyError) as error:
        raise FormatError(f"{path}: column {name!r} is of an unknown type ({error})") from error
    size = np.dtype(dtype).itemsize * parts * rows
    if count != rows or len(raw) != size:
        raise FormatError(
            f"{path}: column {name!r} has {count} rows in {len(raw)} bytes; "
            f"the table has {rows} rows and {kind} needs {size} bytes"
        )
    values = np.frombuffer(raw, dtype=dtype)
    return values.reshape(rows, parts) if parts > 1 else values


def _check_shapes(path: str | Path, columns: Mapping[str, NDArray[Any]], rows: int) -> None:
    for name, values in columns.items():
        width = _KNOWN[name]
        shape = (rows, width) if width > 1 else (rows,)
        if values.shape != shape or values.dtype.kind not in "biuf":
            raise FormatError(
                f"{path}: column {name!r} is {values.dtype} {values.shape}; the table has {rows} "
                f"rows and DIALS {width} number(s) in each"
            )


def read_npz(path: str | Path) -> Reflections:
    """Return the table of an `.npz` file whose arrays are named as DIALS names its columns.

    Raises
    ------
    FormatError
        Not an .npz file of plain arrays, or one that does not fit its column.
    """
    return from_dials_columns(_npz(path).columns)


def _npz(path: str | Path) -> DialsTable:
    try:
        with zipfile.ZipFile(path) as packed:
            for info in packed.infolist():
                if info.file_size > _DEFLATE_RATIO * info.compress_size + 1:
                    raise ValueError(f"{info.filename} cannot be as large as it says")
                _check_size(packed, info)
        with np.load(path, allow_pickle=False) as archive:
            names = frozenset(archive.files)
            columns = {n: archive[n] for n in archive.files if n in _KNOWN}
    except (
        ValueError, OSError, KeyError, EOFError, MemoryError, NotImplementedError, RuntimeError,
        SyntaxError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise FormatError(f"{path} is not an .npz file of plain arrays ({error})") from error
    rows = len(next(iter(columns.values()), np.empty(0)))
    _check_shapes(path, columns, rows)
    return DialsTable(columns=columns, names=names, identifiers={}, rows=rows)


def _check_size(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Check that an array is as large as its header says, before it is allocated."""
    with packed.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or stream.tell() + size != info.file_size:
            raise ValueError(f"{info.filename} is not of the size in its header")


def from_dials_columns(columns: Mapping[str, NDArray[Any]]) -> Reflections:
    """Return the table for columns named as in DIALS; those unknown to dxdask are dropped.

    `intensity.scale.value`, which is still to be divided by the scale, becomes the scaled one.
    """
    table: Reflections = {}
    for name, spec in COLUMNS.items():
        if spec.dials is None:
            continue
        source, _, part = spec.dials.partition("/")
        source = next((n for n in (source, *_OTHER_NAMES.get(source, ())) if n in columns), source)
        if source in columns:
            values = columns[source][:, int(part)] if part else columns[source]
            table[name] = np.ascontiguousarray(values, dtype=spec.dtype)
    if {"scale", "intensity", "intensity_variance"} <= table.keys():
        scale = table["scale"]
        with np.errstate(divide="ignore", invalid="ignore"):
            table["intensity"] = table["intensity"] / scale
            table["intensity_variance"] = table["intensity_variance"] / scale**2
    return check(table)


def _matched(
    path: str | Path, ids: NDArray[Any], identifiers: Mapping[int, str], experiments: ExperimentList
) -> NDArray[np.int32]:
    """Return ids (n,) int32 that count the members; -1, no experiment, stays."""
    places = {m.identifier: i for i, m in enumerate(experiments.members)}
    out = np.full(ids.shape, -1, dtype=np.int32)
    for number, identifier in identifiers.items():
        if identifier not in places:
            raise FormatError(
                f"{path}: experiment {number} is {identifier!r}, which the experiments given lack; "
                "give the .expt file that goes with it"
            )
        out[ids == number] = places[identifier]
    return out


# msgpack defines its functions at run time, invisible to a type checker.
_unpack: Callable[..., Any] = msgpack.unpackb  # type: ignore[attr-defined,unused-ignore]


def _widths() -> dict[str, int]:
    """Return the numbers in a row of each of DIALS's columns that are read."""
    found = {"imageset_id": 1}
    for column in COLUMNS.values():
        source, _, part = (column.dials or "").partition("/")
        if source:
            found[source] = 3 if part else len(column.parts) or 1
            found |= dict.fromkeys(_OTHER_NAMES.get(source, ()), found[source])
    return found


_KNOWN = _widths()
