"""Simulation: the frames of a known crystal, for the demo and the tests.

simulate : the ensemble of parameters.
simulation : that ensemble, with its frames and truth.
parameters : `SimulationParameters`, with the preset `jet`.
geometry : the experiments as written in headers, and the true ones.
structure_factors : true intensities.
rays : diffracted beams of a sweep and of a still.
footprint : position, widths and photons of each spot on the detector.
render : spots added to the pixels of a frame.
recording : background, noise, gain switch, saturation and bad pixels.
raw : frames in ADU of a detector that is not calibrated.
shots : the shots of a run of stills.
truth : the true values, as JSON data.
"""

from dxdask.simulation.parameters import SimulationParameters, jet
from dxdask.simulation.simulate import simulate
from dxdask.simulation.simulation import Simulation

__all__ = [
    "Simulation",
    "SimulationParameters",
    "jet",
    "simulate",
]
