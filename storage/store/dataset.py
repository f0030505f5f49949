"""Reflections of a step as a lazy `xarray.Dataset`, with decoded flags, and as a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dxdask.columns import COLUMNS, Flag
from dxdask.errors import SchemaError
from dxdask.storage.exporters.csv import to_frame
from dxdask.storage.store import read, results, schema
from dxdask.storage.store.manifest import Manifest

FLAGS = {name.lower(): bits for name, bits in vars(Flag).items() if isinstance(bits, int)}
"""Names and bits of `dxdask.columns.Flag`."""

_IMAGE_OF = ("z", "z_cal")
"""Columns with the image of a reflection; the first one that a step has is taken."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows of one folder; `first_experiment` is that of the folder's run in the whole list."""

    folder: str
    version: str
    run: str
    first: int
    last: int
    first_experiment: int


def reflections(path: Path, names: Sequence[str] | None, run: str | None) -> xr.Dataset:
    """Return columns of a step's folder along `reflection`, all rows or those of one run.

    Values are read when they are computed, block by block: a run, or a million rows of it.

    Raises
    ------
    SchemaError
        A column is not there.
    StoreNotFoundError
        There is no such run.
    """
    manifest = read.manifest(path)
    columns = results.stored_columns(path, manifest, names)
    if run is not None and not manifest.runs:
        return _in_memory(path, manifest, columns, run)
    blocks = _blocks(path, manifest, run)
    data: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for name in columns:
        dims = schema.column_dims(name)
        data[name] = (dims, _column(blocks, name), _attributes(name))
        if len(dims) > 1:
            coords[dims[1]] = (dims[1], list(COLUMNS[name].parts))
    if blocks and all(block.run for block in blocks):
        width = max(len(block.run) for block in blocks)
        names_of_rows = _lazy(_run_names, blocks, f"<U{width}", (), "run")
        coords["run"] = ("reflection", names_of_rows, {"doc": "name of the run"})
    for name in _IMAGE_OF:
        if name in manifest.columns:
            number = _lazy(_image_numbers, blocks, "int32", (), name)
            coords["image"] = ("reflection", number, {"doc": f"number of the image, from {name}"})
            break
    return xr.Dataset(data, coords, {"step": manifest.step, "branch": manifest.branch})


def _in_memory(path: Path, manifest: Manifest, names: list[str], run: str) -> xr.Dataset:
    """Return the rows of a run of a result whose rows do not lie by run."""
    data, coords = {}, {}
    for name, values in results.columns(path, names, run).items():
        dims = schema.column_dims(name)
        data[name] = (dims, values, _attributes(name))
        if len(dims) > 1:
            coords[dims[1]] = (dims[1], list(COLUMNS[name].parts))
    return xr.Dataset(data, coords, {"step": manifest.step, "branch": manifest.branch})


def _attributes(name: str) -> dict[str, Any]:
    """Return the attributes of a column; those of flags follow the CF conventions."""
    found = schema.column_attributes(name)
    if name == "flags":
        found["flag_masks"] = np.array(list(FLAGS.values()), np.uint32)
        found["flag_meanings"] = " ".join(FLAGS)
    return found


def _blocks(path: Path, manifest: Manifest, run: str | None) -> list[_Block]:
    blocks = []
    for folder, n_rows, first_experiment in results.parts(path, manifest, run):
        name = "" if folder == path else folder.name
        version = manifest.runs[name].id if name else manifest.id
        size = schema.ROWS_PER_CHUNK
        for first in range(0, n_rows, size):
            last = min(n_rows, first + size)
            blocks.append(_Block(str(folder), version, name, first, last, first_experiment))
    return blocks


def _column(blocks: list[_Block], name: str) -> da.Array:
    spec = COLUMNS[name]
    return _lazy(_read, blocks, spec.dtype, (len(spec.parts),) if spec.parts else (), name)


def _lazy(
    function: Any, blocks: list[_Block], dtype: str, parts: tuple[int, ...], name: str
) -> da.Array:
    """Return the array that `function` makes of each block, one below the other."""
    if not blocks:
        nothing: da.Array = da.zeros((0, *parts), dtype=dtype)
        return nothing
    sizes = tuple(block.last - block.first for block in blocks)
    lazy: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
        function,
        blocks=tuple(blocks),
        name_of_column=name,
        chunks=(sizes, *((n,) for n in parts)),
        dtype=np.dtype(dtype),
        meta=np.empty((0,) * (1 + len(parts)), dtype),
    )
    return lazy


def _read(
    blocks: tuple[_Block, ...], name_of_column: str, block_id: tuple[int, ...]
) -> NDArray[Any]:
    """Return the rows of a block, if they are those that there were when it was made lazy."""
    block = blocks[block_id[0]]
    folder = Path(block.folder)
    if read.attributes(folder).get("id") != block.version:
        raise SchemaError(
            f"{folder} has been replaced since these reflections were opened; open them again"
        )
    values = read.column(folder, name_of_column, slice(block.first, block.last))
    if name_of_column == "experiment" and block.first_experiment:
        values[values >= 0] += np.int32(block.first_experiment)
    return values


def _run_names(
    blocks: tuple[_Block, ...], name_of_column: str, block_id: tuple[int, ...]
) -> NDArray[np.str_]:
    block = blocks[block_id[0]]
    width = max(len(b.run) for b in blocks)
    return np.full(block.last - block.first, block.run, f"<U{width}")


def _image_numbers(
    blocks: tuple[_Block, ...], name_of_column: str, block_id: tuple[int, ...]
) -> NDArray[np.int32]:
    """Return the number of the image in which each centroid lies; z counts images from 0."""
    z = _read(blocks, name_of_column, block_id)
    return np.asarray(np.floor(z), np.int32) + np.int32(1)


def flags(data: xr.Dataset) -> xr.Dataset:
    """Return the variable `flags` of reflections decoded: a boolean variable for each flag.

    Those of several bits (`integrated`: by summation or by profile) are true where any is set.

    >>> indexed = flags(store.reflections("indexed"))["indexed"]  # doctest: +SKIP
    """
    values = data["flags"]
    decoded = {name: (values & np.uint32(bits)) != 0 for name, bits in FLAGS.items()}
    return xr.Dataset(decoded)


def dataframe(data: xr.Dataset) -> pd.DataFrame:
    """Return reflections as a pandas data frame: one row each, and a column for each part.

    Parts of `hkl` are h, k and l; those of others are COLUMN_PART, such as s1_x.
    """
    frame: pd.DataFrame = to_frame(
        {str(name): values.to_numpy() for name, values in data.data_vars.items()}
    )
    named = [name for name in ("run", "image") if name in data.coords]
    for place, name in enumerate(named):
        frame.insert(place, name, data[name].to_numpy())
    return frame
