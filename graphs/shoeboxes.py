"""The pixels around spots as a graph: frames are read once more, each by one task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.graphs.blocks import Block, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.boxes import Boxes
from dxdask.spotfinding.images import first_z
from dxdask.spotfinding.result import boxes_to_cut
from dxdask.spotfinding.shoeboxes import Cut, assemble, combine_cuts, cut_boxes

if TYPE_CHECKING:
    import dask.array as da

Masks: TypeAlias = Sequence[NDArray[np.bool_]]


def pixels_around_spots(
    frames: da.Array,
    part: Delayed,
    experiment: Delayed,
    masks: Delayed,
    parameters: Delayed,
    *,
    maps: Delayed | None = None,
    fan_in: int = 8,
) -> Delayed:
    """Return the pixels around the spots of a run, a lazy `Surroundings`.

    Parameters
    ----------
    frames : (frame, slow, fast), whole frames in each chunk, of all the run; the same as the spots
        were found in. No frame is read before all spots are found.
    part : the spots of the whole run, a `SpotPart`.
    experiment, masks, parameters : as spots were found with; masks one (slow, fast) a panel.
    maps : a lazy `PixelMaps`, None for none.
    fan_in : parts joined by one task.

    Returns
    -------
    Delayed
        Tasks: 3 (boxes, first frames, all in order) + 1 a block + `n_folds` of those + what the
        blocks of `frames` share (of a store's: 2). A task holds one block. What travels are the
        boxes and their pixels, 5 bytes each; the last task holds those of the run twice.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    """
    boxes = delayed(boxes_to_cut, pure=True)(part, experiment, parameters)
    shared = [boxes, experiment, masks, parameters, *([] if maps is None else [maps])]
    cuts = map_frames(_cut, frames, shared, label="cut-boxes")
    whole = tree_fold(cuts, combine_cuts, fan_in=fan_in, label="join-boxes", records=True)
    around: Delayed = delayed(assemble, pure=True)(whole, boxes)
    return around


def _cut(
    block: Block,
    boxes: Boxes,
    experiment: Experiment,
    masks: Masks,
    parameters: SpotfinderParameters,
    maps: PixelMaps | None = None,
) -> Cut:
    return cut_boxes(
        block.frames,
        boxes,
        experiment.detector,
        masks,
        parameters,
        first_z=first_z(experiment) + block.first,
        unread=block.unreadable,
        maps=maps,
    )
