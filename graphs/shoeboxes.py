"""The pixels around spots as a graph: frames are read once more, each by one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.graphs.blocked import Frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.frames import FrameBlock, frame_blocks
from dxdask.models import Experiment
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.boxes import Boxes, overlapping
from dxdask.spotfinding.images import first_z
from dxdask.spotfinding.result import boxes_to_cut
from dxdask.spotfinding.shoeboxes import Cut, assemble, combine_cuts, cut_boxes

Masks: TypeAlias = Sequence[NDArray[np.bool_]]


def pixels_around_spots(
    frames: Frames,
    part: Delayed,
    experiment: Delayed,
    masks: Delayed,
    parameters: Delayed,
    *,
    fan_in: int = 8,
) -> Delayed:
    """Return the pixels around the spots of a run, a lazy `Surroundings`.

    Parameters
    ----------
    frames : (frame, slow, fast), whole frames in each chunk, of all the run; the same as the spots
        were found in. No frame is read before all spots are found.
    part : the spots of the whole run, a `SpotPart`.
    experiment, masks, parameters : as spots were found with; masks one (slow, fast) a panel.
    fan_in : parts joined by one task.

    Returns
    -------
    Delayed
        Tasks: 2 (boxes, all in order) + 2 a group of blocks + `n_folds` of those; there are
        `n_groups` groups, and a task holds one block at a time. What travels are the boxes and
        their pixels, 5 bytes each; the last task holds those of the run twice.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    """
    boxes = delayed(boxes_to_cut, pure=True)(part, experiment, parameters)
    cut = delayed(_cut, pure=True)
    blocks = frame_blocks(frames, grouped=True)
    cuts = [cut(block, boxes, experiment, masks, parameters) for block, _ in blocks]
    whole = tree_fold(cuts, combine_cuts, fan_in=fan_in, label="join-boxes")
    around: Delayed = delayed(assemble, pure=True)(whole, boxes)
    return around


def _cut(
    block: FrameBlock,
    boxes: Boxes,
    experiment: Experiment,
    masks: Masks,
    parameters: SpotfinderParameters,
) -> Cut:
    cuts = [_of_piece(p, boxes, experiment, masks, parameters) for p in block.pieces()]
    return combine_cuts(cuts)


def _of_piece(
    piece: FrameBlock,
    boxes: Boxes,
    experiment: Experiment,
    masks: Masks,
    parameters: SpotfinderParameters,
) -> Cut:
    z = first_z(experiment) + piece.first
    frames, unread = np.empty((0, *piece.shape[1:]), piece.dtype), dict[int, str]()
    if overlapping(boxes, z, z + len(piece)).size:
        frames, unread = piece.read_all_it_can()
    return cut_boxes(
        frames, boxes, experiment.detector, masks, parameters, first_z=z, unread=unread
    )
