"""A store: everything known of an ensemble of runs, from frames to merged intensities."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dxdask.columns import COLUMNS, Reflections
from dxdask.errors import InputError, StoreNotFoundError
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.storage.frames.lazy import lazy_frames
from dxdask.storage.frames.packing import Packing
from dxdask.storage.frames.reader import FillingReader
from dxdask.storage.frames.stored import open_frames
from dxdask.storage.store import create, layout, masks, read, report, results, runs, schema, write
from dxdask.storage.store.lock import WriteLock
from dxdask.storage.store.runs import RunWriter
from dxdask.tables import Table

# These three take a second to import, and few uses of a store need them.
if TYPE_CHECKING:
    import dask.array as da
    import pandas as pd
    import xarray as xr

    from dxdask.storage.frames.places import FramePlaces


class Store:
    """One ensemble in a folder ``NAME.zarr``: made by `Store.create`, opened by `Store.open`.

    Opening takes no lock; writing does, for as long as it lasts (`writing`). Its groups open in
    xarray without dxdask: ``xarray.open_zarr("NAME.zarr", group="indexed", consolidated=False)``.
    """

    def __init__(self, path: Path, mode: Literal["r", "r+"]) -> None:
        self.path = path
        self.mode = mode
        self._lock = WriteLock(path)

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, overwrite: bool = False) -> Store:
        """Create an empty store and open it; `overwrite` replaces an earlier store (nothing else).

        Raises
        ------
        StoreExistsError
            Something is at `path` already.
        """
        where = Path(path).absolute()
        create.create_store(where, overwrite=overwrite)
        return cls(where, "r+")

    @classmethod
    def open(cls, path: str | os.PathLike[str], mode: Literal["r", "r+"] = "r+") -> Store:
        """Open a store, to read ("r") or to read and write ("r+").

        Raises
        ------
        StoreNotFoundError
            Nothing is at `path`.
        SchemaError
            It is no store, or one of a later version.
        """
        if mode not in ("r", "r+"):
            raise InputError(f'a store is opened with mode "r" or "r+", not {mode!r}')
        where = Path(path).absolute()
        read.open_store(where)
        return cls(where, mode)

    @property
    def attributes(self) -> dict[str, Any]:
        """Format, version, time of creation, versions of software."""
        return read.open_store(self.path)

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """Hold the write lock; within it the same store may be written to as often as needed.

        Raises
        ------
        StoreLockedError
            Another process, or another `Store` object, is writing.
        InputError
            The store was opened for reading.
        """
        if self.mode == "r":
            raise InputError(f'{self.path} is open for reading; open it with mode="r+" to write')
        with self._lock.held() as first:
            if first:
                write.clear(self.path)
            yield self

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the runs that are complete, in the order of import."""
        return tuple(runs.complete_runs(self.path))

    def has_run(self, run: str, fingerprint: str | None = None) -> bool:
        """Return whether a run is complete (and has this fingerprint)."""
        try:
            path = layout.run_path(self.path, run)
        except InputError:
            return False
        found = read.attributes(path) if (path / layout.METADATA).is_file() else {}
        return found.get("complete") is True and fingerprint in (None, found["fingerprint"])

    def run_attributes(self, run: str) -> dict[str, Any]:
        """Return identifier, source, fingerprint, time and versions of a run's import."""
        return self._run(run)[1]

    def run_experiment(self, run: str) -> Experiment:
        """Return the models of a run as imported."""
        path, _ = self._run(run)
        return results.experiments(path)[0]

    def imported(self) -> ExperimentList:
        """Return the models of all runs as imported, without crystal."""
        return ExperimentList.of([self.run_experiment(run) for run in self.runs])

    def image_columns(self, run: str) -> dict[str, NDArray[Any]]:
        """Return what is known of each image of a run: angle, exposure, ... each (n_images,)."""
        path, _ = self._run(run)
        present = [n for n in schema.IMAGE_COLUMNS if (path / n).is_dir()]
        return {n: read.array(path / n, f"column {n!r} of run {run!r}") for n in present}

    def create_run(
        self,
        run: str,
        experiment: Experiment,
        *,
        n_images: int,
        shape: tuple[int, int],
        dtype: DTypeLike,
        mask: NDArray[np.bool_] | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
        chunk: int = 1,
        shard: int | None = None,
        fingerprint: str = "",
        source: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> RunWriter:
        """Return a writer of a new run, or of an interrupted one with this `fingerprint`.

        shape: (slow, fast). mask: (slow, fast) bool, True is good. chunk: images compressed
        together. shard: images a file, a multiple of `chunk`; by default one chunk a file. Write
        within `writing()`, then call the writer's `finish`.

        Raises
        ------
        StoreExistsError
            The run is complete already and `overwrite` is false.
        SchemaError, ChunkError
            Mask, columns or chunks do not fit the frames.
        """
        slow, fast = shape
        size = (int(n_images), int(slow), int(fast))
        packing = Packing(size, np.dtype(dtype).name, chunk, shard or chunk)
        with self.writing():
            return runs.create_run(
                self.path,
                run,
                experiment,
                packing=packing,
                mask=mask,
                columns=columns or {},
                fingerprint=fingerprint,
                source=source or {},
                overwrite=overwrite,
            )

    def link_run(
        self,
        run: str,
        experiment: Experiment,
        places: FramePlaces,
        *,
        mask: NDArray[np.bool_] | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
        fingerprint: str = "",
        source: Mapping[str, Any] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Make a run, complete, whose frames stay in the files they are in; see `create_run`.

        Raises
        ------
        StoreExistsError, SchemaError
            As `create_run`.
        LinkedFileError
            A file cannot be read.
        """
        with self.writing():
            runs.link_run(
                self.path,
                run,
                experiment,
                places=places,
                mask=mask,
                columns=columns or {},
                fingerprint=fingerprint,
                source=source or {},
                overwrite=overwrite,
            )

    def frames(self, run: str, block: int | None = None) -> da.Array:
        """Return the frames of a run as a dask array (image, slow, fast), read where they are used.

        block: images in a dask block; see `images_in_block` for the default.

        Raises
        ------
        ChunkError
            `block` cuts through files.
        LinkedFileError
            Files that the store refers to have moved, shrunk or changed.
        """
        reader = self.frame_reader(run)
        reader.require_files()
        return lazy_frames(reader, block)

    def frame_reader(self, run: str) -> FillingReader:
        """Return the picklable reader of a run's frames: `reader.read(first, last)`."""
        path, attributes = self._run(run)
        return open_frames(path, attributes["id"])

    def mask(self, run: str) -> NDArray[np.bool_]:
        """Return the pixels of a run that are good, (slow, fast), as imported and as applied."""
        return masks.with_applied(self.imported_mask(run), self.applied_mask(run), run)

    def imported_mask(self, run: str) -> NDArray[np.bool_]:
        """Return the pixels of a run that are good by its files, (slow, fast)."""
        path, _ = self._run(run)
        return read.array(path / layout.MASK, f"mask of run {run!r}")

    def applied_mask(self, run: str) -> NDArray[np.bool_] | None:
        """Return the mask (slow, fast) that `apply_mask` put on a run, None where there is none."""
        return masks.applied(self.path, run, self._run(run)[1]["id"])

    def frames_fingerprint(self, run: str) -> str:
        """Return what tells a run's frames, masked as they are now, from others."""
        return masks.frames_fingerprint(self.path, run, self._run(run)[1])

    def write_step(
        self,
        name: str,
        result: StepResult,
        *,
        parameters: Mapping[str, Any] | None = None,
        fingerprint: str = "",
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        """Write the result of a step; the previous one stays until the new one is complete.

        Raises
        ------
        SchemaError, InputError
            The result holds what a store does not.
        StoreWriteError
            The disk is full or refuses; earlier steps are intact.
        """
        with self.writing():
            write.write_step(
                self.path,
                name,
                result,
                parameters=parameters or {},
                fingerprint=fingerprint,
                seconds=seconds or {},
            )

    def has_step(self, name: str, fingerprint: str | None = None) -> bool:
        """Return whether a step's result is complete (and has this fingerprint)."""
        path = read.complete_step(self.path, name)
        if path is None:
            return False
        return fingerprint is None or read.attributes(path).get("fingerprint") == fingerprint

    def step_attributes(self, name: str) -> dict[str, Any]:
        """Return parameters, fingerprint, seconds, time, versions and counts of a step."""
        return read.steady(self.path, name, read.attributes)

    def read_step(self, name: str) -> StepResult:
        """Return the whole result of a step, as it was written."""
        return read.steady(self.path, name, results.whole)

    def columns(
        self, name: str, names: Sequence[str] | None = None, *, run: str | None = None
    ) -> Reflections:
        """Return columns of a step's reflections, all or some; all rows or those of one run.

        Raises
        ------
        SchemaError
            A column is not there, or damaged.
        """
        return read.steady(self.path, name, lambda path: results.columns(path, names, run))

    def arrays(self, name: str, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return what a step gave beside its table: spot pixels, histograms, ..."""
        return read.steady(self.path, name, lambda path: results.arrays(path, names))

    def experiments(self, name: str) -> ExperimentList:
        """Return the models as a step left them."""
        return read.steady(self.path, name, results.experiments)

    def reflections(self, name: str, names: Sequence[str] | None = None) -> xr.Dataset:
        """Return a step's reflections as a Dataset along `reflection`, with units and meaning."""
        import xarray as xr

        data: dict[str, Any] = {}
        labels: dict[str, Any] = {}
        for column, values in self.columns(name, names).items():
            dims = schema.column_dims(column)
            data[column] = (dims, values, schema.column_attributes(column))
            if len(dims) > 1:
                labels[dims[1]] = list(COLUMNS[column].parts)
        return xr.Dataset(data, coords=labels, attrs={"step": layout.step_of(name)})

    def table(self, step: str, name: str) -> pd.DataFrame:
        """Return a table that a step showed.

        Raises
        ------
        StoreNotFoundError
            The step showed no such table.
        """
        import pandas as pd

        found = {t.name: t for t in self.tables(step)}
        if name not in found:
            raise StoreNotFoundError(
                f"{step} has no table {name!r}; it has {', '.join(found) or 'none'}"
            )
        return pd.DataFrame([dict(row) for row in found[name].rows])

    def tables(self, step: str) -> tuple[Table, ...]:
        """Return the tables that a step showed, in order; they print as they did."""
        found = read.steady(self.path, step, results.shown)
        return tuple(Table.from_dict(t) for t in found["tables"])

    def messages(self, step: str) -> tuple[str, ...]:
        """Return the lines that a step showed before its tables."""
        return tuple(read.steady(self.path, step, results.shown)["messages"])

    def problems(self) -> pd.DataFrame:
        """Return what could not be processed: run, image, step, reason."""
        import pandas as pd

        return pd.DataFrame(self.show()["problems"], columns=["run", "image", "step", "reason"])

    def history(self) -> tuple[dict[str, Any], ...]:
        """Return an entry for each time a step was run; `current` marks what is there now."""
        return report.history(self.path)

    def show(self, step: str | None = None) -> dict[str, Any]:
        """Return every step (or one) with its tables, and the problems, as JSON can hold them."""
        return report.shown(self.path, step)

    def _run(self, run: str) -> tuple[Path, dict[str, Any]]:
        path = layout.run_path(self.path, run)
        found = read.attributes(path) if (path / layout.METADATA).is_file() else {}
        if found.get("complete") is not True:
            state = "is not completely imported" if found else "is not there"
            known = ", ".join(self.runs) or "none"
            raise StoreNotFoundError(f"run {run!r} {state} in {self.path}; complete runs: {known}")
        return path, found

    def _summary(self) -> tuple[str, list[tuple[str, list[dict[str, Any]]]]]:
        found = {}
        for run in self.runs:
            frames = self.frame_reader(run)
            linked = self.run_attributes(run)["source"].get("linked_to")
            transmission = self.run_experiment(run).beam.transmission
            found[run] = (frames.shape, frames.dtype.name, transmission, linked)
        rows = [
            ("runs", report.run_rows(found)),
            ("steps", report.step_rows(report.steps(self.path))),
        ]
        return f"dxdask store {self.path}", rows

    def __repr__(self) -> str:
        return report.as_text(*self._summary())

    def _repr_html_(self) -> str:
        return report.as_html(*self._summary())
