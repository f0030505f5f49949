"""A range of images of a run: its models and rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Experiment

IMAGES = "images"
"""Key, among the parameters of a run in a store, of the first and last image it was made from."""

ImageRange = tuple[int, int]


def experiment_of_images(experiment: Experiment, images: ImageRange) -> Experiment:
    """Return the models with a scan, and a beam, of these images only."""
    scan, beam = experiment.scan, experiment.beam
    first, last = images
    rows = slice(first - experiment.first_image, last - experiment.first_image + 1)
    if scan is None or scan.image_range == images:
        return experiment
    scan = scan.part(rows.start, rows.stop)
    if beam.wavelengths is not None:
        beam = replace(beam, wavelengths=beam.wavelengths[rows])
    if beam.s0_at_scan_points is not None:
        s0 = beam.s0_at_scan_points[rows.start : rows.stop + 1]
        beam = replace(beam, s0_at_scan_points=s0)
    crystal = experiment.crystal
    if crystal is not None and crystal.scan_points is not None:
        # one at the start of each image, and one at the end of the last
        points = crystal.scan_points[rows.start : rows.stop + 1]
        crystal = replace(crystal, scan_points=points)
    profile = experiment.profile
    profile = None if profile is None else profile.of_images(rows)
    return replace(experiment, scan=scan, beam=beam, crystal=crystal, profile=profile)


def rows_of_images(z: Floats, images: ImageRange) -> NDArray[np.bool_]:
    """Return true for centroids (n,), z in images, that lie on these images."""
    image = np.floor(z) + 1
    return np.asarray((image >= images[0]) & (image <= images[1]))


def recorded_images(parameters: Mapping[str, Any]) -> ImageRange | None:
    """Return the images that a result of a run was made from; None: all."""
    found = parameters.get(IMAGES)
    return None if found is None else (int(found[0]), int(found[1]))
