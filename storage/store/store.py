"""`Store`: all of one ensemble, from frames to merged intensities."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self

from dxdask.errors import InputError
from dxdask.storage.store import layout, new_store, read, report
from dxdask.storage.store.stored_runs import StoredRuns
from dxdask.storage.store.stored_steps import StoredSteps


class Store(StoredRuns, StoredSteps):
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
        """
        if mode not in ("r", "r+"):
            raise InputError(f'a store is opened with mode "r" or "r+", not {mode!r}')
        where = Path(path).absolute()
        read.open_store(where)
        return cls(where, mode, branch)

    def _summary(self) -> tuple[str, list[tuple[str, list[dict[str, Any]]]]]:
        found = {}
        for run in self.runs:
            frames = self.frame_reader(run)
            linked = self.run_attributes(run)["source"].get("linked_to")
            transmission = self.run_experiment(run).beam.transmission
            found[run] = (frames.shape, frames.dtype.name, transmission, linked)
        rows = [
            ("runs", report.run_rows(found)),
            ("steps", report.step_rows(report.steps(self.path, self.branch))),
        ]
        return f"dxdask store {self.path}", rows

    def __repr__(self) -> str:
        return report.as_text(*self._summary())

    def _repr_html_(self) -> str:
        return report.as_html(*self._summary())
