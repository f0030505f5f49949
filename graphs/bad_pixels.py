"""Bad pixels as a graph: one pass over the frames, sums a pixel, a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.analysis.bad_pixel_groups import Verdict
from dxdask.analysis.bad_pixel_report import result_of_verdicts
from dxdask.analysis.bad_pixels import (
    EvidenceOfRun,
    RunEvidence,
    combine_evidence,
    first_of_runs,
    images_used,
    judged_together,
    known_mask,
    of_group,
    verdict,
)
from dxdask.analysis.parameters import BadPixelParameters
from dxdask.arrays import Mask
from dxdask.graphs.blocks import Block, block_ranges, map_frames
from dxdask.graphs.fold import tree_fold
from dxdask.graphs.literal import literal
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult

if TYPE_CHECKING:
    import dask.array as da

# the sums of a task take the room of some frames, so that few are held at a time
FAN_IN = 3


def find_bad_pixels(
    frames: Sequence[da.Array],
    experiments: ExperimentList,
    masks: Sequence[NDArray[np.bool_] | None] | None = None,
    parameters: BadPixelParameters | None = None,
    *,
    fan_in: int = FAN_IN,
) -> Delayed:
    """Return the bad pixels of some runs as a Delayed `StepResult`, equal to
    `dxdask.analysis.find_bad_pixels`.

    frames : of each run (frame, slow, fast), whole frames in each chunk; each is read once.
    A frame that a `FrameBlock` marks as unreadable is a problem, no error.

    Tasks: 3 (experiments, parameters, result) + 5 a run (experiment, mask, images, first frames,
    verdict) + what the blocks of its frames share (of a store's: 2) + 1 a block with any image that
    is used + `n_folds` of those; + for each group of runs of one detector 1 (verdict), and
    `n_folds` of their number where combine=joint. What travels are sums: 18 bytes a pixel. A task
    holds one block and its sums, or `fan_in` + 1 sums.

    Raises
    ------
    ChunkError
        A chunk cuts a frame.
    InputError, ParameterError
        See `dxdask.analysis.find_bad_pixels`.
    """
    parameters = parameters or BadPixelParameters()
    settings = literal(parameters)
    runs = first_of_runs(experiments)
    given = list(masks) if masks is not None else [None] * len(runs)
    models = [literal(e) for e in runs]
    known = [delayed(known_mask, pure=True)(m, f.shape) for m, f in zip(given, frames, strict=True)]
    evidence = [
        tree_fold(
            _parts(f, m, k, images_used(e, f, parameters), settings),
            combine_evidence,
            fan_in=fan_in,
            label="add-pixels",
            records=True,
        )
        for f, e, m, k in zip(frames, runs, models, known, strict=True)
    ]
    judge = delayed(verdict, pure=True)
    own = [judge(e, [m], [k], settings) for e, m, k in zip(evidence, models, known, strict=True)]
    groups = judged_together(runs, [f.shape[1:] for f in frames], parameters)
    together = []
    for g in groups:
        if len(g) > 1 and parameters.combine == "joint":
            whole = tree_fold(
                [evidence[i] for i in g], combine_evidence, fan_in=fan_in, label="add-runs"
            )
            together.append(judge(whole, [models[i] for i in g], [known[i] for i in g], settings))
        else:
            together.append(delayed(of_group, pure=True)([own[i] for i in g], settings))
    every = literal(experiments)
    result: Delayed = delayed(_result, pure=True)(every, known, own, together, settings)
    return result


def _parts(
    frames: da.Array,
    models: Delayed,
    mask: Delayed,
    used: frozenset[int],
    settings: Delayed,
) -> list[Delayed]:
    """Return the lazy evidence of the blocks of a run with any image to use, a record each."""
    return map_frames(
        _evidence_of_block,
        frames,
        [models, mask, settings, literal(used)],
        label="find-bad-pixels",
        used=[i for i, block in enumerate(block_ranges(frames)) if not used.isdisjoint(block)],
    )


def _evidence_of_block(
    block: Block,
    experiment: Experiment,
    mask: Mask,
    parameters: BadPixelParameters,
    used: frozenset[int],
) -> RunEvidence:
    here = used.intersection(range(block.first, block.first + len(block.frames)))
    adder = EvidenceOfRun(experiment, mask, parameters, block.frames.dtype, len(here))
    adder.add(block.frames, block.first, here, block.unreadable)
    return adder.result()


def _result(
    experiments: ExperimentList,
    masks: list[Mask],
    of_runs: list[Verdict],
    of_groups: list[Verdict],
    parameters: BadPixelParameters,
) -> StepResult:
    return result_of_verdicts(experiments, masks, of_runs, of_groups, parameters)
