"""Parameters of metrology, after cspad.cbf_metrology and dials.refine."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter

Freedom = Literal["shift", "distance", "turn", "tilt"]


class DetectorFreedom(Parameters):
    """What may move. A part moves about its centre, against the group that holds it."""

    whole: tuple[Freedom, ...] = parameter(
        ("shift", "distance", "tilt"),
        "Moves of the detector as a whole: shift across the beam, distance along it, tilt; a turn "
        "about the beam cannot be told from a turn of all crystals.",
    )
    parts: tuple[Freedom, ...] = parameter(
        ("shift", "turn"), "Moves of the groups and panels below."
    )
    hierarchy_level: int | None = parameter(
        None, "Smallest parts that move: 0 the whole, 1 the groups in it, ...; None: panels.", ge=0
    )
    shift_sigma: float = parameter(
        1.0, "How far parts may be expected to be shifted.", unit="mm", expert=1, gt=0.0
    )
    distance_sigma: float = parameter(
        5.0, "How far the distance may be off.", unit="mm", expert=1, gt=0.0
    )
    rotation_sigma: float = parameter(
        1.0, "How far parts may be expected to be turned or tilted.", unit="degree", expert=1,
        gt=0.0,
    )  # fmt: skip


class CellFreedom(Parameters):
    """What the cells of the crystals may do."""

    restraint: float | None = parameter(
        2e-4,
        "Relative spread of the crystals' cells about the target; it ties down the distance, "
        "which the cells alone do not tell. None: cells are free.",
        gt=0.0,
    )
    fix: bool = parameter(False, "Keep the cells at the target.")


class RmsdFilter(Parameters):
    """Leave out stills that fit badly."""

    enable: bool = parameter(True, "Whether to.")
    iqr_multiplier: float = parameter(
        1.5, "Interquartile ranges above the third quartile of RMSDs.", ge=0.0
    )


class MetrologyParameters(Parameters):
    """Of the joint refinement of detector and crystals."""

    n_subset: int | None = parameter(
        None, "Stills to use, evenly spread over those indexed; None: all.", ge=2
    )
    split_dataset: bool = parameter(
        True, "Refine against odd and even stills apart too, to see how well the two agree."
    )
    max_iterations: int = parameter(50, "Rounds of least squares at most.", expert=1, ge=1)
    detector: DetectorFreedom = DetectorFreedom()
    cell: CellFreedom = CellFreedom()
    rmsd_filter: RmsdFilter = RmsdFilter()
