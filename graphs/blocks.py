"""Per-frame kernels mapped over a dask array of frames, one record a block.

Dask fuses the reading of a block with the kernel that uses it, so that frames live in one task and
never travel; a task hands on its record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed, delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from dxdask.errors import ChunkError
from dxdask.frame_block import Reasons, unreadable_frames

# It takes half a second to import, and most commands read no frames.
if TYPE_CHECKING:
    import dask.array as da


class Block(NamedTuple):
    """Consecutive frames (frame, slow, fast) of a run.

    Attributes
    ----------
    first : index in the run of the first frame.
    unreadable : index in `frames` of one that could not be read -> reason; it is zeros.
    """

    first: int
    frames: NDArray[Any]
    unreadable: Reasons


def require_whole_frames(frames: da.Array) -> None:
    """Check that no chunk cuts a frame.

    Raises
    ------
    ChunkError
        The array is not (frame, slow, fast), or is chunked along slow or fast, or of unknown size.
    """
    if frames.ndim != 3:
        raise ChunkError(f"frames have {frames.ndim} axes {frames.shape}; give (frame, slow, fast)")
    if np.isnan(frames.shape).any():
        raise ChunkError(
            f"frames have an unknown size {frames.shape}; call compute_chunk_sizes() first"
        )
    if any(len(c) > 1 for c in frames.chunks[1:]):
        raise ChunkError(
            f"frames {frames.shape} are cut into chunks of {frames.chunksize}; "
            "a chunk must hold whole frames: rechunk({1: -1, 2: -1})"
        )


def block_ranges(frames: da.Array) -> list[range]:
    """Return the indices in the run of the frames of each block.

    Raises
    ------
    ChunkError
        See `require_whole_frames`.
    """
    require_whole_frames(frames)
    return [range(a, b) for a, b in pairwise(accumulate(frames.chunks[0], initial=0))]


def map_frames(
    kernel: Callable[..., Any],
    frames: da.Array,
    shared: Sequence[Delayed],
    *,
    label: str,
    used: Sequence[int] | None = None,
    parts: Sequence[Delayed] | None = None,
) -> list[Delayed]:
    """Return the records of the blocks of `frames`, Delayed object arrays (1, 1, 1) of one record.

    Parameters
    ----------
    kernel : a module-level function, called with a `Block`, the record of `parts` of the same
        block, if given, and the values of `shared`; returns the record.
    frames : (frame, slow, fast), whole frames in each chunk. A block may be a `FrameBlock`.
    shared : what all blocks are used with: one entry of the graph each.
    label : what the tasks are named on a dashboard.
    used : the numbers of the blocks to map, in order; None for all.
    parts : the records of an earlier map of the same blocks.

    Returns
    -------
    list of Delayed
        Tasks: 1 for each block used, where Dask fuses what makes it with the kernel, + 1 (the first
        frame of each block) + those that several blocks of `frames` share.

    Raises
    ------
    ChunkError
        See `require_whole_frames`.
    """
    firsts = [r.start for r in block_ranges(frames)]
    numbers = list(range(len(firsts))) if used is None else list(used)
    starts = delayed(firsts, name=f"firsts-{tokenize(firsts)}", traverse=False)
    given = [starts, *shared]
    kept = {value.key for value in given} | {part.key for part in parts or ()}
    records = frames.map_blocks(
        _record_of_block,  # type: ignore[arg-type]
        *(() if parts is None else [_array_of(parts, numbers, len(firsts))]),
        kernel=kernel,
        given=[_placeholder(value) for value in given],
        chunks=((1,) * len(firsts), (1,), (1,)),
        dtype=object,
        meta=np.empty((0, 0, 0), dtype=object),
        token=label,
    )
    keys = [(records.name, i, 0, 0) for i in numbers]
    # What computes the values is not handed to the optimisation: it would be copied, and fused, for
    # each run again. Their keys are kept, as if requested, and excluded from the layer.
    graph = records.__dask_optimize__(records.dask, [*keys, *kept])
    tasks = {key: task for key, task in dict(graph).items() if key not in kept}
    return _lazy_records(
        f"{records.name}-{tokenize(numbers)}", keys, tasks, [*given, *(parts or ())]
    )


def map_records(
    kernel: Callable[..., Any],
    parts: Sequence[Delayed],
    shared: Sequence[Delayed],
    *,
    label: str,
) -> list[Delayed]:
    """Return the records made of those of an earlier map, without frames. Tasks: 1 each.

    kernel : called with the earlier record and the values of `shared`; returns the record.
    """
    name = f"{label}-{tokenize(kernel, [p.key for p in parts], [s.key for s in shared])}"
    # numbered as the blocks are, which may be some of a run
    keys = [(name, *part.key[1:]) for part in parts]
    given = [value.key for value in shared]
    tasks = {k: (_record_of, kernel, p.key, given) for k, p in zip(keys, parts, strict=True)}
    return _lazy_records(name, keys, tasks, [*shared, *parts])


def records_of_ranges(
    kernel: Callable[..., Any],
    frames: da.Array,
    shared: Sequence[Delayed],
    *,
    label: str,
    used: Sequence[int],
) -> list[Delayed]:
    """Return records of the blocks `used`, made without reading frames. Tasks: 1 each.

    kernel : called with the first index of the block, the one after the last, and the values of
    `shared`; returns the record.
    """
    name = f"{label}-{tokenize(kernel, frames.name, list(used), [s.key for s in shared])}"
    ranges, given = block_ranges(frames), [value.key for value in shared]
    tasks: dict[Any, Any] = {
        (name, i, 0, 0): (_record_of_range, kernel, ranges[i].start, ranges[i].stop, given)
        for i in used
    }
    return _lazy_records(name, list(tasks), tasks, shared)


def as_record(value: Any) -> NDArray[Any]:
    """Return an object array (1, 1, 1) that holds the value."""
    record = np.empty((1, 1, 1), dtype=object)
    record[0, 0, 0] = value
    return record


def _record_of_block(
    frames: NDArray[Any],
    *parts: NDArray[Any],
    kernel: Callable[..., Any],
    given: Sequence[Any],
    block_id: tuple[int, ...],
) -> NDArray[Any]:
    firsts, *shared = given
    block = Block(firsts[block_id[0]], np.asarray(frames), unreadable_frames(frames))
    return as_record(kernel(block, *(part.item() for part in parts), *shared))


def _record_of(kernel: Callable[..., Any], part: NDArray[Any], given: Sequence[Any]) -> Any:
    return as_record(kernel(part.item(), *given))


def _record_of_range(
    kernel: Callable[..., Any], first: int, stop: int, given: Sequence[Any]
) -> Any:
    return as_record(kernel(first, stop, *given))


def _placeholder(value: Delayed) -> Delayed:
    """Return a placeholder of a value while a graph is optimised."""
    graph = HighLevelGraph({value.key: {value.key: None}}, {value.key: set()})
    return Delayed(value.key, graph, layer=value.key)  # type: ignore[no-untyped-call]


def _array_of(parts: Sequence[Delayed], numbers: Sequence[int], n: int) -> da.Array:
    """Return the array, while a graph is optimised, whose blocks of these numbers are `parts`."""
    import dask.array as da

    name = parts[0].key[0]
    graph = {(name, i, 0, 0): None for i in numbers}
    chunks = ((1,) * n, (1,), (1,))
    array: da.Array = da.Array(graph, name, chunks, dtype=object)  # type: ignore[no-untyped-call]
    return array


def _lazy_records(
    name: str, keys: Sequence[Any], tasks: dict[Any, Any], dependencies: Sequence[Delayed]
) -> list[Delayed]:
    # one layer for all: O(1) a block, and culling drops what a consumer does not need
    layer = HighLevelGraph.from_collections(name, tasks, dependencies=list(dependencies))  # type: ignore[arg-type]
    return [Delayed(key, layer, layer=name) for key in keys]  # type: ignore[no-untyped-call]
