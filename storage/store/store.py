"""`Store`: all of one ensemble, from frames to merged intensities."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any, Literal, Self

from dxdask.errors import InputError
from dxdask.storage.frames.absent import SHAPE
from dxdask.storage.store import layout, new_store, read, report
from dxdask.storage.store.new_runs import NewRuns
from dxdask.storage.store.stored_runs import StoredRuns
from dxdask.storage.store.stored_steps import StoredSteps
from dxdask.storage.store.stored_tables import StoredTables
from dxdask.tables import SHOWN, html_table, shortened


class Store(NewRuns, StoredRuns, StoredSteps, StoredTables):
    """One ensemble in a folder ``NAME.zarr``: made by `Store.create`, opened by `Store.open`.

    Opening takes no lock; writing does, for as long as it lasts (`writing`). Its groups open in
    xarray without dxdask: ``xarray.open_zarr("NAME.zarr/results/main/merge", consolidated=False)``.
    """

    @classmethod
    def create(cls, path: str | os.PathLike[str], *, overwrite: bool = False) -> Self:
        """Create an empty store and open it; `overwrite` replaces an earlier store (nothing else).

        Raises
        ------
        StoreExistsError
            Something is at `path` already.

        Examples
        --------
        >>> from dxdask import Store
        >>> store = Store.create("new.zarr")
        >>> store.runs
        ()
        """
        where = Path(path).absolute()
        new_store.create_store(where, overwrite=overwrite)
        return cls(where, "r+")

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        mode: Literal["r", "r+"] = "r+",
        branch: str = layout.MAIN,
    ) -> Self:
        """Open a store, to read ("r") or to read and write ("r+").

        branch: that results are written to; they are read from it, else from main.

        Raises
        ------
        StoreNotFoundError
            Nothing is at `path`.
        SchemaError
            It is no store, or one of another version.

        Examples
        --------
        >>> from dxdask import Store
        >>> store = Store.open("tiny.zarr", mode="r")
        >>> store.branch
        'main'
        """
        if mode not in ("r", "r+"):
            raise InputError(f'a store is opened with mode "r" or "r+", not {mode!r}')
        where = Path(path).absolute()
        read.open_store(where)
        return cls(where, mode, branch)

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        """Return the store for a notebook: its runs, the first of many, and its steps."""
        runs = self.runs
        rows = [self._row(run) for run in runs[:SHOWN]]
        steps = report.step_rows(report.steps(self.path, self.branch))
        tables = [html_table("runs", rows, len(runs)), html_table("steps", steps)]
        return f"<div><strong>{html.escape(self._title())}</strong>{''.join(tables)}</div>"

    def _title(self) -> str:
        branches = self.branches
        others = f" (branches: {shortened(branches)})" if len(branches) > 1 else ""
        return f"dxdask store {self.path}, branch {self.branch}{others}"

    def _lines(self) -> list[str]:
        """Return lines on runs (counted by their frames) and on steps."""
        runs = self.runs
        n_images: dict[str, int] = {}
        places: dict[str, dict[str, None]] = {}
        for run in runs:
            images, kind = self._size(run)
            n_images[kind] = n_images.get(kind, 0) + images
            places.setdefault(kind, {})[self.place_of_frames(run)] = None
        steps = report.steps(self.path, self.branch)
        return [
            f"runs: {len(runs)} ({shortened(runs)})" if runs else "runs: none",
            *(
                f"  {n} images of {kind}, frames {shortened(list(places[kind]), 2)}"
                for kind, n in list(n_images.items())[:2]
            ),
            f"steps: {len(steps) or 'none'}",
            *(f"  {line}" for line in report.step_lines(steps)),
        ]

    def _row(self, run: str) -> dict[str, Any]:
        """Return the row of a run that a notebook shows."""
        frames = self.frame_reader(run)
        n_images, slow, fast = frames.shape
        return {
            "run": run,
            "images": n_images,
            "frame": f"{slow} x {fast}",
            "dtype": frames.dtype.name,
            "transmission": self.run_experiment(run).beam.transmission,
            "frames": self.place_of_frames(run),
        }

    def _size(self, run: str) -> tuple[int, str]:
        """Return the number of images of a run, and size and type of its frames in words."""
        absent = self.run_attributes(run).get(SHAPE)
        if absent is not None:
            return absent[0], f"{absent[1]} x {absent[2]}"
        frames = read.metadata(layout.run_path(self.path, run) / layout.FRAMES)
        images, slow, fast = frames["shape"]
        return images, f"{slow} x {fast}, {frames['data_type']}"

    def place_of_frames(self, run: str) -> str:
        """Return where the frames of a run are: copied, linked to a file, or absent."""
        attributes = self.run_attributes(run)
        linked = attributes["source"].get("linked_to")
        return "absent" if SHAPE in attributes else f"linked to {linked}" if linked else "copied"
