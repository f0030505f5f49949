"""The frames of a known crystal, for the demo and the tests."""

from dxdask.simulation.footprint import Spots
from dxdask.simulation.parameters import SimulationParameters, jet, tiny
from dxdask.simulation.simulation import Simulation, simulate
from dxdask.simulation.structure_factors import TrueIntensities

__all__ = [
    "Simulation",
    "SimulationParameters",
    "Spots",
    "TrueIntensities",
    "jet",
    "simulate",
    "tiny",
]
