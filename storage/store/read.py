"""Reading groups and arrays of a store, each checked before anything is allocated or used."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import COLUMNS
from dxdask.errors import SchemaError, StoreNotFoundError
from dxdask.models import ExperimentList
from dxdask.storage.store import array_checks, layout, schema
from dxdask.storage.store.documents import NUMBER, decode
from dxdask.storage.store.manifest import Manifest
from dxdask.storage.store.remedies import remedy
from dxdask.storage.store.stored_array import StoredArray

T = TypeVar("T")
_KEPT_BYTES = 1 << 24  # of a file of models; larger ones are read again rather than held


def _identity(path: Path) -> tuple[str, int, int, int]:
    """Return the identity of the metadata file in the folder `path`, which is replaced by renaming.

    Raises
    ------
    StoreNotFoundError
        There are none.
    """
    try:
        found = (path / layout.METADATA).stat()
    except OSError as error:
        raise StoreNotFoundError(_absent(path)) from error
    return str(path), found.st_ino, found.st_mtime_ns, found.st_size


def _absent(path: Path) -> str:
    return f"no zarr group or array at {path}; {remedy(path, elsewhere='check the path')}"


@lru_cache(maxsize=32)
def _manifest(path: str, _inode: int, _changed: int, _size: int) -> Manifest | None:
    """Return a manifest, None where the step is not complete; one of many runs is long to read."""
    found = attributes(Path(path))
    return Manifest.from_dict(found, path) if found.get("complete") is True else None


def _experiments(path: str, _inode: int, _changed: int, _size: int) -> ExperimentList:
    return ExperimentList.from_dict(attributes(Path(path))["experiments"])


# a step reads the models of its input several times over
_small_experiments = lru_cache(maxsize=4)(_experiments)


def metadata(path: Path) -> dict[str, Any]:
    """Return the zarr v3 metadata of the group or array in the folder `path`.

    Raises
    ------
    StoreNotFoundError
        There is none.
    SchemaError
        It is damaged, or of another zarr version.
    """
    return _content(path)[0]


def _content(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return what `metadata` returns, and the bytes of the file."""
    file = path / layout.METADATA
    try:
        text = file.read_bytes()
        content = json.loads(text)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreNotFoundError(_absent(path)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise SchemaError(f"{file} cannot be read: {error}; {remedy(file, delete=True)}") from error
    if not isinstance(content, dict) or content.get("zarr_format") != 3:
        raise SchemaError(f"{file} is not zarr v3 metadata; {remedy(file, delete=True)}")
    return content, text


def attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of a group or array, decoded."""
    content, text = _content(path)
    found = content.get("attributes", {})
    # most have no number that JSON has not, and decoding goes through all values
    found = decode(found) if NUMBER.encode() in text else found
    return found if isinstance(found, dict) else {}


def shown_tables(step: Path) -> list[dict[str, Any]]:
    """Return the tables that a step, whose folder this is, showed; not those kept as data only."""
    return [t for t in report(step)["tables"] if t["printed"]]


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


def own_step(root: Path, name: str, branch: str) -> Path | None:
    """Return the folder of the committed result of a step that a branch made itself, or None.

    Where a writer died between moving the old version away and the new one in, that is the old one.
    """
    target = layout.step_path(root, branch, name)
    # again the first: a writer may have put the new one there since
    for path in (target, layout.replaced_path(root, branch, name), target):
        try:
            if _manifest(*_identity(path)) is not None:
                return path
        except StoreNotFoundError:
            continue
    return None


def complete_step(root: Path, name: str, branch: str = layout.MAIN) -> Path | None:
    """Return the folder of a step's committed result, that of the branch or else of main."""
    own = own_step(root, name, branch)
    if own is not None or branch == layout.MAIN:
        return own
    return own_step(root, name, layout.MAIN)


def step_names(root: Path, branch: str) -> list[str]:
    """Return the steps of which a branch may have results, in the order of processing."""
    folders = (layout.branch_path(root, branch), root / layout.REPLACED / branch)
    found = {p.parent.name for f in folders for p in f.glob(f"*/{layout.METADATA}")}
    first = [step for step in layout.RESULT_NAMES.values() if step in found]
    return [*first, *sorted(n for n in found - set(first) if layout.is_safe(n))]


def require_step(root: Path, name: str, branch: str = layout.MAIN) -> Path:
    """Return the folder of a step's result, that of the branch or else of main.

    Raises
    ------
    StoreNotFoundError
        The step has not been run, or did not end.
    """
    path = complete_step(root, name, branch)
    if path is None:
        step = layout.step_of(name)
        where = "" if branch == layout.MAIN else f" branch={branch}"
        raise StoreNotFoundError(
            f"{root} has no result of {step}; run: dxdask {step} {root}{where}"
        )
    return path


def steady(root: Path, name: str, branch: str, read: Callable[[Path], T]) -> T:
    """Return `read` of a step's folder, read again where a writer replaced it meanwhile."""
    for _ in range(4):
        path = require_step(root, name, branch)
        before = manifest(path).id
        try:
            found = read(path)
        except (SchemaError, StoreNotFoundError):
            if manifest(require_step(root, name, branch)).id == before:
                raise
            continue
        if manifest(require_step(root, name, branch)).id == before:
            return found
    raise SchemaError(
        f"{name} in {root} is being replaced again and again; read it when that is over"
    )


def manifest(path: Path) -> Manifest:
    """Return the manifest of a step's folder.

    Raises
    ------
    SchemaError
        It is damaged, or the step is not complete.
    """
    found = _manifest(*_identity(path))
    if found is None:
        raise SchemaError(f"{path} is not complete; run the step again")
    return found


def report(path: Path) -> dict[str, Any]:
    """Return the report of a step, or of a run's part of it: tables, messages, problems."""
    return attributes(path / layout.REPORT)


def experiments(path: Path) -> ExperimentList:
    """Return the models of a step, of a run's part of it, or of a run.

    Raises
    ------
    SchemaError
        They are missing or damaged.
    """
    try:
        identity = _identity(path / layout.MODELS)
        found = _small_experiments if identity[3] <= _KEPT_BYTES else _experiments
        # models of their own each time: what is shared must not depend on what was read before
        return found(*identity).apart()
    except (KeyError, TypeError, ValueError, AttributeError, StoreNotFoundError) as error:
        if isinstance(error, SchemaError):
            raise
        raise SchemaError(
            f"the models at {path} are damaged ({error}); {remedy(path, delete=True)}"
        ) from error


def column(
    path: Path, name: str, rows: slice = slice(None), out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return the rows of one column of a step's folder, in `out` where that is given.

    Raises
    ------
    SchemaError
        It is missing, damaged, not as `dxdask.columns` has it, or has not the rows of `out`.
    """
    spec = COLUMNS.get(name)
    if spec is None:
        raise SchemaError(
            f"{path} lists a column {name!r} that this dxdask does not know: upgrade dxdask"
        )
    values = array(path / name, f"column {name!r}", rows, out)
    parts = (len(spec.parts),) if spec.parts else ()
    if values.dtype != np.dtype(spec.dtype) or values.shape[1:] != parts or values.ndim < 1:
        raise SchemaError(
            f"column {name!r} of {path} is {values.dtype} {values.shape[1:]}, "
            f"should be {spec.dtype} {parts}; {remedy(path)}"
        )
    return values


def array(
    path: Path, what: str, rows: slice = slice(None), out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Return an array (the given rows of it), after checking type, codecs, size and files.

    out : filled and returned, where its shape and dtype are those of the values.

    Raises
    ------
    SchemaError
        It is missing or damaged.
    MemoryBudgetError
        It is larger than the memory that is free.
    """
    try:
        found = StoredArray.from_metadata(metadata(path), path)
        array_checks.check_files(found, path, what)
        indices = range(found.shape[0])[rows] if found.shape else range(1)
        shape = (len(indices), *found.shape[1:]) if found.shape else ()
        n_bytes = math.prod(shape) * found.dtype.itemsize
        array_checks.check_memory(n_bytes, what, path)
        array_checks.check_chunks(found, path, what, indices)
        if out is None or (out.shape, out.dtype) != (shape, found.dtype):
            out = np.empty(shape, found.dtype)
        found.read(path, indices, out)
        return out
    except StoreNotFoundError as error:
        raise SchemaError(f"{what} is missing at {path}; {remedy(path)}") from error
    except (OSError, SchemaError) as error:
        if str(path) in str(error):
            raise
        raise SchemaError(f"{what} at {path} is damaged ({error}); {remedy(path)}") from error
