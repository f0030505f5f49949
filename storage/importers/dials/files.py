"""Experiment lists and reflection tables as DIALS writes them (`.expt`, `.refl`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import COLUMNS, Reflections, check
from dxdask.errors import FormatError
from dxdask.models import ExperimentList, Member
from dxdask.storage.importers.dials.models import (
    beam_from_dials,
    crystal_from_dials,
    detector_from_dials,
    goniometer_from_dials,
    profile_from_dials,
    scan_from_dials,
)

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


def read_experiments(path: str | Path) -> ExperimentList:
    """Return the models of a DIALS experiment list (`.expt`), of any version since 1.0.

    Experiments of one imageset are one run, named after its file; models shared stay shared.

    Raises
    ------
    FormatError
        Not JSON, not an experiment list, or a model is of an unknown kind.
    """
    try:
        values = json.loads(Path(path).read_text())
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON ({error}); give a .expt file of DIALS") from error
    if not isinstance(values, dict) or values.get("__id__") != "ExperimentList":
        raise FormatError(
            f"{path} is not an experiment list of DIALS: it has no ExperimentList mark"
        )
    try:
        return _experiments(values)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (
        KeyError, TypeError, ValueError, IndexError, RecursionError, np.linalg.LinAlgError,
    ) as error:  # fmt: skip
        raise FormatError(
            f"{path}: a model in it is incomplete or ill-formed ({type(error).__name__}: {error}); "
            "write the file again with DIALS"
        ) from error


def _experiments(values: Mapping[str, Any]) -> ExperimentList:
    experiments = values["experiment"]
    goniometers, to_goniometer = _present(values.get("goniometer", ()), goniometer_from_dials)
    scans, to_scan = _present(values.get("scan", ()), scan_from_dials)
    names = _run_names([_template(s) for s in values.get("imageset", ())])
    profiles = [profile_from_dials(p) for p in values.get("profile", ())]
    members = tuple(
        Member(
            identifier=e.get("identifier") or str(i),
            run=names[e["imageset"]] if "imageset" in e else f"run{i + 1}",
            beam=e["beam"],
            detector=e["detector"],
            goniometer=to_goniometer.get(e.get("goniometer")),
            scan=to_scan.get(e.get("scan")),
            crystal=e.get("crystal"),
            profile=profiles[e["profile"]] if "profile" in e else None,
        )
        for i, e in enumerate(experiments)
    )
    return ExperimentList(
        beams=tuple(beam_from_dials(b) for b in values["beam"]),
        detectors=tuple(detector_from_dials(d) for d in values["detector"]),
        goniometers=goniometers,
        scans=scans,
        crystals=tuple(crystal_from_dials(c) for c in values.get("crystal", ())),
        members=members,
    )


def _present(
    given: list[Any], convert: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[Any, int]]:
    """Return the models that are not null, and the index of each of the file's among them."""
    models: list[Any] = []
    places: dict[Any, int] = {}
    for i, values in enumerate(given):
        model = convert(values)
        if model is not None:
            places[i] = len(models)
            models.append(model)
    return tuple(models), places


def _template(imageset: Mapping[str, Any]) -> str:
    images = imageset.get("images") or [""]
    return str(imageset.get("template") or images[0])


def _run_names(templates: list[str]) -> list[str]:
    """Return a unique name for each run: the file's stem without its number."""
    names: list[str] = []
    for i, template in enumerate(templates):
        path = Path(template)
        stem = re.sub(r"[_.-]*#+$", "", re.sub(r"\.(gz|bz2)$", "", path.name).rsplit(".", 1)[0])
        name = stem or path.parent.name or f"run{i + 1}"
        names.append(name if name not in names else f"{name}_{i + 1}")
    return names


def read_reflections(path: str | Path, experiments: ExperimentList | None = None) -> Reflections:
    """Return the table of a DIALS `.refl` file (msgpack), with the columns that dxdask knows.

    Where `experiments` is given, ids are matched to its members by the identifiers in the file.

    Raises
    ------
    FormatError
        Truncated, not a reflection table, or a column's bytes do not fit its type and rows.
    """
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
        name: _unpacked(path, name, column, rows)
        for name, column in data.items()
        if name in _DIALS_NAMES
    }
    table = from_dials_columns(columns)
    if experiments is not None and identifiers and "experiment" in table:
        table["experiment"] = _matched(path, table["experiment"], identifiers, experiments)
    return table


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


def read_npz(path: str | Path) -> Reflections:
    """Return the table of an `.npz` file whose arrays are named as DIALS names its columns.

    Raises
    ------
    FormatError
        Not an .npz file of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            columns = {n: archive[n] for n in archive.files if n in _DIALS_NAMES}
    except (ValueError, OSError, KeyError, MemoryError) as error:
        raise FormatError(f"{path} is not an .npz file of plain arrays ({error})") from error
    return from_dials_columns(columns)


def from_dials_columns(columns: Mapping[str, NDArray[Any]]) -> Reflections:
    """Return the table for columns named as in DIALS; those unknown to dxdask are dropped.

    `intensity.scale.value`, which is still to be divided by the scale, becomes the scaled one.
    """
    table: Reflections = {}
    for name, spec in COLUMNS.items():
        if spec.dials is None:
            continue
        source, _, part = spec.dials.partition("/")
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
_DIALS_NAMES = frozenset(c.dials.partition("/")[0] for c in COLUMNS.values() if c.dials)
