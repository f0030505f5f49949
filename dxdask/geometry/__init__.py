"""Geometry of diffraction that several steps share.

rays : diffracted beams of a rotating crystal.
still_rays : diffracted beams of a still, and their derivatives.
scattering : scattering vectors of the spots of stills.
resolution : lattice spacings at positions on a detector.
required : the models that a step needs.
"""
