"""Refinement: beams, detectors and crystals against the centroids of indexed reflections."""

from dxdask.refinement.parameters import RefinementParameters
from dxdask.refinement.predict import predict
from dxdask.refinement.step import refine

__all__ = ["RefinementParameters", "predict", "refine"]
