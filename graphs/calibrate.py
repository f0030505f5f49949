"""Frames as photons: calibrated by whoever reads them, in the same task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from dxdask.calibration import Calibration, CalibrationParameters, correct
from dxdask.graphs.blocked import (
    BlockedFrames,
    FrameReader,
    Frames,
    SharedReaderFrames,
)
from dxdask.graphs.frames import require_whole_frames

if TYPE_CHECKING:
    import dask.array as da


@dataclass(frozen=True)
class CalibratedReader:
    """Frames of another reader as `dxdask.calibration.correct` leaves them."""

    reader: FrameReader
    calibration: Calibration
    parameters: CalibrationParameters

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frame, slow, fast)."""
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the corrected frames."""
        return _dtype(self.parameters)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames `first` to `last` (not included), (frame, slow, fast), corrected."""
        return correct(self.reader.read(first, last), self.calibration, self.parameters)

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        parameters = self.parameters.model_dump_json()
        return "dxdask-calibrated", self.reader, self.calibration.fingerprint, parameters


def calibrate(
    frames: Frames, calibration: Calibration, parameters: CalibrationParameters | None = None
) -> Frames:
    """Return the lazy frames corrected: photons (int32) or ADU (float32).

    frames : (frame, slow, fast) as recorded, whole frames in each chunk. `frame_blocks` hands them
    on as one task that reads and corrects; nothing corrected is kept or sent. The calibration is
    one entry of the graph, which all blocks share (13 bytes a pixel).

    Tasks: as many as `frames` has, + 1 (calibration); of a dask array 1 more a block.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    """
    require_whole_frames(frames)
    parameters = parameters or CalibrationParameters()
    if isinstance(frames, BlockedFrames):
        reader = CalibratedReader(frames.reader, calibration, parameters)
        return SharedReaderFrames(reader, frames.block)
    dtype = _dtype(parameters)
    corrected: da.Array = frames.map_blocks(  # type: ignore[call-arg]
        correct,  # type: ignore[arg-type]
        calibration=delayed(calibration, name=f"calibration-{calibration.fingerprint}"),
        parameters=parameters,
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype=dtype),
    )
    return corrected


def _dtype(parameters: CalibrationParameters) -> np.dtype[Any]:
    return np.dtype(np.int32 if parameters.output == "photons" else np.float32)
