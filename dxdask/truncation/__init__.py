"""Truncation: amplitudes of merged intensities.

french_wilson : amplitudes, their errors, and the prior of a data set.
wilson : B factor.
prior : mean intensities by resolution, anisotropic, by maximum likelihood.
posterior : moments of the posterior distribution.
"""

from dxdask.truncation.french_wilson import Truncation, french_wilson, truncation_of

__all__ = ["Truncation", "french_wilson", "truncation_of"]
