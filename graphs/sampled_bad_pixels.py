"""Bad pixels of stills as a graph: the images of a sample, read before those of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dask.base import tokenize
from dask.delayed import Delayed, delayed

from dxdask.arrays import Mask
from dxdask.graphs.blocks import Block, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.sampled_bad_pixels import (
    SampleEvidence,
    bad_pixels_of_sample,
    combine_samples,
    evidence_of_images,
)
from dxdask.spotfinding.workspaces import Workspaces

if TYPE_CHECKING:
    import dask.array as da


def sampled_bad_pixels(
    sample: da.Array,
    experiment: Delayed,
    masks: Delayed,
    parameters: Delayed,
    *,
    maps: Delayed | None = None,
    fan_in: int = 8,
) -> Delayed:
    """Return the bad pixels of a run of stills as a Delayed `SampledBadPixels`.

    sample : some of its frames (frame, slow, fast), whole frames in each chunk. masks : one
    (slow, fast) a panel, True is good. maps : gain and pedestal of single pixels.

    Tasks: 3 (workspaces, first frames, result) + 1 a block + `n_folds` of these + what the blocks
    share (of a store's: 2). A task holds one block and its evidence.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    """
    given = [experiment, masks, parameters, *([] if maps is None else [maps])]
    # of these masks only, which are others than those of the pass over the run
    token = tokenize([value.key for value in given])
    workspaces = delayed(Workspaces)(dask_key_name=f"workspaces-of-sample-{token}")
    parts = map_frames(_evidence, sample, [workspaces, *given], label="find-bad-pixels")
    whole = tree_fold(parts, combine_samples, fan_in=fan_in, label="add-pixels", records=True)
    shape = tuple(map(int, sample.shape[1:]))
    found: Delayed = delayed(bad_pixels_of_sample, pure=True)(whole, experiment, shape)
    return found


def _evidence(
    block: Block,
    workspaces: Workspaces,
    experiment: Experiment,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    maps: PixelMaps | None = None,
) -> SampleEvidence:
    with workspaces.lend() as workspace:
        return evidence_of_images(
            block.frames, block.first, experiment, masks, parameters,
            unread=block.unreadable, maps=maps, workspace=workspace,
        )  # fmt: skip
