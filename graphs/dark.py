"""A dark run as a graph: one pass over the frames, sums a pixel, then what they say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.calibration.dark import Dark, dark_of_sums
from dxdask.calibration.dark_sums import (
    DarkSums,
    combine_dark_sums,
    dark_sums,
    outlier_frames,
    without,
)
from dxdask.calibration.model import panel_boxes
from dxdask.calibration.parameters import DarkParameters
from dxdask.graphs.blocked import Frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.frames import FrameBlock, frame_blocks
from dxdask.models import Detector

# the sums of a task take the room of some frames, so that few are held at a time
FAN_IN = 2


def pedestal(
    frames: Frames,
    detector: Detector,
    parameters: DarkParameters | None = None,
    *,
    fan_in: int = FAN_IN,
) -> Delayed:
    """Return pedestal, noise and bad pixels of a dark run as a Delayed `Dark`, equal to
    `dxdask.calibration.reduce_dark_run`.

    frames : (frame, slow, fast) as recorded, whole frames in each chunk; each is read once, but for
    those that stand out, which are read again to be taken from the sums. A frame that cannot be
    read is left out.

    Tasks: 2 a group of blocks (see `frame_blocks`) + `n_folds` of those + 1. What travels are sums:
    24 bytes a pixel. A task holds one block of the array and its sums, or `fan_in` + 1 sums.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError
        See `dxdask.calibration.reduce_dark_run`.
    """
    boxes = panel_boxes(detector)
    blocks = [block for block, _ in frame_blocks(frames, grouped=True)]
    part = delayed(_part, pure=True)
    parts = [part(block, boxes) for block in blocks]
    sums = tree_fold(parts, combine_dark_sums, fan_in=fan_in, label="add-dark")
    dark: Delayed = delayed(_dark, pure=True)(sums, blocks, boxes, parameters or DarkParameters())
    return dark


def _part(block: FrameBlock, boxes: NDArray[np.int64]) -> DarkSums:
    parts = [_read_sums(piece, boxes, None) for piece in block.pieces()]
    return combine_dark_sums(parts)


def _read_sums(
    piece: FrameBlock, boxes: NDArray[np.int64], only: NDArray[np.int64] | None
) -> DarkSums:
    """Return the sums over the frames of a piece that can be read, all or those of `only`."""
    frames, unread = piece.read_all_it_can()
    numbers = np.arange(piece.first, piece.first + len(piece))
    keep = ~np.isin(numbers, [piece.first + i for i in unread])
    if only is not None:
        keep &= np.isin(numbers, only)
    return dark_sums(frames[keep], boxes, numbers[keep].tolist())


def _dark(
    sums: DarkSums,
    blocks: Sequence[FrameBlock],
    boxes: NDArray[np.int64],
    parameters: DarkParameters,
) -> Dark:
    bad = outlier_frames(sums, parameters.n_mad_frame)
    for block in blocks if len(bad) else ():
        for piece in block.pieces():
            if np.any((bad >= piece.first) & (bad < piece.first + len(piece))):
                sums = without(sums, _read_sums(piece, boxes, bad))
    return dark_of_sums(sums, boxes, parameters, bad)
