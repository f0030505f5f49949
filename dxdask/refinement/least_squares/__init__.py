"""Least squares of beams, goniometers, detectors and crystals, for sweeps and stills alike.

local : the parameters that one reflection can depend on. rows : reflections as arrays.
rotation_rows, still_rows : residuals and gradients by these parameters.
sums : normal equations, the crystals apart. equations : their solution, the crystals eliminated.
minimise : Levenberg-Marquardt and Gauss-Newton. determined : parameters without data.
"""
