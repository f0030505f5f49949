"""Integrated reflections and their crystals in other axes; scale takes them instead."""

from __future__ import annotations

from dxdask.pipeline.declaration import Step, one_task
from dxdask.pipeline.steps.reindex import extras, parameters, reindexed

STEP = Step(
    name="reindex_integrated",
    title="Give integrated reflections other axes, by operator, space group or reference.",
    parameters=parameters,
    build=one_task(reindexed, "integrate", with_extras=True),
    needs=("integrate",),
    carries="integrate",
    extras=extras,
    example='change_of_basis_op="k,h,-l"',
)
