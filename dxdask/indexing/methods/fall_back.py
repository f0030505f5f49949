"""Methods of indexing tried one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from dxdask.errors import ConvergenceError, DxdaskError, InputError, plain
from dxdask.indexing.methods.search_lattices import METHODS, NEED_CELL, require_cell
from dxdask.indexing.parameters import IndexParameters
from dxdask.results import StepResult


def methods_to_try(parameters: IndexParameters) -> list[str]:
    """Return the names of the methods to try: the chosen one, then others that apply."""
    others = [m for m in METHODS if m != parameters.method] if parameters.fall_back else []
    if parameters.known_symmetry.unit_cell is None:
        others = [m for m in others if m not in NEED_CELL]
    return [parameters.method, *others]


MOST_CHARACTERS = 120


def _short(reason: str) -> str:
    """Return the start of a reason, up to the advice that follows it."""
    first = reason.partition(";")[0]
    return first if len(first) <= MOST_CHARACTERS else first[: MOST_CHARACTERS - 4] + " ..."


def with_fall_back(
    parameters: IndexParameters, attempt: Callable[[IndexParameters], StepResult]
) -> StepResult:
    """Return the result of the first method whose attempt finds a lattice that fits.

    attempt : the indexing, with the parameters of one method. Messages say what failed before.

    Raises
    ------
    InputError
        The chosen method needs a known cell.
    ConvergenceError
        None does; the message has the reason of each, that of the chosen method first.
    """
    require_cell(parameters)
    reasons: list[str] = []
    first: type[DxdaskError] = ConvergenceError
    for method in methods_to_try(parameters):
        try:
            result = attempt(parameters.model_copy(update={"method": method}))
        except (ConvergenceError, InputError) as error:
            first = first if reasons else type(error)
            reasons.append(f"{method}: {_short(plain(error))}" if reasons else plain(error))
            continue
        if not reasons:
            return result
        tried = f"indexing.method={parameters.method} failed ({'; '.join(reasons)})"
        return replace(result, messages=(tried, f"Indexed by {method}", *result.messages))
    if len(reasons) > 1:
        raise first(f"{reasons[0]}; also tried: {'; '.join(reasons[1:])}")
    raise first(reasons[0])
