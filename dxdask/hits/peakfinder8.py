"""Peaks of frames above the background of their ring: peakfinder8.

Source: Barty et al. 2014, J. Appl. Cryst. 47, 1118 (Cheetah), as run by CrystFEL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, concatenate, empty
from dxdask.errors import InputError
from dxdask.hits.parameters import HitParameters
from dxdask.hits.peaks import (
    BACKGROUND,
    N_FIELDS,
    PEAK,
    SIGMA,
    SIZE,
    SUM,
    VAR_X,
    VAR_Y,
    X0,
    X1,
    Y0,
    Y1,
    X,
    Y,
    find_peaks,
)
from dxdask.hits.rings import beam_rings, has_untrusted, ring_thresholds
from dxdask.models import Experiment

COLUMNS = (
    "experiment", "panel", "flags", "x", "y", "z", "x_variance", "y_variance", "z_variance",
    "bbox", "n_pixels", "peak", "intensity_sum", "intensity_sum_variance", "background_mean",
)  # fmt: skip


class Peakfinder8:
    """Finds the peaks of frames of one run, one frame at a time.

    It holds a workspace: not for two threads at once.

    Parameters
    ----------
    experiment : beam and detector.
    mask : (slow, fast) of the stored frame, True is good; None for all.
    parameters : None for the defaults.
    experiment_index : value of the column `experiment`.

    Raises
    ------
    InputError
        The mask does not fit the detector.
    """

    def __init__(
        self,
        experiment: Experiment,
        mask: NDArray[np.bool_] | None = None,
        parameters: HitParameters | None = None,
        *,
        experiment_index: int = 0,
    ) -> None:
        parameters = parameters or HitParameters()
        own, effective = parameters.peakfinder8, parameters.effective
        detector = experiment.detector
        needed = detector.frame_shape
        good = np.ones(needed, np.bool_) if mask is None else np.array(mask, np.bool_)
        if good.ndim != 2 or good.shape[0] < needed[0] or good.shape[1] < needed[1]:
            raise InputError(
                f"mask of {good.shape} does not hold the detector's frame of {needed} (slow, fast)"
            )
        for panel in detector.panels:
            for x0, y0, x1, y1 in panel.mask:
                good[panel.slices][y0:y1, x0:x1] = False
        self._panels = detector.panels
        self._good = good
        self._rings = beam_rings(detector, experiment.beam, good, own.ring_pixels)
        self._index = experiment_index
        self._snr, self._lowest = effective.min_snr, own.threshold
        self._limits = np.array(
            [effective.min_pixels, own.max_pixels, own.local_bg_radius, self._snr]
        )
        self._thresholds = np.empty(len(self._rings.offsets) - 1)
        largest = max(p.image_size[0] * p.image_size[1] for p in detector.panels)
        self._stack = np.empty(largest, np.int64)
        self._peaks = np.empty((own.max_peaks, N_FIELDS))
        self._seen = np.empty(good.shape, np.bool_)

    def __call__(self, frame: NDArray[Any], z: int) -> Reflections:
        """Return the peaks of a frame (slow, fast), ADU, by panel and first pixel.

        z : index of the image. Pixels outside the trusted range of their panel are not used.

        Raises
        ------
        InputError
            The frame is not of the shape of the mask.
        """
        if frame.shape != self._good.shape:
            raise InputError(f"frame of {frame.shape}, the mask is of {self._good.shape}")
        image = self._usable(np.ascontiguousarray(frame))
        rings = self._rings
        ring_thresholds(
            image.reshape(-1), rings.sample, rings.offsets, self._snr, self._lowest,
            self._thresholds,
        )  # fmt: skip
        self._seen[:] = False
        tables = []
        for i, panel in enumerate(self._panels):
            rows, columns = panel.slices
            box = np.array([columns.start, columns.stop, rows.start, rows.stop])
            n = find_peaks(
                image, rings.ring, self._thresholds, box, self._limits, self._seen, self._stack,
                self._peaks,
            )  # fmt: skip
            if n:
                tables.append(self._table(self._peaks[:n], i, z))
        return concatenate(tables) if tables else empty(COLUMNS)

    def _usable(self, frame: NDArray[Any]) -> NDArray[Any]:
        """Return the frame with NaN, which is in no sum, outside the trusted range."""
        out = frame
        for panel in self._panels:
            low, high = panel.trusted_range
            if not has_untrusted(frame[panel.slices], self._good[panel.slices], low, high):
                continue
            if out is frame:
                out = frame.astype(np.float64)
            own = frame[panel.slices]
            out[panel.slices][~((own > low) & (own < high))] = np.nan
        return out

    def _table(self, peaks: NDArray[np.float64], panel: int, z: int) -> Reflections:
        n = len(peaks)
        x0, y0 = self._panels[panel].offset
        box = np.empty((n, 6), np.int32)
        for column, (field, offset) in enumerate(((X0, x0), (X1, x0), (Y0, y0), (Y1, y0))):
            box[:, column] = peaks[:, field] - offset
        box[:, 4:] = [z, z + 1]
        variance = peaks[:, SUM] + peaks[:, SIZE] * peaks[:, SIGMA] ** 2
        return {
            "experiment": np.full(n, self._index, np.int32),
            "panel": np.full(n, panel, np.int32),
            "flags": np.full(n, Flag.STRONG, np.uint32),
            "x": peaks[:, X] - x0, "y": peaks[:, Y] - y0, "z": np.full(n, z + 0.5),
            "x_variance": peaks[:, VAR_X].copy(), "y_variance": peaks[:, VAR_Y].copy(),
            "z_variance": np.full(n, 1.0 / 12.0), "bbox": box,
            "n_pixels": peaks[:, SIZE].astype(np.int32), "peak": peaks[:, PEAK].astype(np.int32),
            "intensity_sum": peaks[:, SUM].copy(), "intensity_sum_variance": variance,
            "background_mean": peaks[:, BACKGROUND].copy(),
        }  # fmt: skip
