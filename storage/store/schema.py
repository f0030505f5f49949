"""Schema of the groups of a store: columns, dims, units; checks on writing and opening."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dxdask import columns
from dxdask.columns import COLUMNS
from dxdask.errors import SchemaError
from dxdask.results import StepResult
from dxdask.storage.store import layout

ROWS_PER_CHUNK = 1 << 20
CHUNK_BYTES = 1 << 24
NUMERIC_KINDS = (
    "biufc"  # no objects, no text, no structures: nothing that needs more than a copy to read
)


@dataclass(frozen=True, slots=True)
class ImageColumn:
    """Unit and meaning of an array with a value for each image."""

    unit: str
    doc: str


IMAGE_COLUMNS = {
    "angle": ImageColumn("deg", "rotation angle at the start of the image"),
    "exposure": ImageColumn("s", "exposure time"),
    "wavelength": ImageColumn("Angstrom", "wavelength of the image"),
    "timestamp": ImageColumn("s", "time of the image"),
    "event_id": ImageColumn("", "number that the facility gave the event"),
    "place_in_files": ImageColumn("", "index in its files, of which only some were imported"),
    "transmission": ImageColumn("", "fraction of the beam let through by the attenuators"),
}


def column_dims(name: str) -> tuple[str, ...]:
    """Return the dimension names of a column: (reflection,) or (reflection, NAME_part)."""
    return ("reflection", f"{name}_part") if COLUMNS[name].parts else ("reflection",)


def column_attributes(name: str) -> dict[str, Any]:
    """Return the attributes of a column: unit, meaning, names of parts, DIALS's name."""
    spec = COLUMNS[name]
    found: dict[str, Any] = {"units": spec.unit, "doc": spec.doc}
    if spec.parts:
        found["parts"] = list(spec.parts)
    if spec.dials:
        found["dials"] = spec.dials
    return found


def chunk_shape(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return chunks of at most `ROWS_PER_CHUNK` rows and `CHUNK_BYTES` bytes uncompressed."""
    chunks = []
    for axis, n in enumerate(shape):
        rest = math.prod(max(1, m) for m in shape[axis + 1 :]) * itemsize
        most = max(1, CHUNK_BYTES // rest)
        chunks.append(max(1, min(n, most, ROWS_PER_CHUNK if axis == 0 else n)))
    return tuple(chunks)


def check_numeric(name: str, dtype: np.dtype[Any]) -> None:
    """Refuse an array that a store does not hold.

    Raises
    ------
    SchemaError
        Its items are objects, text or structures.
    """
    if dtype.kind not in NUMERIC_KINDS or dtype.itemsize > 16:
        raise SchemaError(
            f"array {name!r} is of dtype {dtype}: a store holds numbers and truth values only"
        )


def check_result(result: StepResult) -> None:
    """Check a step's result against what a store holds.

    Raises
    ------
    SchemaError
        A column is not as `dxdask.columns` has it or names an experiment that is not there, or an
        array is not numeric.
    """
    columns.check(result.reflections)
    experiment = result.reflections.get("experiment")
    if experiment is not None and len(experiment) and experiment.max() >= len(result.experiments):
        raise SchemaError(
            f"column 'experiment' goes up to {experiment.max()}, "
            f"but there are {len(result.experiments)} experiments: "
            "give the models with the reflections"
        )
    for name, values in result.arrays.items():
        layout.safe_name(name, "an array")
        check_numeric(name, values.dtype)


def check_store(attributes: Mapping[str, Any], path: Path) -> None:
    """Check that the attributes at the root are those of a store this version reads.

    Raises
    ------
    SchemaError
        Of another format, or of another version.
    """
    if attributes.get("format") != layout.FORMAT:
        raise SchemaError(
            f"{path} is a zarr hierarchy but no dxdask store; make one with: dxdask import"
        )
    version = attributes.get("version")
    if not isinstance(version, int) or version < 1:
        raise SchemaError(
            f"{path} has the store version {version!r}, which never was; import again"
        )
    if version < layout.VERSION:
        raise SchemaError(
            f"{path} has store version {version}, this dxdask reads {layout.VERSION}: "
            "import its files again into a new store, with: dxdask import FILES -o NEW.zarr"
        )
    if version > layout.VERSION:
        raise SchemaError(
            f"{path} has store version {version}, this dxdask reads {layout.VERSION}: "
            "upgrade dxdask"
        )
