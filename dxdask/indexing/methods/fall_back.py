"""Methods of indexing tried one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from dxdask.errors import ConvergenceError, DxdaskError, InputError, plain
from dxdask.indexing.methods.search_lattices import METHODS, NEED_CELL, require_cell
from dxdask.indexing.parameters import IndexParameters
from dxdask.results import StepResult

LONGER = 2.0
"""Factor of `max_cell_estimation.multiplier` after the estimate has failed."""


class Attempt(NamedTuple):
    """Parameters that are tried, and their name in messages."""

    name: str
    parameters: IndexParameters


def attempts(parameters: IndexParameters) -> list[Attempt]:
    """Return what is tried: the chosen method, then longer cells, then others that apply.

    The longest edge is estimated from neighbours. In a narrow wedge the long axis may have none,
    where it is along the beam; so what comes second takes twice the estimate. With a cell or
    `max_cell` given there is no estimate.
    """
    first = Attempt(parameters.method, parameters)
    if not parameters.fall_back:
        return [first]
    others = [m for m in METHODS if m != parameters.method]
    if parameters.known_symmetry.unit_cell is not None:
        return [first, *(Attempt(m, _by(parameters, m)) for m in others)]
    others = [m for m in others if m not in NEED_CELL]
    if parameters.max_cell is not None:
        return [first, *(Attempt(m, _by(parameters, m)) for m in others)]
    estimation = parameters.max_cell_estimation
    estimation = estimation.model_copy(update={"multiplier": LONGER * estimation.multiplier})
    longer = parameters.model_copy(update={"max_cell_estimation": estimation})
    names = [parameters.method, *others]
    return [first, *(Attempt(f"{m}, longer cells", _by(longer, m)) for m in names)]


def _by(parameters: IndexParameters, method: str) -> IndexParameters:
    return parameters.model_copy(update={"method": method})


MOST_CHARACTERS = 120


def _short(reason: str) -> str:
    """Return the start of a reason, up to the advice that follows it."""
    first = reason.partition(";")[0]
    return first if len(first) <= MOST_CHARACTERS else first[: MOST_CHARACTERS - 4] + " ..."


def with_fall_back(
    parameters: IndexParameters, attempt: Callable[[IndexParameters], StepResult]
) -> StepResult:
    """Return the result of the first attempt (see `attempts`) that finds a lattice that fits.

    attempt : the indexing with some parameters. Messages say what failed before.

    Raises
    ------
    InputError
        The chosen method needs a known cell.
    ConvergenceError
        None does; the message has the reason of each on a line of its own, that of the chosen
        method first.
    """
    require_cell(parameters)
    reasons: list[str] = []
    first: type[DxdaskError] = ConvergenceError
    for name, given in attempts(parameters):
        try:
            result = attempt(given)
        except (ConvergenceError, InputError) as error:
            first = first if reasons else type(error)
            reasons.append(f"{name}: {_short(plain(error))}" if reasons else plain(error))
            continue
        if not reasons:
            return result
        tried = f"indexing.method={parameters.method} failed ({'; '.join(reasons)})"
        return replace(result, messages=(tried, f"Indexed by {name}", *result.messages))
    if len(reasons) > 1:
        raise first("\nalso tried: ".join(reasons))
    raise first(reasons[0])
