"""All parameters of an experiment list as one vector, and the models at any value of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.geometry.required import require_crystal
from dxdask.models import ExperimentList
from dxdask.models.vectors import matrix
from dxdask.refinement import cell
from dxdask.refinement.blocks import BeamBlock, CellBlock, DetectorBlock, OrientationBlock
from dxdask.refinement.geometry import goniometer_frames
from dxdask.refinement.normal import FIRST_BEAM, FIRST_DETECTOR, N_LOCAL, State
from dxdask.refinement.parameters import Parameterisation as Choices

Block: TypeAlias = OrientationBlock | CellBlock | BeamBlock | DetectorBlock
_Unplaced: TypeAlias = tuple[str, int, Block, Iterable[int]]

FIXED_OF_DETECTOR = {
    None: (),
    "all": range(6),
    "position": (0, 1, 2),
    "orientation": (3, 4, 5),
    "distance": (0, 4, 5),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """One block: of which model, where its values stand, and which of them are free.

    Attributes
    ----------
    kind : "orientation", "cell", "beam" or "detector".
    model : index of the model in the list's tuple of its kind.
    first : place of its first value among all values, fixed ones too.
    free : (k,) bool.
    """

    kind: str
    model: int
    block: Block
    first: int
    free: NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        """Names as DIALS gives them: "Detector1Dist", "Crystal1g_star_0"."""
        of = "Crystal" if self.kind in ("orientation", "cell") else self.kind.capitalize()
        return tuple(f"{of}{self.model + 1}{name}" for name in self.block.names)

    @property
    def values(self) -> slice:
        """Where its values stand among all values."""
        return slice(self.first, self.first + len(self.free))


@dataclass(frozen=True, kw_only=True, slots=True)
class Parameterisation:
    """The blocks of an experiment list: a model that experiments share has one.

    Attributes
    ----------
    experiments : the models at the start.
    blocks : in the order beams, orientations, cells, detectors.
    start : values (m,) of all parameters at the start, fixed ones too.
    free : (m,) bool, those that are refined.
    """

    experiments: ExperimentList
    blocks: tuple[Placed, ...]
    start: Floats
    free: NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that are refined."""
        every = [name for b in self.blocks for name in b.names]
        return tuple(name for name, is_free in zip(every, self.free, strict=True) if is_free)

    def block(self, kind: str, model: int) -> Placed:
        """Return the block of one model."""
        return next(b for b in self.blocks if b.kind == kind and b.model == model)

    def members_of(self, block: Placed) -> list[int]:
        """Return the experiments whose models the block describes."""
        kind = "crystal" if block.kind in ("orientation", "cell") else block.kind
        members = self.experiments.members
        return [i for i, m in enumerate(members) if getattr(m, kind) == block.model]

    def every(self, refined: Floats) -> Floats:
        """Return all values (m,) for those that are refined."""
        out = self.start.copy()
        out[self.free] = refined
        return out

    def state(self, refined: Floats) -> State:
        """Return the models, and their derivatives, as arrays.

        Raises
        ------
        ConvergenceError
            The values make no cell.
        """
        values = self.every(refined)
        done = {(b.kind, b.model): self._compose(b, values[b.values]) for b in self.blocks}
        frames, m2 = goniometer_frames(self.experiments)
        n = len(self.experiments)
        settings, d_settings = np.full((n, 3, 3), np.nan), np.zeros((n, FIRST_BEAM, 3, 3))
        s0, d_s0 = np.full((n, 3), np.nan), np.zeros((n, 3, 3))
        for i, m in enumerate(self.experiments.members):
            if m.crystal is None:
                continue
            u, d_u = done["orientation", m.crystal]
            b, d_b = done["cell", m.crystal]
            settings[i] = frames[i] @ u @ b
            d_settings[i, :3] = frames[i] @ d_u @ b
            d_settings[i, 3 : 3 + len(d_b)] = frames[i] @ u @ d_b
            s0[i], d_s0[i] = done["beam", m.beam]
        panels = [done["detector", k] for k in range(len(self.experiments.detectors))]
        d = np.concatenate([p[0] for p in panels])
        return State(
            settings=settings,
            d_settings=d_settings,
            s0=s0,
            d_s0=d_s0,
            m2=m2,
            inverse_d=np.linalg.inv(d),
            d_panels=np.ascontiguousarray(np.concatenate([p[1].swapaxes(0, 1) for p in panels])),
            columns=self.columns(),
        )

    @staticmethod
    def _compose(block: Placed, values: Floats) -> tuple[Floats, Floats]:
        try:
            return block.block.compose(values)
        except np.linalg.LinAlgError:
            raise ConvergenceError(
                f"the cell of crystal {block.model + 1} is impossible (G* is not positive); "
                "start from a better model or set parameterisation.crystal.fix=cell"
            ) from None

    def columns(self) -> NDArray[np.int64]:
        """Return the place (e, `N_LOCAL`) of each parameter among the refined, or -1."""
        place = np.where(self.free, np.cumsum(self.free) - 1, -1)
        at = {"orientation": 0, "cell": 3, "beam": FIRST_BEAM, "detector": FIRST_DETECTOR}
        out = np.full((len(self.experiments), N_LOCAL), -1, dtype=np.int64)
        for b in self.blocks:
            out[self.members_of(b), at[b.kind] : at[b.kind] + len(b.free)] = place[b.values]
        return out

    def models(self, refined: Floats, covariance: Floats | None = None) -> ExperimentList:
        """Return the experiments at these values; their `covariance` (k, k) gives the cells' su."""
        values, new = self.every(refined), self.experiments
        beams, crystals, detectors = list(new.beams), list(new.crystals), list(new.detectors)
        for b in self.blocks:
            part = values[b.values]
            if isinstance(b.block, BeamBlock):
                beams[b.model] = b.block.model(part)
            elif isinstance(b.block, DetectorBlock):
                detectors[b.model] = b.block.model(part)
            elif isinstance(b.block, CellBlock):
                o = self.block("orientation", b.model)
                u, _ = o.block.compose(values[o.values])
                crystals[b.model] = replace(
                    crystals[b.model],
                    a_matrix=matrix(u @ b.block.compose(part)[0]),
                    scan_points=None,
                    cell_su=self._cell_su(b, b.block, part, covariance),
                )
        return replace(
            new, beams=tuple(beams), crystals=tuple(crystals), detectors=tuple(detectors)
        )

    def _cell_su(
        self, placed: Placed, block: CellBlock, values: Floats, covariance: Floats | None
    ) -> tuple[float, ...] | None:
        if covariance is None or not placed.free.any():
            return None
        place = (np.cumsum(self.free) - 1)[placed.values][placed.free]
        slopes = cell.cell_derivatives(values, block.basis)[:, placed.free]
        variances = np.einsum("ij,jk,ik->i", slopes, covariance[np.ix_(place, place)], slopes)
        return tuple(float(v) for v in np.sqrt(np.maximum(variances, 0.0)))


