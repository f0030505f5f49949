"""Reading groups and arrays of a store, each checked before anything is allocated or believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import zarr
from numpy.typing import NDArray

from dxdask.columns import COLUMNS
from dxdask.errors import SchemaError, StoreNotFoundError
from dxdask.storage.store import array_checks, layout, schema
from dxdask.storage.store.documents import decode

T = TypeVar("T")


def metadata(path: Path) -> dict[str, Any]:
    """Return the zarr v3 metadata of the group or array in the folder `path`.

    Raises
    ------
    StoreNotFoundError
        There is none.
    SchemaError
        It is damaged, or of another zarr version.
    """
    file = path / layout.METADATA
    try:
        content = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreNotFoundError(f"no zarr group or array at {path}; check the path") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SchemaError(f"{file} cannot be read: {error}; restore it or import again") from error
    if not isinstance(content, dict) or content.get("zarr_format") != 3:
        raise SchemaError(f"{file} is not zarr v3 metadata; restore it or import again")
    return content


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a group or array, decoded."""
    found = decode(metadata(path).get("attributes", {}))
    return found if isinstance(found, dict) else {}


def shown_tables(step: Path) -> list[dict[str, Any]]:
    """Return the tables that a step, whose folder this is, showed; not those kept as data only."""
    return [t for t in attributes(step / layout.REPORT)["tables"] if t["printed"]]


def open_store(path: Path) -> dict[str, Any]:
    """Return the attributes of the store in `path`, after checking format and version."""
    if not path.exists():
        raise StoreNotFoundError(
            f"no store at {path}; check the path, or make one with: dxdask import"
        )
    if not (path / layout.METADATA).is_file():
        raise SchemaError(
            f"{path} is no dxdask store (it has no zarr.json); make one with: dxdask import"
        )
    found = attributes(path)
    schema.check_store(found, path)
    return found


def complete_step(root: Path, name: str) -> Path | None:
    """Return the folder of a step's committed result, or None.

    Where a writer died between moving the old version away and the new one in, that is the old one.
    """
    group = layout.step_group(name)
    for path in (root / group, layout.replaced_path(root, group)):
        if (path / layout.METADATA).is_file() and attributes(path).get("complete") is True:
            return path
    return None


def require_step(root: Path, name: str) -> Path:
    """Return the folder of a step's result.

    Raises
    ------
    StoreNotFoundError
        The step has not been run, or did not end.
    """
    path = complete_step(root, name)
    if path is None:
        step = layout.step_of(name)
        raise StoreNotFoundError(f"{root} has no result of {step}; run: dxdask {step} {root}")
    return path


def steady(root: Path, name: str, read: Callable[[Path], T]) -> T:
    """Return what `read` makes of a step's folder, again where a writer replaced it meanwhile."""
    for _ in range(4):
        path = require_step(root, name)
        before = attributes(path).get("id")
        try:
            found = read(path)
        except (SchemaError, StoreNotFoundError):
            if attributes(require_step(root, name)).get("id") == before:
                raise
            continue
        if attributes(require_step(root, name)).get("id") == before:
            return found
    raise SchemaError(
        f"{name} in {root} is being replaced again and again; read it when that is over"
    )


def column(path: Path, name: str, rows: slice = slice(None)) -> NDArray[Any]:
    """Return the rows of one column of a step's folder.

    Raises
    ------
    SchemaError
        It is missing, damaged, or not as `dxdask.columns` has it.
    """
    spec = COLUMNS.get(name)
    if spec is None:
        raise SchemaError(
            f"{path} lists a column {name!r} that this dxdask does not know: upgrade dxdask"
        )
    values = array(path / name, f"column {name!r}", rows)
    parts = (len(spec.parts),) if spec.parts else ()
    if values.dtype != np.dtype(spec.dtype) or values.shape[1:] != parts or values.ndim < 1:
        raise SchemaError(
            f"column {name!r} of {path} is {values.dtype} {values.shape[1:]}, "
            f"should be {spec.dtype} {parts}; run {layout.step_of(path.name)} again"
        )
    return values


def array(path: Path, what: str, rows: slice = slice(None)) -> NDArray[Any]:
    """Return an array (the given rows of it), after checking type, codecs, size and files.

    Raises
    ------
    SchemaError
        It is missing or damaged.
    MemoryBudgetError
        It is larger than the memory that is free.
    """
    try:
        array_checks.check_codecs(metadata(path), path)
        found = zarr.open_array(path, mode="r")
        schema.check_numeric(path.name, found.dtype)
        array_checks.check_files(found, path, what)
        wanted = range(found.shape[0])[rows] if found.ndim else range(1)
        part = len(wanted) / max(1, found.shape[0]) if found.ndim else 1.0
        array_checks.check_memory(int(found.nbytes * part), what, path)
        array_checks.check_chunks(found, path, what, wanted)
        return np.asarray(found[rows] if found.ndim else found[()])
    except StoreNotFoundError as error:
        raise SchemaError(f"{what} is missing at {path}; run the step again") from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError(f"{what} at {path} is damaged ({error}); run the step again") from error
