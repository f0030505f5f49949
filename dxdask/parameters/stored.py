"""Parameters as a store recorded them, perhaps by another version."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError

from dxdask.parameters.model import Parameters

P = TypeVar("P", bound=Parameters)


def stored_parameters(model: type[P], values: Mapping[str, Any]) -> P:
    """Return the parameters of a model from stored values.

    Those that the model does not have or accept any more are at their defaults.

    Parameters
    ----------
    model : of the step's parameters. values : nested, as `model_dump(mode="json")` gives them.
    """
    accepted: dict[str, Any] = deepcopy(dict(values))
    while True:
        try:
            return model.model_validate(accepted)
        except ValidationError as error:
            for problem in error.errors():
                _remove(accepted, problem["loc"])


def _remove(values: dict[str, Any], place: tuple[int | str, ...]) -> None:
    """Remove the value at a place, or the group or list of values that it is in."""
    first, *rest = place
    inner = values.get(str(first))
    if rest and isinstance(inner, dict) and rest[0] in inner:
        _remove(inner, tuple(rest))
    else:
        values.pop(str(first), None)