def parameterise(experiments: ExperimentList, choices: Choices) -> Parameterisation:
    """Return the parameters of these experiments, with what `choices` keeps fixed.

    Models of experiments without a crystal only have none.

    Raises
    ------
    InputError
        An experiment is a still, or none has a crystal.
    """
    _, m2 = goniometer_frames(experiments)
    first: dict[str, dict[int, int]] = {"beam": {}, "crystal": {}, "detector": {}}
    for i, m in enumerate(experiments.members):
        if m.crystal is None:
            continue
        for kind, seen in first.items():
            seen.setdefault(getattr(m, kind), i)
    if experiments.members and not first["crystal"]:
        require_crystal(experiments[0])
    keep = _fixed_of_beam(choices)
    blocks: list[_Unplaced] = [
        ("beam", k, BeamBlock.of(experiments.beams[k], m2[i]), keep)
        for k, i in sorted(first["beam"].items())
    ]
    for k in sorted(first["crystal"]):
        blocks += _crystal_blocks(experiments, k, choices)
    for k, detector in enumerate(experiments.detectors):
        fix = choices.detector.fix if k in first["detector"] else "all"
        blocks.append(("detector", k, DetectorBlock.of(detector), FIXED_OF_DETECTOR[fix]))
    return _placed(experiments, blocks)


def _crystal_blocks(experiments: ExperimentList, index: int, choices: Choices) -> list[_Unplaced]:
    crystal, fix = experiments.crystals[index], choices.crystal.fix
    orientation, lattice = OrientationBlock.of(crystal), CellBlock.of(crystal)
    return [
        ("orientation", index, orientation, range(3) if fix in ("all", "orientation") else ()),
        ("cell", index, lattice, range(len(lattice.start)) if fix in ("all", "cell") else ()),
    ]


def _fixed_of_beam(choices: Choices) -> list[int]:
    fix = choices.beam.fix
    if "all" in fix:
        return [0, 1, 2]
    return [
        i for i, n in enumerate(("in_spindle_plane", "out_spindle_plane", "wavelength")) if n in fix
    ]


def _placed(experiments: ExperimentList, blocks: list[_Unplaced]) -> Parameterisation:
    out, first = [], 0
    for kind, model, block, fixed in blocks:
        free = np.ones(len(block.start), dtype=bool)
        free[list(fixed)] = False
        out.append(Placed(kind=kind, model=model, block=block, first=first, free=free))
        first += len(free)
    return Parameterisation(
        experiments=experiments,
        blocks=tuple(out),
        start=np.concatenate([b.block.start for b in out]),
        free=np.concatenate([b.free for b in out]),
    )


def with_fixed(parameters: Parameterisation, fixed: Iterable[Placed]) -> Parameterisation:
    """Return the parameters with these blocks fixed at their start."""
    free = parameters.free.copy()
    chosen = {(b.kind, b.model) for b in fixed}
    blocks = []
    for b in parameters.blocks:
        if (b.kind, b.model) in chosen:
            free[b.values] = False
            b = replace(b, free=np.zeros_like(b.free))
        blocks.append(b)
    return replace(parameters, blocks=tuple(blocks), free=free)
