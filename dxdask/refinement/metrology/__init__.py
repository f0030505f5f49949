"""Metrology: the positions of the panels of a detector from the indexed spots of many stills.

refine_metrology : the step. parameters : its parameters. messages, tables, rmsds : its report.
joint_refinement : detector and crystals of all stills, of odd and of even ones.
solve : least squares of detector and crystals together. panel_frames : panels as arrays.
congruence : the difference of two detectors, apart from what spots of stills do not determine.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.refinement.metrology.parameters import MetrologyParameters

if TYPE_CHECKING:
    from dxdask.refinement.metrology.refine_metrology import refine_metrology

__all__ = ["MetrologyParameters", "refine_metrology"]

on_demand(__name__, refine_metrology="refine_metrology")
