"""The frames of a run as a dask array: each block is read where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from dask.base import tokenize
from dask.delayed import delayed
from numpy.typing import NDArray

from dxdask.errors import ChunkError, LinkedFileError, StoreWriteError, plain
from dxdask.frame_block import FrameBlock
from dxdask.storage.frames.buffers import FrameBuffers
from dxdask.storage.frames.reader import FillingReader, FrameReader

# It takes half a second to import, and most commands read no frames.
if TYPE_CHECKING:
    import dask.array as da

SMALL_BLOCK, USUAL_BLOCK, LARGEST_BLOCK = 1 << 25, 1 << 26, 1 << 28
FEW_BLOCKS, MANY_BLOCKS = 64, 3000


@overload
def lazy_frames(
    reader: FillingReader, block: int | None = None, *, unreadable: Literal["raise"] = "raise"
) -> da.Array: ...


@overload
def lazy_frames(
    reader: FrameReader, block: int | None = None, *, unreadable: Literal["mark"]
) -> da.Array: ...


def lazy_frames(
    reader: FrameReader,
    block: int | None = None,
    *,
    unreadable: Literal["raise", "mark"] = "raise",
) -> da.Array:
    """Return the frames as a dask array (image, slow, fast).

    Parameters
    ----------
    block : images in a dask block, whole files; see `images_in_block` for the default.
    unreadable : "raise": a frame that cannot be read is an error; of a slice no more is read than
        it takes. Tasks: 1 a block. "mark": blocks are `FrameBlock`, which hold the reasons, so that
        the other frames can be used, and take their memory from those that are gone. Tasks: 2
        (reader, memory) + 1 a block.

    Raises
    ------
    ChunkError
        `block` cuts through files.
    """
    import dask.array as da

    n_images, slow, fast = reader.shape
    if block is None:
        block = images_in_block(reader.shape, reader.dtype, reader.step)
    if block < 1 or block % reader.step:
        raise ChunkError(
            f"a block of {block} images cuts through files of {reader.step}; "
            f"give a multiple of {reader.step}"
        )
    token, meta = tokenize(reader), np.empty((0, 0, 0), dtype=reader.dtype)
    whole, rest = divmod(n_images, block)
    chunks = ((block,) * whole + (rest,) * (rest > 0), (slow,), (fast,))
    if unreadable == "raise":
        plain_frames: da.Array = da.from_array(  # type: ignore[no-untyped-call]
            reader, chunks=chunks, name=f"frames-{token}-{block}", inline_array=True, meta=meta
        )
        return plain_frames
    frames: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
        _tolerant_block,
        reader=delayed(reader, name=f"reader-{token}", traverse=False),
        buffers=delayed(FrameBuffers)(dask_key_name=f"frame-buffers-{token}"),
        block=block,
        chunks=chunks,
        dtype=reader.dtype,
        meta=meta,
        token="frames",
    )
    return frames


def images_in_block(shape: tuple[int, int, int], dtype: np.dtype[Any], step: int) -> int:
    """Return the number of images (n, slow, fast) in a block of a run, a multiple of `step`.

    As many as make `USUAL_BLOCK` bytes; less in a run that would have fewer than `FEW_BLOCKS` for
    the threads of a machine, but not below `SMALL_BLOCK`; more in one that would have more than
    `MANY_BLOCKS`, each of which is a task of every step, but not above `LARGEST_BLOCK`.
    """
    n, slow, fast = shape
    image = slow * fast * dtype.itemsize
    usual = min(max(n * image // FEW_BLOCKS, SMALL_BLOCK), USUAL_BLOCK) // (image * step)
    needed = min(-(-n // (MANY_BLOCKS * step)), LARGEST_BLOCK // (image * step))
    return step * max(1, usual, needed)


def read_tolerant(
    reader: FrameReader, first: int, last: int, buffers: FrameBuffers | None = None
) -> FrameBlock:
    """Return the images `first` to `last` (not included), zeros where one cannot be read.

    Where they cannot be read together they are read one by one, so that one bad chunk of a file
    costs one frame and not its neighbours.

    Raises
    ------
    MemoryError, StoreWriteError, LinkedFileError
        What concerns more than a frame.
    """
    try:
        return FrameBlock(_read(reader, first, last, buffers))
    except (MemoryError, StoreWriteError, LinkedFileError):
        raise
    except Exception as error:  # whatever a codec or file system raises is that frame's problem
        shape = (last - first, *reader.shape[1:])
        if last - first == 1:
            return FrameBlock(np.zeros(shape, reader.dtype), {0: plain(error)})
    frames, reasons = np.zeros(shape, reader.dtype), {}
    for i in range(last - first):
        one = read_tolerant(reader, first + i, first + i + 1, buffers)
        frames[i] = one[0]
        if one.unreadable:
            reasons[i] = one.unreadable[0]
    return FrameBlock(frames, reasons)


def _tolerant_block(
    reader: FrameReader, buffers: FrameBuffers, block: int, block_id: tuple[int, ...]
) -> FrameBlock:
    first = block_id[0] * block
    return read_tolerant(reader, first, min(first + block, reader.shape[0]), buffers)


def _read(reader: FrameReader, first: int, last: int, buffers: FrameBuffers | None) -> NDArray[Any]:
    if buffers is None or not isinstance(reader, FillingReader):
        return reader.read(first, last)
    frames = buffers.take((last - first, *reader.shape[1:]), reader.dtype)
    reader.read_into(first, last, frames)
    return frames
