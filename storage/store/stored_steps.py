"""The results of an opened store's branch: reflections, arrays and models of its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.storage.store import commit, read, results
from dxdask.storage.store.folder import StoreFolder
from dxdask.storage.store.manifest import Manifest

# They take a second to import, and few uses of a store need them.
if TYPE_CHECKING:
    import xarray as xr


class StoredSteps(StoreFolder):
    """The results of a store, on its branch."""

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

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.write_step("mine", store.read_step("merge"), parameters={"n": 1})
        >>> store.step_attributes("mine")["parameters"]
        {'n': 1}
        """
        with self.writing():
            commit.write_step(
                self.path,
                name,
                result,
                parameters=parameters or {},
                fingerprint=fingerprint,
                seconds=seconds or {},
                branch=self.branch,
            )

    def has_step(self, name: str, fingerprint: str | None = None) -> bool:
        """Return True if a step's result is complete (and has this fingerprint).

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.has_step("merge"), store.has_step("nosuch")
        (True, False)
        """
        path = read.complete_step(self.path, name, self.branch)
        if path is None:
            return False
        return fingerprint is None or read.attributes(path).get("fingerprint") == fingerprint

    def step_attributes(self, name: str) -> dict[str, Any]:
        """Return parameters, fingerprint, seconds, time, versions and counts of a step.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> sorted(store.step_attributes("merge")["seconds"])
        ['cpu', 'wall']
        """
        return read.steady(self.path, name, self.branch, read.attributes)

    def manifest(self, step: str) -> Manifest:
        """Return the manifest of a step's result: its runs, fingerprints, parameters, counts.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> tuple(store.manifest("integrate").runs)
        ('tiny_1', 'tiny_2', 'tiny_3')
        """
        return read.steady(self.path, step, self.branch, read.manifest)

    def partition_fingerprint(self, step: str, run: str) -> str | None:
        """Return the fingerprint of the partition of a run, None where the step has none of it.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> len(store.partition_fingerprint("integrate", "tiny_1"))
        64
        """
        if not self.has_step(step):
            return None
        entry = self.manifest(step).runs.get(run)
        return None if entry is None else entry.fingerprint

    def read_step(self, name: str, *, run: str | None = None) -> StepResult:
        """Return the result of a step, whole as it was written, or the partition of one run.

        That of a run has its own experiments, which its column `experiment` counts from 0.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.read_step("integrate", run="tiny_2").experiments.runs
        ('tiny_2',)
        """
        if run is not None:
            return read.steady(self.path, name, self.branch, lambda path: results.of_run(path, run))
        return read.steady(self.path, name, self.branch, results.whole)

    def columns(
        self, name: str, names: Sequence[str] | None = None, *, run: str | None = None
    ) -> Reflections:
        """Return columns of a step's reflections, all or some; all rows or those of one run.

        The column `experiment` counts the experiments of all runs in either case.

        Raises
        ------
        SchemaError
            A column is not there, or damaged.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> columns = store.columns("integrate", ["hkl", "intensity_sum"], run="tiny_1")
        >>> columns["hkl"].shape[1]
        3
        """
        return read.steady(
            self.path, name, self.branch, lambda path: results.columns(path, names, run)
        )

    def arrays(
        self, name: str, names: Sequence[str] | None = None, *, run: str | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the arrays of a step beside its table: spot pixels, histograms, ...

        Those of all runs together, or those of the partition of one.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> list(store.arrays("find_spots", ["pixel_offsets"], run="tiny_1"))
        ['pixel_offsets']
        """
        return read.steady(
            self.path, name, self.branch, lambda path: results.arrays(path, names, run)
        )

    def experiments(self, name: str, *, run: str | None = None) -> ExperimentList:
        """Return the models as a step left them, all or those of one run.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.experiments("refine")[0].crystal.space_group
        'I 21 3'
        """
        return read.steady(
            self.path, name, self.branch, lambda path: results.experiments(path, run)
        )

    def reflections(
        self, name: str, columns: Sequence[str] | None = None, *, run: str | None = None
    ) -> xr.Dataset:
        """Return a step's reflections as a lazy Dataset along `reflection`, of all runs or of one.

        Its columns are dask arrays, with units and meaning as attributes. Coordinates are `run`
        (where rows are of runs), `image` (number of the image, where the centroid along the scan
        is known) and the names of parts: `hkl_part` is h, k, l. `dxdask.storage.store.dataset` has
        `flags`, which decodes the column of that name, and `dataframe`, which gives one column for
        each part.

        Raises
        ------
        SchemaError
            A column is not there.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> merged = store.reflections("merged")
        >>> merged["intensity"].dims
        ('reflection',)
        """
        from dxdask.storage.store import dataset

        return read.steady(
            self.path, name, self.branch, lambda path: dataset.reflections(path, columns, run)
        )
