"""Models as nested dicts and tuples."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields, is_dataclass
from typing import Any

_NUMBERS = (float, int)


def as_plain(model: Any) -> dict[str, Any]:
    """Return a model as `dataclasses.asdict` does.

    Tuples of numbers are not copied, nor tuples of tuples that begin with a number: matrices at the
    points of a long scan take longer to copy than to write.
    """
    return {field.name: _plain(getattr(model, field.name)) for field in fields(model)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, *_NUMBERS)):
        return value
    if is_dataclass(value):
        return as_plain(value)
    if isinstance(value, tuple):
        return value if _of_numbers(value) else tuple(_plain(v) for v in value)
    return deepcopy(value)


def _of_numbers(value: tuple[Any, ...]) -> bool:
    while value and isinstance(value[0], tuple):
        value = value[0]
    return not value or isinstance(value[0], _NUMBERS)
