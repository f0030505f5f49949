"""Spot finding: the strong spots of frames, with their centroids and intensities.

Modules, in the order of the data:

find_spots : the step, in memory; `dxdask.graphs.spots` runs the same functions in tasks.
parameters : `SpotfinderParameters`.
inputs : checks of frames, models and parameters before anything is read.
images : the images that are used.
thresholds : strong pixels of an image.
panel_photons : photons of the pixels of one panel.
panel_pixels : strong pixels of one panel, frame by frame.
extract : strong pixels of consecutive frames.
workspaces : memory that the tasks of a run use one after another.
label : connected components of strong pixels.
adjacency : spots that continue in the next block of frames.
parts : spots of a block of frames, and their combination.
spot_lists : strong pixels, spot by spot.
offsets : offsets of ragged lists.
centroid : centroid, variances, bounding box, intensity and peak of each spot.
boxes, shoeboxes : all pixels of the spots' bounding boxes.
filters : filters of spots.
hot : pixels that are strong on every image.
saturated : saturated pixels of the frames.
keys : numbers of the pixels of all panels.
pixel_evidence : evidence for bad pixels.
sharp_pixels, unlit_pixels : strong pixels without a spot around them; pixels without counts.
bad_pixels : bad pixels by that evidence.
sampled_bad_pixels : those of stills, by a sample of the images.
without_pixels : spots without bad pixels.
reports : messages, tables and the plot of counts.
result : the `StepResult` of a run, and of an ensemble.
"""

from typing import TYPE_CHECKING

from dxdask.on_demand import on_demand
from dxdask.spotfinding.parameters import SpotfinderParameters

if TYPE_CHECKING:
    from dxdask.spotfinding.find_spots import find_spots

__all__ = ["SpotfinderParameters", "find_spots"]

on_demand(__name__, find_spots="find_spots")
