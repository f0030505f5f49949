"""Frames as photons: corrected in the task that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from dxdask.calibration import Calibration, CalibrationParameters, correct
from dxdask.frame_block import FrameBlock, unreadable_frames
from dxdask.graphs.blocks import require_whole_frames

if TYPE_CHECKING:
    import dask.array as da


def calibrate(
    frames: da.Array, calibration: Calibration, parameters: CalibrationParameters | None = None
) -> da.Array:
    """Return the lazy frames corrected: photons (int32) or ADU (float32).

    frames : (frame, slow, fast) as recorded, whole frames in each chunk. Frames that could not be
    read stay zeros, with their reasons. The calibration is one entry of the graph, which all blocks
    share (13 bytes a pixel).

    Tasks: as many as `frames` has, + 1 (calibration), once Dask has fused the correction with what
    makes the blocks.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    """
    require_whole_frames(frames)
    parameters = parameters or CalibrationParameters()
    dtype = corrected_dtype(parameters)
    corrected: da.Array = frames.map_blocks(  # type: ignore[call-arg]
        correct_block,  # type: ignore[arg-type]
        calibration=delayed(
            calibration, name=f"calibration-{calibration.fingerprint}", traverse=False
        ),
        parameters=parameters,
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype=dtype),
        token="calibrate",
    )
    return corrected


def correct_block(
    frames: NDArray[Any], calibration: Calibration, parameters: CalibrationParameters
) -> FrameBlock:
    """Return a block of frames corrected; those that could not be read are zeros."""
    unreadable = unreadable_frames(frames)
    corrected = correct(np.asarray(frames), calibration, parameters)
    corrected[list(unreadable)] = 0
    return FrameBlock(corrected, unreadable)


def corrected_dtype(parameters: CalibrationParameters) -> np.dtype[Any]:
    """Return the dtype of corrected frames."""
    return np.dtype(np.int32 if parameters.output == "photons" else np.float32)
