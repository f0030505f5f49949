"""Prediction of stills: lattice points that reach the Ewald sphere.

predict_still : reflections of one still.
predict_stills : reflections of several stills, as a table.
models : what the stills of a run share.
lattice, footprint : lattice points near the sphere, and their footprints on it.
spread : widths of the lattice points.
"""

from dxdask.prediction.stills.predict_still import Predictions, predict_still
from dxdask.prediction.stills.predict_stills import predict_stills

__all__ = ["Predictions", "predict_still", "predict_stills"]
