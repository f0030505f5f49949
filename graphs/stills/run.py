"""Common input of the events of a run: models, masks, wavelengths, parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError, ParameterError
from dxdask.graphs.stills.parameters import StillsParameters
from dxdask.integration.context import usable_pixels
from dxdask.masking import panel_masks
from dxdask.models import Experiment, ExperimentList
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding.filters import needs_surroundings
from dxdask.spotfinding.images import ZRange, first_z, z_ranges
from dxdask.spotfinding.inputs import check_inputs
from dxdask.spotfinding.parameters import SpotfinderParameters


@dataclass(frozen=True, kw_only=True)
class StillsRun:
    """Models, masks, wavelengths and parameters that the events of a run share.

    Attributes
    ----------
    experiment : beam and detector, by which spots are indexed and integrated.
    index : what the column `experiment` is to hold.
    as_imported : the same from the files, by which spots and hits are found, so that
    these are the same whatever is refined later; see `filter.d_min`, `hits.d_min`.
    spot_masks : usable pixels (slow, fast) of each panel. mask : (slow, fast) of the frame.
    wavelengths : (n,) of the events, A. event_ids : (n,), -1 where there are none.
    maps : gain and pedestal of single pixels, in place of the panels'.
    """

    experiment: Experiment
    index: int
    as_imported: Experiment
    spot_masks: tuple[NDArray[np.bool_], ...]
    mask: NDArray[np.bool_]
    wavelengths: NDArray[np.float64]
    event_ids: NDArray[np.int64]
    parameters: StillsParameters
    maps: PixelMaps

    @property
    def experiments(self) -> ExperimentList:
        """The list whose member `index` is this run; it stands in for those before it."""
        return ExperimentList.of([self.experiment] * (self.index + 1))

    @property
    def experiments_as_imported(self) -> ExperimentList:
        """The same list of the models as imported."""
        return ExperimentList.of([self.as_imported] * (self.index + 1))

    @property
    def first_z(self) -> int:
        """Index of the first image."""
        return first_z(self.as_imported)

    @property
    def spotfinder(self) -> SpotfinderParameters:
        """Parameters of the spot finder, for which each event stands alone.

        Bad pixels are found before the events, by a sample of them.
        """
        return self.parameters.spotfinder.model_copy(
            update={"force_2d": True, "mask_bad_pixels": False}
        )

    @property
    def ranges(self) -> tuple[ZRange, ...]:
        """Of the images to look at."""
        return z_ranges(self.as_imported, self.spotfinder, len(self.wavelengths))

    def without(self, bad: NDArray[np.bool_] | None) -> StillsRun:
        """Return the run without bad pixels: (slow, fast), False where one is bad; None: as it is.

        Spots are not found on them, and reflections not integrated.
        """
        if bad is None:
            return self
        panels = self.as_imported.detector.panels
        return replace(
            self,
            mask=self.mask & bad,
            spot_masks=tuple(
                m & bad[p.slices] for m, p in zip(self.spot_masks, panels, strict=True)
            ),
        )


def stills_run(
    experiment: Experiment,
    shape: tuple[int, int, int],
    parameters: StillsParameters | None = None,
    *,
    index: int = 0,
    mask: NDArray[np.bool_] | None = None,
    spot_mask: NDArray[np.bool_] | None = None,
    geometry: Experiment | None = None,
    event_ids: NDArray[np.int64] | None = None,
    maps: PixelMaps | None = None,
) -> StillsRun:
    """Return the models, masks, wavelengths and parameters that the events of a run share.

    experiment : as imported. shape : (n, slow, fast) of the frames. mask : (slow, fast), True is
    good. spot_mask : the same for finding spots, where it differs. geometry : the models to index
    and integrate by, where they are known better. maps : gain and pedestal of single pixels.

    Raises
    ------
    InputError
        Frames, mask, maps, wavelengths or the geometry do not fit.
    ParameterError
        The parameters of spot finding take other events, or other frames, into account.
    """
    parameters = parameters or StillsParameters()
    spotfinder = parameters.spotfinder
    if needs_surroundings(spotfinder) or spotfinder.output.shoeboxes:
        raise ParameterError(
            "spotfinder.output.shoeboxes and filter.background_gradient take frames that are gone "
            "once the spots of a still are known; leave them out, or use dxdask find_spots"
        )
    if spot_mask is None:
        spot_mask = mask
    check_inputs(shape, experiment, spotfinder, mask=spot_mask, maps=maps)
    masks = panel_masks(experiment.detector, experiment.beam, spot_mask, spotfinder.filter)
    geometry = geometry or experiment
    _require_same_panels(experiment, geometry)
    return StillsRun(
        experiment=geometry,
        index=index,
        as_imported=experiment,
        spot_masks=masks,
        mask=usable_pixels(mask, geometry, (shape[1], shape[2])),
        wavelengths=_wavelengths(geometry, shape[0]),
        event_ids=np.full(shape[0], -1, np.int64) if event_ids is None else event_ids,
        parameters=parameters,
        maps=maps or PixelMaps(),
    )


def _require_same_panels(imported: Experiment, geometry: Experiment) -> None:
    """Refuse a geometry of another detector."""

    def cut(e: Experiment) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        return [(p.offset, p.image_size) for p in e.detector.panels]

    if cut(imported) != cut(geometry):
        raise InputError(
            f"the geometry given has {len(geometry.detector)} panels that take up "
            f"{geometry.detector.frame_shape} of the frame, {imported.run} has "
            f"{len(imported.detector)} that take up {imported.detector.frame_shape}, or they lie "
            "elsewhere in it; give input.reference_geometry of this detector"
        )


def _wavelengths(experiment: Experiment, n: int) -> NDArray[np.float64]:
    """Return the wavelength (n,) of each event, A."""
    beam = experiment.beam
    values = np.full(n, beam.wavelength) if beam.wavelengths is None else np.array(beam.wavelengths)
    if len(values) != n:
        raise InputError(
            f"{experiment.run} has {n} events and {len(values)} wavelengths; give one an event, or "
            "one for all with geometry.beam.wavelength"
        )
    if n and not (values > 0.0).any():
        raise InputError(
            f"none of the {n} events of {experiment.run} has a wavelength; give one for all with "
            "geometry.beam.wavelength"
        )
    return values
