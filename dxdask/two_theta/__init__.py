"""The unit cell with standard uncertainties, from the scattering angles of all reflections.

two_theta_refine : the step
parameters : its parameters
angles : observed scattering angles
fit : the metric tensor that fits them, and the cell with its uncertainties
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.two_theta.parameters import TwoThetaParameters

if TYPE_CHECKING:
    from dxdask.two_theta.two_theta_refine import two_theta_refine

__all__ = ["TwoThetaParameters", "two_theta_refine"]

on_demand(__name__, two_theta_refine="two_theta_refine")
