"""The unit cell with standard uncertainties, from the scattering angles of all reflections.

two_theta_refine : the step
parameters : its parameters
angles : observed scattering angles
fit : the metric tensor that fits them, and the cell with its uncertainties
"""

from dxdask.two_theta.parameters import TwoThetaParameters
from dxdask.two_theta.two_theta_refine import two_theta_refine

__all__ = ["TwoThetaParameters", "two_theta_refine"]
