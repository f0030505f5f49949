"""Merging of runs at several wavelengths, each apart.

Runs of one crystal at several wavelengths are scaled together, and their intensities differ by the
anomalous scattering, so that they are merged apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Reflections, concatenate, n_rows, select
from dxdask.errors import InputError
from dxdask.merging.isa import with_isa
from dxdask.merging.merge import merge
from dxdask.merging.parameters import MergingParameters
from dxdask.models import ExperimentList
from dxdask.models.wavelengths import wavelength_groups
from dxdask.results import StepResult
from dxdask.tables import Table


def merge_by_wavelength(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: MergingParameters,
    isa: float | None = None,
) -> StepResult:
    """Return what `merge` does, for each wavelength where there are several, with ISa.

    Then reflections have a column `wavelength`, by which they are sorted in the order of runs, and
    so have the rows of the tables.

    Parameters
    ----------
    reflections, experiments, parameters : as `merge`.
    isa : of the scaled data, None where it is not known.

    Raises
    ------
    SchemaError, InputError
        As `merge`, of any wavelength.
    """
    groups = wavelength_groups(experiments, parameters.wavelength_tolerance)
    if len(groups) < 2:
        return with_isa(merge(reflections, experiments, parameters), isa)
    results = []
    for wavelength, members in groups:
        rows = np.flatnonzero(np.isin(reflections["experiment"], members))
        try:
            found = merge(select(reflections, rows), experiments, parameters)
        except InputError as error:
            raise InputError(f"wavelength {wavelength:.5f}: {error}") from error
        column = np.full(n_rows(found.reflections), wavelength)
        found = with_isa(found, isa)
        results.append(replace(found, reflections={**found.reflections, "wavelength": column}))
    values = [wavelength for wavelength, _ in groups]
    tables = [
        Table.joined([_of(r.tables[i], w) for w, r in zip(values, results, strict=True)])
        for i in range(len(results[0].tables))
    ]
    listed = ", ".join(f"{w:.5f}" for w in values)
    return StepResult(
        experiments=experiments,
        reflections=concatenate([r.reflections for r in results]),
        tables=tuple(tables),
        messages=(
            f"Runs at {len(values)} wavelengths ({listed} A) are merged apart",
            *(
                f"Wavelength {w:.5f}: {line}"
                for w, r in zip(values, results, strict=True)
                for line in r.messages
            ),
        ),
    )


def _of(table: Table, wavelength: float) -> Table:
    """Return a table with the wavelength in each row."""
    return replace(
        table,
        rows=[{"wavelength": wavelength, **row} for row in table.rows],
        headings={"wavelength": ("lambda", ".5f"), **table.headings},
    )
