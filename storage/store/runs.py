"""Making runs: with frames to be written or linked, or without; resuming after a stop."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import (
    LinkedFileError,
    SchemaError,
    StoreExistsError,
    StoreWriteError,
)
from dxdask.models import Experiment, ExperimentList
from dxdask.storage.frames.absent import SHAPE
from dxdask.storage.frames.chunk_codec import ChunkCodec
from dxdask.storage.store import create, layout, read, schema
from dxdask.storage.store.provenance import now, versions
from dxdask.storage.store.run_writer import RunWriter, complete

# It unpacks by kernels, which few uses of a store need.
if TYPE_CHECKING:
    import zarr

    from dxdask.storage.formats.chunk_manifest import ChunkManifest


class RunFields(TypedDict, total=False):
    """Fields of `RunContents` that may be left out."""

    mask: NDArray[np.bool_] | None
    columns: Mapping[str, NDArray[Any]]
    fingerprint: str
    source: Mapping[str, Any]
    problems: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContents:
    """What a run holds beside its frames.

    Attributes
    ----------
    experiment : models. mask : (slow, fast), True is good; None for all. columns : of images.
    fingerprint : of the files and parameters that it is made from. source : the files.
    problems : rows (run, image, step, reason) that are known before frames are read.
    """

    experiment: Experiment
    mask: NDArray[np.bool_] | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    fingerprint: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[Mapping[str, Any]] = ()


def create_run(
    root: Path,
    run: str,
    contents: RunContents,
    *,
    codec: ChunkCodec,
    overwrite: bool,
) -> RunWriter:
    """Make a run, or take up one that was interrupted; the caller holds the lock.

    Raises
    ------
    StoreExistsError
        The run is there, complete, and `overwrite` is false.
    SchemaError
        Mask or columns do not fit the frames.
    """
    schema.check_numeric(layout.FRAMES, np.dtype(codec.dtype))
    good = _checked_mask(run, codec.shape, contents)
    path = layout.run_path(root, run)
    writer = RunWriter(str(path), codec)
    found = _replaceable(root, run, overwrite=overwrite)
    if _can_go_on(path, found, contents.fingerprint, codec):
        return writer

    def frames(group: zarr.Group) -> None:
        _frames(group, codec)

    _make(root, run, found, contents, frames, good)
    return writer


def link_run(
    root: Path,
    run: str,
    contents: RunContents,
    *,
    manifest: ChunkManifest,
    overwrite: bool,
) -> None:
    """Make a run whose frames stay where they are, complete; the caller holds the lock.

    Raises
    ------
    StoreExistsError, SchemaError
        As `create_run`.
    LinkedFileError
        A file cannot be read.
    """
    from dxdask.storage.frames.linked import Link
    from dxdask.storage.frames.linked_array import write_linked

    good = _checked_mask(run, manifest.shape, contents)
    path = layout.run_path(root, run)
    array = path / layout.FRAMES
    found = _replaceable(root, run, overwrite=overwrite)
    link = Link.to(manifest, array)

    def frames(group: zarr.Group) -> None:
        write_linked(group, manifest, link, array)

    contents = replace(contents, source={**contents.source, "linked_to": link.describe()})
    _make(root, run, found, contents, frames, good)
    complete(path, ())


def describe_run(
    root: Path,
    run: str,
    contents: RunContents,
    *,
    shape: tuple[int, int, int],
    overwrite: bool,
) -> None:
    """Make a run without frames, complete; the caller holds the lock.

    shape : images, slow, fast, of the frames that it was recorded as.

    Raises
    ------
    StoreExistsError, SchemaError
        As `create_run`.
    """
    good = _checked_mask(run, shape, contents)
    found = _replaceable(root, run, overwrite=overwrite)

    def frames(_group: zarr.Group) -> None:
        """Make no array: one without chunks would read as zeros."""

    _make(root, run, found, contents, frames, good)
    path = layout.run_path(root, run)
    create.update(path, {SHAPE: list(shape)})
    complete(path, ())


def _replaceable(root: Path, run: str, *, overwrite: bool) -> dict[str, Any]:
    """Return the attributes of a run that is there and may be replaced, none where none is."""
    path = layout.run_path(root, run)
    found = read.attributes(path) if (path / layout.METADATA).is_file() else {}
    if found.get("complete") and not overwrite:
        raise StoreExistsError(
            f"{root} has a run {run!r} already; give overwrite=true to replace it, or another name"
        )
    return found


def _make(
    root: Path,
    run: str,
    found: Mapping[str, Any],
    contents: RunContents,
    frames: Callable[[zarr.Group], None],
    good: NDArray[np.bool_],
) -> None:
    """Make all of a run but what its frames are; `found` are the attributes of the one before."""
    path = layout.run_path(root, run)
    try:
        shutil.rmtree(path, ignore_errors=True)
        numbers = [read.attributes(p.parent).get("number", 0) for p in _metadata_files(root)]
        attributes = {
            "id": uuid.uuid4().hex,
            "number": found.get("number", 1 + max(numbers, default=0)),
            "created": now(),
            "fingerprint": contents.fingerprint,
            "source": dict(contents.source),
            "problems": [dict(p) for p in contents.problems],
            "versions": versions(),
        }
        create.group(path, attributes)
        import zarr

        frames(zarr.open_group(path, mode="r+"))
        doc = {"doc": "True where the pixel is good in every image"}
        create.array(path, layout.MASK, good, ("slow", "fast"), doc)
        for name, values in contents.columns.items():
            spec = schema.IMAGE_COLUMNS[name]
            create.array(path, name, values, ("image",), {"units": spec.unit, "doc": spec.doc})
        models = {"experiments": ExperimentList.of([contents.experiment]).to_dict()}
        create.group(path / layout.MODELS, models)
        create.update(path, {"prepared": True})
    except LinkedFileError:
        raise
    except OSError as error:
        raise StoreWriteError(
            f"cannot write run {run!r} to {root}: {error}; check its disk"
        ) from error


def _frames(group: zarr.Group, codec: ChunkCodec) -> None:
    group.create_array(
        layout.FRAMES,
        **codec.zarr_arguments(),
        dimension_names=("image", "slow", "fast"),
        attributes={"units": "counts", "doc": "counts as recorded"},
    )
    group.create_array(
        layout.DONE,
        shape=(codec.n_files,),
        dtype=np.dtype(np.bool_),
        chunks=(1,),
        compressors=None,
        dimension_names=("file",),
        attributes={"doc": "whether each file of frames has been written"},
    )


def _checked_mask(
    run: str, shape: tuple[int, int, int], contents: RunContents
) -> NDArray[np.bool_]:
    """Return the mask, all good where there is none, after checks that it and columns fit."""
    n_images, *size = shape
    mask, columns = contents.mask, contents.columns
    if mask is None:
        mask = np.ones(size, dtype=np.bool_)
    if mask.dtype != np.bool_ or mask.shape != tuple(size):
        raise SchemaError(
            f"mask of run {run!r} is {mask.dtype} {mask.shape}, should be bool {tuple(size)}"
        )
    for name, values in columns.items():
        if name not in schema.IMAGE_COLUMNS:
            known = ", ".join(schema.IMAGE_COLUMNS)
            raise SchemaError(
                f"run {run!r} has a column {name!r} that a store does not know; known are {known}"
            )
        if values.shape != (n_images,):
            raise SchemaError(
                f"column {name!r} of run {run!r} is {values.shape}, should be ({n_images},)"
            )
        schema.check_numeric(name, values.dtype)
    return mask


def _can_go_on(path: Path, found: Mapping[str, Any], fingerprint: str, codec: ChunkCodec) -> bool:
    if (
        not found.get("prepared")
        or found.get("complete")
        or found.get("fingerprint") != fingerprint
    ):
        return False
    import zarr

    array = zarr.open_array(path / layout.FRAMES, mode="r")
    return ChunkCodec.of_array(array, str(path)) == codec


def _metadata_files(root: Path) -> list[Path]:
    return sorted((root / layout.RUNS).glob(f"*/{layout.METADATA}"))


def complete_runs(root: Path) -> dict[str, dict[str, Any]]:
    """Return the attributes of each run that is complete, in the order of import."""
    found = {p.parent.name: read.attributes(p.parent) for p in _metadata_files(root)}
    whole = {name: a for name, a in found.items() if a.get("complete") is True}
    return dict(sorted(whole.items(), key=lambda item: (item[1].get("number", 0), item[0])))
