"""A factor of each image beside the smooth scale, where intensities jump from image to image.

As of wedges of stills at sources whose pulses differ, or of a beam that is lost for some images. A
reflection has the factor of the image that its centre is on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.scaling.components import Index, rows_by_experiment
from dxdask.scaling.variables import Variables

MOST_BYTES = 1 << 30
"""Of the blocks of the normal equations, which are as large as the longest scan for each sweep."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageComponent:
    """The logarithm of a factor of each image, restrained to zero.

    ranges : first image, as array index, and number of images of each experiment.
    """

    ranges: Sequence[tuple[int, int]]
    weight: float
    name: str = "image_scale"
    is_level: bool = False
    needs: frozenset[str] = frozenset()

    @property
    def owners(self) -> Index:
        """Experiment (m,) of each parameter."""
        counts = [n for _, n in self.ranges]
        return np.repeat(np.arange(len(counts), dtype=np.int32), counts)

    @property
    def restraint(self) -> Floats:
        """Weights (m,) of the restraints to zero."""
        return np.full(sum(n for _, n in self.ranges), self.weight)

    def design(self, variables: Variables) -> tuple[Index, Floats]:
        """Return the parameter (n, 1) of each observation, and d log g / d p."""
        index = np.zeros((len(variables.z), 1), dtype=np.int32)
        place = 0
        each = rows_by_experiment(variables.experiment, len(self.ranges))
        for (first, n), rows in zip(self.ranges, each, strict=True):
            image = np.floor(variables.z[rows]).astype(np.int64) - first
            index[rows, 0] = place + np.clip(image, 0, n - 1)
            place += n
        return index, np.ones((len(variables.z), 1))


def image_component(experiments: ExperimentList, weight: float) -> ImageComponent:
    """Return the factors of all images.

    Raises
    ------
    InputError
        The scans are so long and many that the fit would take more than 1 GiB for them.
    """
    scans = [e.scan for e in experiments]
    ranges = [(0, 1) if s is None else (int(s.array_range[0]), s.n_images) for s in scans]
    n_bytes = 8 * len(ranges) * max(n for _, n in ranges) ** 2
    if n_bytes > MOST_BYTES:
        raise InputError(
            f"factors of the images of {len(ranges)} sweeps of up to {max(n for _, n in ranges)} "
            f"images take {n_bytes / 2**30:.1f} GiB; scale fewer runs (runs=), or set "
            "physical.scale_interval to the width of a few images instead of image_scales"
        )
    return ImageComponent(ranges=tuple(ranges), weight=weight)
