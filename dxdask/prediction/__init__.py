"""Prediction: the reflections that crystals give on detectors.

step : the step `predict`.
predict_all : the function for sweeps, whose crystals may vary along the scan, and for stills.
parameters : its parameters.
sweep : reflections of one sweep.
candidates, lattice_rows, absences : lattice points that may cross the Ewald sphere during a scan.
crossings, varying, one_crossing : angles at which they cross, of a static or a varying crystal.
varying_beam : beams that vary, as crystals that do.
recorded, rays : positions on the panels.
stills : lattice points near the Ewald sphere of a still.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.prediction.parameters import PredictionParameters

if TYPE_CHECKING:
    from dxdask.prediction.predict_all import predict_all

__all__ = ["PredictionParameters", "predict_all"]

on_demand(__name__, predict_all="predict_all")
