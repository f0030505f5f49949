"""The masks of a geometry, applied to frames: one mask of a run, and pixels of single events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import FormatError
from dxdask.frame_block import invalid_pixel_value
from dxdask.storage.formats import ChunkManifest, RawReader
from dxdask.storage.importers.crystfel.geometry import CrystfelGeometry
from dxdask.storage.importers.crystfel.masks import EventMasks, MaskPiece, mask_path
from dxdask.storage.importers.crystfel.planes import Event

_MOST_PIXELS = 2_000_000_000
"""Of masks of single events that are read to find the pixels that are bad in all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskedReader:
    """Another reader's frames; what a mask of an event excludes has `invalid_pixel_value`."""

    reader: RawReader
    masks: EventMasks

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1, (n, slow, fast)."""
        frames = self.reader.read(first, last)
        invalid = invalid_pixel_value(frames.dtype)
        with self.masks.opened() as masks:
            for i, frame in enumerate(frames):
                frame[~masks.good(first + i)] = invalid
        return frames

    def manifest(self) -> ChunkManifest:
        """Raise FormatError: pixels of single events are masked as frames are copied."""
        raise FormatError(
            f"{self.masks.pieces[0].data} masks other pixels in each event, which is done as "
            "frames are copied"
        )


def event_masks(
    geometry: CrystfelGeometry, frames: Path, events: Sequence[Event], frame: tuple[int, int]
) -> EventMasks:
    """Return the masks of a geometry for the frames (slow, fast) of a file.

    Raises
    ------
    InputError
        The file of a mask does not exist.
    """
    panels = {p.name: p for p in geometry.detector.panels}
    pieces = []
    for source in geometry.masks:
        path = str(mask_path(source, geometry.path, frames))
        for name in source.panels:
            panel, plane = panels[name], geometry.layout.planes[name]
            (x, y), (width, height) = panel.offset, panel.image_size
            top = y - geometry.layout.places[plane].row
            pieces.append(
                MaskPiece(
                    file=path, data=source.data, good=source.good, bad=source.bad,
                    dims=plane.dims, box=(x, x + width, top, top + height), at=(y, x),
                )
            )  # fmt: skip
    return EventMasks(pieces=tuple(pieces), events=tuple(events), frame=frame)


def common_mask(masks: EventMasks) -> tuple[Mask, EventMasks | None]:
    """Return the mask (slow, fast), false where a pixel is bad in all events, and other masks.

    The others are those by which single events differ from it; None where none does. Where they
    are of very many pixels they are not read here: then they are all others.

    Raises
    ------
    FormatError
        A mask is missing, or does not fit the frames.
    """
    n_events = len(masks.events)
    with masks.opened() as files:
        good = files.good(0)
        varying = files.varying if n_events > 1 else set()
    if not varying:
        return good, None
    pieces = tuple(enumerate(masks.pieces))
    single = replace(masks, pieces=tuple(p for i, p in pieces if i in varying))
    common = replace(masks, pieces=tuple(p for i, p in pieces if i not in varying))
    with common.opened() as files:
        good = files.good(0)
    if n_events * good.size > _MOST_PIXELS:
        return good, single
    with single.opened() as files:
        in_some = files.good(0)
        in_all = in_some.copy()
        for number in range(1, n_events):
            one = files.good(number)
            in_some |= one
            in_all &= one
    good &= in_some
    return good, None if (in_some == in_all).all() else single


def mask_of_images(
    geometry: CrystfelGeometry, frames: Path | None, n_images: int, frame: tuple[int, int]
) -> tuple[Mask, tuple[str, ...]]:
    """Return the mask (slow, fast) of a geometry for frames of another format, and problems.

    frames : their HDF5 file, None where they are in none. Masks of single images are not used.

    Raises
    ------
    FormatError, InputError
        A mask is missing, or does not fit the frames.
    """
    good, problems = np.ones(frame, np.bool_), list[str]()
    events = [Event((), (i,)) for i in range(n_images)]
    for source in geometry.masks:
        what = f"mask{source.number}_data = {source.data} is not used"
        if source.file is None and frames is None:
            problems.append(f"{what}: the frames are not in HDF5; give mask{source.number}_file")
            continue
        only = replace(geometry, masks=(source,))
        masks = event_masks(only, frames or geometry.path, events, frame)
        with masks.opened() as files:
            one = files.good(0)
            if files.varying and n_images > 1:
                problems.append(f"{what}: it is of single images, which is for raw events")
            else:
                good &= one
    return good, tuple(problems)
