"""A step's result in a store, as tasks of later steps read it: some columns, of some runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, concatenate, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.pipeline.images import ImageRange, experiment_of_images, rows_of_images
from dxdask.results import StepResult
from dxdask.still_columns import STILL_COLUMNS, Stills
from dxdask.storage.store.store import Store
from dxdask.tables import Table


@dataclass(frozen=True, kw_only=True)
class StoredResult:
    """One version of a step's result; small, so that it travels instead of the rows.

    Attributes
    ----------
    path, branch, step : where it is. identifier : of the version.
    images : first and last image that runs are restricted to.
    prints : fingerprints of runs that another version may have too: these are kept, and read from
        either version.
    """

    path: str
    branch: str
    step: str
    identifier: str
    images: Mapping[str, ImageRange] = field(default_factory=dict)
    prints: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, store: Store, step: str, prints: Mapping[str, str] = MappingProxyType({})
    ) -> StoredResult:
        """Return the present result of a step; prints : of runs that will be kept."""
        manifest = store.manifest(step)
        return cls(
            path=str(store.path), branch=manifest.branch, step=step, identifier=manifest.id,
            prints=prints,
        )  # fmt: skip

    def narrowed(self, images: Mapping[str, ImageRange]) -> StoredResult:
        """Return the result restricted to a range of images of some runs."""
        return replace(self, images=images)

    def columns(self, names: Sequence[str] | None = None, *, run: str | None = None) -> Reflections:
        """Return columns, all or some; rows of all runs or of one.

        Of one run the column `experiment` counts its own experiments.
        """
        if run is None:
            return self.of_runs(self.runs, names)[0] if self.images else self._rows(names, None)
        table = self._rows(names, run)
        if run not in self.images:
            return table
        return select(table, np.flatnonzero(self._on_images(run)))

    def pixels(self, names: Sequence[str] | None = None, *, run: str) -> dict[str, NDArray[Any]]:
        """Return arrays of the strong pixels of a run's spots, in the order of `columns`."""
        arrays = self.arrays(names, run=run)
        if run not in self.images:
            return arrays
        offsets, keep = arrays["pixel_offsets"], self._on_images(run)
        of_pixel = np.repeat(keep, np.diff(offsets))
        counts = np.diff(offsets)[keep]
        found = {n: v[of_pixel] for n, v in arrays.items() if len(v) == len(of_pixel)}
        new_offsets = np.concatenate([[0], np.cumsum(counts)]).astype(offsets.dtype)
        return {**found, "pixel_offsets": new_offsets}

    def saturated(self, *, run: str) -> dict[str, NDArray[Any]]:
        """Return arrays of the saturated pixels of a run; none where spots are older."""
        names = [f"saturated_{name}" for name in ("panel", "x", "y", "z", "value")]
        there = self._store(run).manifest(self.step).arrays
        if not set(names) <= set(there):
            return {}
        found = self.arrays(names, run=run)
        if run not in self.images:
            return found
        first, last = self.images[run]
        keep = (found["saturated_z"] >= first - 1) & (found["saturated_z"] < last)
        return {name: values[keep] for name, values in found.items()}

    def _rows(self, names: Sequence[str] | None, run: str | None) -> Reflections:
        store = self._store(run)
        table = store.columns(self.step, names, run=run)
        if run is not None and "experiment" in table:
            first = store.manifest(self.step).first_experiment(run)
            table["experiment"] = table["experiment"] - np.int32(first)
        return table

    def _on_images(self, run: str) -> NDArray[np.bool_]:
        # of integrated reflections the prediction: the centroid of a weak one is anywhere
        column = "z_cal" if self.present(["partiality"]) else "z"
        return rows_of_images(self._rows([column], run)[column], self.images[run])

    def of_runs(
        self, runs: Sequence[str], names: Sequence[str] | None = None
    ) -> tuple[Reflections, ExperimentList]:
        """Return columns, all or some, and models of some runs, in their order."""
        experiments = self.experiments()
        if set(runs) >= set(experiments.runs) and not self.images:
            return self.columns(names), experiments
        members = [i for i, m in enumerate(experiments.members) if m.run in runs]
        parts, first = [], 0
        for run in dict.fromkeys(experiments.members[i].run for i in members):
            table = self.columns(names, run=run)
            if "experiment" in table:
                table["experiment"] = table["experiment"] + np.int32(first)
            parts.append(table)
            first += sum(m.run == run for m in experiments.members)
        return concatenate(parts), ExperimentList.of([experiments[i] for i in members])

    def stills(self, runs: Sequence[str]) -> Stills:
        """Return the table of stills of some runs."""
        there = self._store().manifest(self.step).arrays
        names = [name for name in STILL_COLUMNS if name in there]
        if set(runs) >= set(self.runs) and not self.images:
            return self.arrays(names)
        parts: list[Stills] = []
        for run in (run for run in self.runs if run in runs):
            part: Stills = self.arrays(names, run=run)
            if run in self.images:
                first, last = self.images[run]
                part = select(part, (part["image"] >= first - 1) & (part["image"] < last))
            part["experiment"] = np.full_like(part["experiment"], len(parts))
            parts.append(part)
        return concatenate(parts)

    def present(self, names: Sequence[str]) -> list[str]:
        """Return those of these columns that there are."""
        there = self._store().manifest(self.step).columns
        return [name for name in names if name in there]

    def arrays(
        self, names: Sequence[str] | None = None, *, run: str | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return arrays, all or some; of all runs or of one."""
        return self._store(run).arrays(self.step, names, run=run)

    def pixel_map(self, name: str, *, run: str) -> NDArray[Any] | None:
        """Return a map (slow, fast) of one run; None where the step made none of this run."""
        entry = self._store(run).manifest(self.step).runs.get(run)
        if entry is None or name not in entry.arrays:
            return None
        found = self.arrays([name], run=run)[name]
        return found.reshape(found.shape[-2:])

    def experiments(self, *, run: str | None = None) -> ExperimentList:
        """Return the models as the step left them, of all runs or of one."""
        found = self._store(run).experiments(self.step, run=run)
        if not self.images:
            return found
        return ExperimentList.of(
            [
                experiment_of_images(e, self.images[e.run]) if e.run in self.images else e
                for e in found
            ]
        )

    def result(self, *, run: str | None = None) -> StepResult:
        """Return the whole result, of all runs or of one."""
        return self._store(run).read_step(self.step, run=run)

    def tables(self) -> tuple[Table, ...]:
        """Return the tables of all runs."""
        return self._store().tables(self.step)

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs that the result has."""
        return tuple(self._store().manifest(self.step).made_from)

    def _store(self, run: str | None = None) -> Store:
        store = Store.open(Path(self.path), mode="r", branch=self.branch)
        manifest = store.manifest(self.step)
        kept = run in self.prints and manifest.made_from.get(str(run)) == self.prints[str(run)]
        if manifest.id != self.identifier and not kept:
            raise InputError(
                f"{self.step} in {self.path} was replaced while it was being read; run the command "
                "again"
            )
        return store
