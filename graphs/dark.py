"""A dark run as a graph: one pass over the frames, then the pedestal from sums a pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
from dxdask.graphs.blocks import Block, block_ranges, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.literal import literal
from dxdask.models import Detector

if TYPE_CHECKING:
    import dask.array as da

# the sums of a task take the room of some frames, so that few are held at a time
FAN_IN = 3


def pedestal(
    frames: da.Array,
    detector: Detector,
    parameters: DarkParameters | None = None,
    *,
    fan_in: int = FAN_IN,
) -> Delayed:
    """Return pedestal, noise and bad pixels of a dark run as a Delayed `Dark`, equal to
    `dxdask.calibration.reduce_dark_run`.

    frames : (frame, slow, fast) as recorded, whole frames in each chunk; each is read once, but for
    those that stand out, which are read again to be taken from the sums. A frame that cannot be
    read is skipped.

    Tasks: 4 (panels, first frames, the array of frames, result) + 1 a block + `n_folds` of those +
    what the blocks of `frames` share (of a store's: 2). What travels are sums: 24 bytes a pixel. A
    task holds one block and its sums, or `fan_in` + 1 sums.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError
        See `dxdask.calibration.reduce_dark_run`.
    """
    boxes = literal(panel_boxes(detector))
    parts = map_frames(_sums_of_block, frames, [boxes], label="dark-sums")
    sums = tree_fold(parts, combine_dark_sums, fan_in=fan_in, label="add-dark", records=True)
    again = delayed(_Again(frames), name=f"again-{frames.name}", traverse=False)
    dark: Delayed = delayed(_dark, pure=True)(sums, again, boxes, parameters or DarkParameters())
    return dark


@dataclass(frozen=True)
class _Again:
    """Lazy frames that are handed to a task as they are, of which it may read a few."""

    frames: da.Array

    def sums(self, chosen: NDArray[np.int64], boxes: NDArray[np.int64]) -> Iterator[DarkSums]:
        """Yield the sums over the chosen frames, by their numbers in the run, block by block."""
        for number, block in enumerate(block_ranges(self.frames)):
            here = chosen[(chosen >= block.start) & (chosen < block.stop)]
            if here.size:
                frames = self.frames.blocks[number].compute(scheduler="synchronous")
                yield dark_sums(np.asarray(frames)[here - block.start], boxes, here.tolist())


def _sums_of_block(block: Block, boxes: NDArray[np.int64]) -> DarkSums:
    """Return the sums over the frames of a block that could be read."""
    keep = [i for i in range(len(block.frames)) if i not in block.unreadable]
    frames = block.frames[keep] if block.unreadable else block.frames
    return dark_sums(frames, boxes, [block.first + i for i in keep])


def _dark(
    sums: DarkSums, again: _Again, boxes: NDArray[np.int64], parameters: DarkParameters
) -> Dark:
    bad = outlier_frames(sums, parameters.n_mad_frame)
    for part in again.sums(bad, boxes):
        sums = without(sums, part)
    return dark_of_sums(sums, boxes, parameters, bad)
