"""Integrated reflections and their crystals in other axes; scale takes them instead."""

from __future__ import annotations

from dxdask.pipeline.declaration import Step
from dxdask.pipeline.steps.reindex import builder, extras, parameters

STEP = Step(
    name="reindex_integrated",
    title="Give integrated reflections other axes, by operator, space group or reference.",
    parameters=parameters,
    build=builder("integrate"),
    needs=("integrate",),
    carries="integrate",
    extras=extras,
    example='change_of_basis_op="k,h,-l"',
)
