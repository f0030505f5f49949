"""The step `integrate` for the stills of one run, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, check
from dxdask.geometry.required import require_crystal
from dxdask.integration.stills.block import integrate_block
from dxdask.integration.stills.context import stills_context
from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.models import Experiment, ExperimentList
from dxdask.models.pixel_maps import PixelMaps
from dxdask.results import StepResult
from dxdask.still_columns import Stills


def integrate_stills(
    frames: NDArray[Any],
    mask: NDArray[np.bool_],
    experiment: Experiment,
    stills: Stills,
    spots: Reflections,
    parameters: StillIntegrationParameters | None = None,
    *,
    first_image: int = 0,
    maps: PixelMaps | None = None,
) -> StepResult:
    """Integrate the indexed stills of one run by summation.

    Parameters
    ----------
    frames : (n, slow, fast) counts.
    mask : (slow, fast) bool, True is good.
    experiment : detector, beam, and a crystal of the space group.
    stills : rows of these frames; columns experiment, image, indexed, wavelength, a_matrix, and
        domain_size and half_mosaicity where known.
    spots : indexed, with hkl, panel, x, y, z and flags, and bbox where known.
    parameters : None for the defaults.
    first_image : index in the run of the first frame.
    maps : gain and pedestal of single pixels, in place of the panels'.

    Returns
    -------
    StepResult
        reflections in order of stills, then h, k, l, see `integrate_block`. arrays: the table of
        stills with domain_size, half_mosaicity, bandwidth and reason.

    Raises
    ------
    InputError
        There is no crystal, mask and frames differ in shape, or the frame of a still is missing.
    """
    parameters = parameters or StillIntegrationParameters()
    context = stills_context(
        experiment.detector,
        experiment.beam,
        require_crystal(experiment).space_group,
        d_min=parameters.prediction.d_min,
        d_max=parameters.prediction.d_max,
        maps=maps,
    )
    found = integrate_block(frames, first_image, stills, spots, mask, context, parameters)
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections=check(found.reflections),
        arrays=found.stills,
    )
