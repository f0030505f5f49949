"""The base of every step's parameters: a frozen model that refuses what it does not know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo


class Parameters(BaseModel):
    """Parameters of a step: fields with DIALS's names and defaults, nested in groups.

    A field of several values (`tuple[X, ...]`) takes one without brackets, none as `None` or `()`,
    and pairs as a flat list: `fix=all`, `scan_range=1,10,20,30`.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, coerce_numbers_to_str=True
    )

    offered: ClassVar[Collection[str] | None] = None
    """The fields that a user may set and is shown; None: all."""

    @field_validator("*", mode="before")
    @classmethod
    def _several(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        item = item_of(field)
        if item is None or (value is None and type(None) in get_args(field.annotation)):
            return value
        if value is None or value == "()":
            return ()
        values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        return in_groups(values, item)


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


def item_of(field: FieldInfo) -> Any:
    """Return X where a field holds `tuple[X, ...]` or `tuple[X, ...] | None`, else None."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):
            return get_args(kind)[0]
    return None


def in_groups(values: tuple[Any, ...], item: Any) -> tuple[Any, ...]:
    """Return a flat list as groups of the size of `item`, where that is a tuple.

    It stays as it is where it is nested already, or does not fit.
    """
    size = len(get_args(item)) if get_origin(item) is tuple else 1
    if size == 1 or len(values) % size or any(isinstance(v, (list, tuple)) for v in values):
        return values
    return tuple(values[i : i + size] for i in range(0, len(values), size))
