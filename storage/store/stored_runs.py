"""The runs of an opened store: frames, models, masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import Experiment, ExperimentList
from dxdask.storage.frames.absent import SHAPE
from dxdask.storage.frames.reader import FillingReader
from dxdask.storage.frames.stored import open_frames
from dxdask.storage.store import layout, masks, read, runs, schema
from dxdask.storage.store.folder import StoreFolder

# They take a second to import, and few uses of a store need them.
if TYPE_CHECKING:
    import dask.array as da


class StoredRuns(StoreFolder):
    """The runs of a store."""

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the runs that are complete, in the order of import.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.runs
        ('tiny_1', 'tiny_2', 'tiny_3')
        """
        return tuple(runs.complete_runs(self.path))

    def has_run(self, run: str, fingerprint: str | None = None) -> bool:
        """Return True if a run is complete (and has this fingerprint).

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.has_run("tiny_1"), store.has_run("tiny_9")
        (True, False)
        """
        try:
            path = layout.run_path(self.path, run)
        except InputError:
            return False
        found = read.attributes(path) if (path / layout.METADATA).is_file() else {}
        return found.get("complete") is True and fingerprint in (None, found["fingerprint"])

    def run_attributes(self, run: str) -> dict[str, Any]:
        """Return identifier, source, fingerprint, time and versions of a run's import.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.run_attributes("tiny_1")["number"]
        1
        """
        return self._run(run)[1]

    def run_experiment(self, run: str) -> Experiment:
        """Return the models of a run as imported.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.run_experiment("tiny_1").beam.transmission
        0.25
        """
        path, _ = self._run(run)
        return read.experiments(path)[0]

    def imported(self) -> ExperimentList:
        """Return the models of all runs as imported, without crystal.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> len(store.imported())
        3
        """
        return ExperimentList.of([self.run_experiment(run) for run in self.runs])

    def image_columns(self, run: str) -> dict[str, NDArray[Any]]:
        """Return the columns of the images of a run: angle, exposure, ... each (n_images,).

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.image_columns("tiny_1")["angle"][:3].round(1).tolist()
        [0.0, 0.8, 1.6]
        """
        path, _ = self._run(run)
        present = [n for n in schema.IMAGE_COLUMNS if (path / n).is_dir()]
        return {n: read.array(path / n, f"column {n!r} of run {run!r}") for n in present}

    def frames(self, run: str, block: int | None = None) -> da.Array:
        """Return the frames of a run as a dask array (image, slow, fast), read where they are used.

        block: images in a dask block; see `images_in_block` for the default.

        Raises
        ------
        ChunkError
            `block` cuts through files.
        LinkedFileError
            Files that the store refers to have moved, shrunk or changed.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> frames = store.frames("tiny_1")
        >>> frames.shape, frames.dtype.name
        ((14, 264, 256), 'uint16')
        >>> int(frames[0].max().compute()) > 0
        True
        """
        from dxdask.storage.frames.lazy import lazy_frames

        reader = self.frame_reader(run)
        reader.require_files()
        return lazy_frames(reader, block)

    def frame_reader(self, run: str) -> FillingReader:
        """Return the picklable reader of a run's frames: `reader.read(first, last)`.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.frame_reader("tiny_1").read(0, 2).shape
        (2, 264, 256)
        """
        path, attributes = self._run(run)
        return open_frames(path, attributes["id"])

    def frames_shape(self, run: str) -> tuple[tuple[int, ...], str]:
        """Return shape (image, slow, fast) and dtype of a run's frames, from their metadata alone.

        Examples
        --------
        >>> import dxdask
        >>> dxdask.open("tiny.zarr").frames_shape("tiny_1")
        ((14, 264, 256), 'uint16')
        """
        path, attributes = self._run(run)
        if attributes.get(SHAPE) is not None:
            frames = open_frames(path, attributes["id"])
            return tuple(frames.shape), frames.dtype.name
        found = read.metadata(path / layout.FRAMES)
        return tuple(found["shape"]), str(found["data_type"])

    def mask(self, run: str) -> NDArray[np.bool_]:
        """Return the pixels of a run that are good, (slow, fast), as imported and as applied.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> mask = store.mask("tiny_1")
        >>> mask.shape, mask.dtype.name
        ((264, 256), 'bool')
        """
        return masks.with_applied(self.imported_mask(run), self.applied_mask(run), run)

    def imported_mask(self, run: str) -> NDArray[np.bool_]:
        """Return the pixels of a run that are good by its files, (slow, fast).

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.imported_mask("tiny_1").shape
        (264, 256)
        """
        path, _ = self._run(run)
        return read.array(path / layout.MASK, f"mask of run {run!r}")

    def applied_mask(self, run: str) -> NDArray[np.bool_] | None:
        """Return the mask (slow, fast) that `apply_mask` put on a run, None where there is none.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.applied_mask("tiny_1") is None
        True
        """
        return masks.applied(self.path, run, self._run(run)[1]["id"], self.branch)

    def frames_fingerprint(self, run: str) -> str:
        """Return the fingerprint of a run's frames, masked as they are now.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> before = store.frames_fingerprint("tiny_1")
        >>> store = dxdask.apply_mask(dxdask.generate_mask(store, border=2), mask="generate_mask")
        >>> store.frames_fingerprint("tiny_1") == before
        False
        """
        return masks.frames_fingerprint(self.path, run, self._run(run)[1], self.branch)

    def _run(self, run: str) -> tuple[Path, dict[str, Any]]:
        path = layout.run_path(self.path, run)
        found = read.attributes(path) if (path / layout.METADATA).is_file() else {}
        if found.get("complete") is not True:
            state = "is not completely imported" if found else "is not there"
            known = ", ".join(self.runs) or "none"
            raise StoreNotFoundError(f"run {run!r} {state} in {self.path}; complete runs: {known}")
        return path, found
