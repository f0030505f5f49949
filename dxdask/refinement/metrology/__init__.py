"""Metrology: the positions of the panels of a detector from the indexed spots of many stills.

refine_metrology : the step. parameters : its parameters. messages, tables, rmsds : its report.
joint_refinement : detector and crystals of all stills, of odd and of even ones.
solve, equations, residuals, blocks : least squares of detector and crystals together.
hierarchy, panel_frames : the parts of a detector and their moves; panels as arrays.
measurements, crystals, strain, outliers : spots and crystals of stills, outliers among them.
congruence : the difference of two detectors, apart from what spots of stills do not determine.
"""

from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.refinement.metrology.refine_metrology import refine_metrology

__all__ = ["MetrologyParameters", "refine_metrology"]
