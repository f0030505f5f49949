"""Levenberg-Marquardt and Gauss-Newton least squares on normal equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.refinement.least_squares.equations import Equations, Step, solve

State = TypeVar("State")
Engine = Literal["LevMar", "GaussNewton"]

MAX_ITERATIONS = 100
MAX_REJECTED = 12

# Relative to the diagonal; starting models are near the minimum, where nearly full steps are right.
FIRST_DAMPING = 1e-5

# Relative change of every RMSD below which refinement has converged (DIALS's).
RMSD_CHANGE = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """RMSDs (3,) x, y (mm) and phi or delta psi (rad), and number of reflections, of a cycle."""

    rmsds: Floats
    n: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Minimum(Generic[State]):
    """The minimum reached.

    Attributes
    ----------
    state : of the models. equations : there. cycles : the start and each step.
    reason : of termination, in words.
    """

    state: State
    equations: Equations
    cycles: tuple[Cycle, ...]
    reason: str


def minimise(
    evaluate: Callable[[State], Equations],
    move: Callable[[State, Step], State],
    start: State,
    *,
    engine: Engine = "LevMar",
    max_iterations: int | None = None,
) -> Minimum[State]:
    """Return the minimum from `start`, reached when no RMSD changes by more than 1e-4.

    LevMar: damping after Nielsen (1999), as in cctbx: mu times max(1/3, 1 - (2 rho - 1)^3) after a
    step with rho of the expected gain, else times nu, which doubles. The damping is relative to the
    diagonal (Marquardt, 1963), so that it does not depend on the units of parameters. GaussNewton:
    full steps as long as the objective decreases.

    evaluate : returns the equations of a state. move : returns the state after a step.
    """
    state, now = start, evaluate(start)
    cycles = [Cycle(rmsds=now.rmsds, n=now.n)]
    damping, growth, rejected = (FIRST_DAMPING if engine == "LevMar" else 0.0), 2.0, 0
    limit = MAX_ITERATIONS if max_iterations is None else max_iterations
    reason = "Reached maximum number of iterations"
    while len(cycles) <= limit:
        step = _solved(now, damping)
        if step.expected <= 0.0 or rejected >= MAX_REJECTED:
            reason = "Target no longer decreasing"
            break
        tried = _try(evaluate, move, state, step)
        gain = -1.0
        if tried is not None:
            then = tried.equations
            gain = (now.objective - then.objective * now.n / then.n) / step.expected
        if tried is None or not gain > 0.0:
            if engine == "GaussNewton":
                reason = "Target no longer decreasing"
                break
            damping, growth, rejected = damping * growth, 2.0 * growth, rejected + 1
            continue
        damping *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
        growth, rejected = 2.0, 0
        state, before, now = tried.state, now, tried.equations
        cycles.append(Cycle(rmsds=now.rmsds, n=now.n))
        if _has_converged(before, now):
            reason = "RMSD no longer decreasing"
            break
    return Minimum(state=state, equations=now, cycles=tuple(cycles), reason=reason)


def _solved(now: Equations, damping: float) -> Step:
    try:
        return solve(now, damping)
    except np.linalg.LinAlgError:
        raise ConvergenceError(
            "the normal matrix is singular: fix some parameters (parameterisation....fix)"
        ) from None


class _Tried(NamedTuple, Generic[State]):
    """A state after a step, and the equations there."""

    state: State
    equations: Equations


def _try(
    evaluate: Callable[[State], Equations],
    move: Callable[[State, Step], State],
    state: State,
    step: Step,
) -> _Tried[State] | None:
    try:
        moved = move(state, step)
        then = evaluate(moved)
    except ConvergenceError:
        return None
    return _Tried(moved, then) if then.n > 0 and np.isfinite(then.objective) else None


def _has_converged(before: Equations, now: Equations) -> bool:
    """Return true if no RMSD changed and a full step would not lower the objective."""
    change = np.abs(before.rmsds - now.rmsds)
    if not (change <= RMSD_CHANGE * now.rmsds).all():
        return False
    return _solved(now, 0.0).expected <= RMSD_CHANGE * now.objective
