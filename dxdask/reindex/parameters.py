"""Parameters of reindexing; names and meaning as in DIALS."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from dxdask.parameters import Parameters, parameter
from dxdask.parameters.reference import ReferenceParameters


class ReindexParameters(Parameters):
    """Parameters of `reindex`: one of operator, solution, space group and reference."""

    change_of_basis_op: str | None = parameter(
        None,
        "New axes in terms of the old (b,c,a), Miller indices (k,l,h) or coordinates (y,z,x); "
        "None: a,b,c, or what space group or reference ask for.",
    )

    @field_validator("change_of_basis_op", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        """Return the text of an operator, which a command line splits at its commas."""
        return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value

    hkl_offset: tuple[int, int, int] | None = parameter(
        None, "Added to all Miller indices before the change of basis."
    )
    solution: int | None = parameter(
        None, "Number of a setting in the table of refine_bravais_settings.", ge=1
    )
    space_group: str | None = parameter(
        None,
        "Space group after the change of basis; without an operator the axes are chosen that the "
        "group has on this lattice.",
    )
    reference: ReferenceParameters = ReferenceParameters()
    lepage_max_delta: float = parameter(
        5.0,
        "Largest Le Page delta of a symmetry of the lattice, for space group and reference.",
        unit="degree",
        ge=0,
        expert=1,
    )
