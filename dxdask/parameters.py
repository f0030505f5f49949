"""The base of every step's parameters: a frozen model that refuses what it does not know."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class Parameters(BaseModel):
    """Parameters of a step: fields with DIALS's names and defaults, nested in groups.

    A field of several values (`tuple[X, ...]`) takes one without brackets, none as `None` or `()`,
    and pairs as a flat list: `fix=all`, `scan_range=1,10,20,30`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _several(cls, value: Any, info: ValidationInfo) -> Any:
        annotation = cls.model_fields[str(info.field_name)].annotation
        item = _item_of(annotation)
        if item is None or (value is None and type(None) in get_args(annotation)):
            return value
        if value is None or value == "()":
            return ()
        values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        return _in_groups(values, len(get_args(item))) if get_origin(item) is tuple else values


def parameter(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    expert: int = 0,
    multiple: bool = False,
    **limits: Any,
) -> Any:
    """Declare a parameter: default, meaning, unit, expert level, limits (ge=, gt=, le=).

    multiple: whether each time that it is given adds a value; so it is for lists of lists and of
    groups in any case.
    """
    extra: dict[str, Any] = {"unit": unit, "expert_level": expert, "multiple": multiple}
    return Field(default, description=doc, json_schema_extra=extra, **limits)


def _item_of(annotation: Any) -> Any:
    """Return X of `tuple[X, ...]` or `tuple[X, ...] | None`; None for any other type."""
    for kind in (annotation, *get_args(annotation)):
        if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):
            return get_args(kind)[0]
    return None


def _in_groups(values: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """Return a flat list cut into groups of `size`; as it is where it is nested or does not fit."""
    if len(values) % size or any(isinstance(v, (list, tuple)) for v in values):
        return values
    return tuple(values[i : i + size] for i in range(0, len(values), size))
