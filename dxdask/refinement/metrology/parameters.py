"""Parameters of metrology, after cspad.cbf_metrology and dials.refine."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter
from dxdask.refinement.parameters import Freedom


class DetectorFreedom(Parameters):
    """Moves of the parts of the detector, about their centres, relative to their group."""

    whole: tuple[Freedom, ...] = parameter(
        ("shift", "distance", "tilt"),
        "Moves of the detector as a whole: shift across the beam, distance along it, tilt; a "
        "rotation about the beam cannot be distinguished from one of all crystals.",
    )
    parts: tuple[Freedom, ...] = parameter(
        ("shift", "rotation"), "Moves of the groups and panels below."
    )
    hierarchy_level: int | None = parameter(
        None,
        "Level of the smallest parts that move: 0 the whole, 1 its groups, ... None: panels.",
        ge=0,
    )
    shift_sigma: float = parameter(1.0, "Expected size of shifts.", unit="mm", expert=1, gt=0.0)
    distance_sigma: float = parameter(
        5.0, "Expected error of the distance.", unit="mm", expert=1, gt=0.0
    )
    rotation_sigma: float = parameter(
        1.0, "Expected size of rotations and tilts.", unit="degree", expert=1,
        gt=0.0,
    )  # fmt: skip


class CellFreedom(Parameters):
    """Cells of the crystals."""

    restraint: float | None = parameter(
        2e-4,
        "Relative standard deviation of cells about the target cell, which determines the "
        "distance. None: no restraint.",
        gt=0.0,
    )
    fix: bool = parameter(False, "Fix the cells at the target cell.")


class RmsdFilter(Parameters):
    """Rejection of stills by their RMSD."""

    enable: bool = parameter(True, "Enable the filter.")
    iqr_multiplier: float = parameter(
        1.5, "Interquartile ranges above the third quartile of RMSDs.", ge=0.0
    )


class MetrologyParameters(Parameters):
    """Parameters of the joint refinement of detector and crystals."""

    n_subset: int | None = parameter(
        None, "Number of stills to use, evenly spread over those indexed. None: all.", ge=2
    )
    split_dataset: bool = parameter(
        True, "Refine against odd and even stills separately too, and compare the two."
    )
    max_iterations: int = parameter(
        50, "Largest number of cycles of least squares.", expert=1, ge=1
    )
    detector: DetectorFreedom = DetectorFreedom()
    cell: CellFreedom = CellFreedom()
    rmsd_filter: RmsdFilter = RmsdFilter()
