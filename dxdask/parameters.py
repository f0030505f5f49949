"""The base of every step's parameters: a frozen model that refuses what it does not know."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """Parameters of a step: fields with DIALS's names and defaults, nested in groups."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True
    )


def parameter(default: Any, doc: str, *, unit: str = "", expert: int = 0, **limits: Any) -> Any:
    """Declare a parameter: default, meaning, unit, expert level, limits (ge=, gt=, le=)."""
    extra: dict[str, Any] = {"unit": unit, "expert_level": expert}
    return Field(default, description=doc, json_schema_extra=extra, **limits)
