"""Pixels that are invalid in some images, by their counts.

They are replaced as frames are read, by a value outside of every trusted range, so that no step has
to know of them; the store and linked files keep the counts as recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.frame_block import invalid_pixel_value
from dxdask.models import Detector
from dxdask.storage.frames.reader import FillingReader
from dxdask.storage.store import layout, read


class Flag(NamedTuple):
    """Counts that are invalid in a rectangle x0, x1, y0, y1 of the stored frame, half open."""

    box: tuple[int, int, int, int]
    values: tuple[float, ...]


def flags_of(detector: Detector) -> tuple[Flag, ...]:
    """Return the invalid counts of the panels that have any."""
    out = []
    for panel in detector.panels:
        if panel.invalid_values:
            (x, y), (width, height) = panel.offset, panel.image_size
            out.append(Flag((x, x + width, y, y + height), panel.invalid_values))
    return tuple(out)


def flags_of_run(run: Path) -> tuple[Flag, ...]:
    """Return the invalid counts of the run in a folder; none where its models are not there."""
    if not (run / layout.MODELS / layout.METADATA).is_file():
        return ()
    models = read.attributes(run / layout.MODELS)
    if not _may_have_flags(models):
        return ()
    return flags_of(read.experiments(run)[0].detector)


def _may_have_flags(models: Any) -> bool:
    """Return True if attributes have a list of invalid values with something in it."""
    if isinstance(models, Mapping):
        return bool(models.get("invalid_values")) or any(map(_may_have_flags, models.values()))
    return isinstance(models, list | tuple) and any(map(_may_have_flags, models))


def mark_invalid(frames: NDArray[Any], flags: Sequence[Flag]) -> NDArray[Any]:
    """Return frames (n, slow, fast) with invalid counts replaced by `invalid_pixel_value`, in place
    where their memory can be written.
    """
    if not flags:
        return frames
    frames = frames if frames.flags.writeable else frames.copy()
    invalid = invalid_pixel_value(frames.dtype)
    limits = None if frames.dtype.kind == "f" else np.iinfo(frames.dtype)
    for (x0, x1, y0, y1), values in flags:
        part = frames[:, y0:y1, x0:x1]
        counts = part if limits is not None else np.rint(part)
        bad = np.zeros(part.shape, np.bool_)
        for value in values:
            if limits is None or (value == int(value) and limits.min <= value <= limits.max):
                bad |= counts == frames.dtype.type(value)
        part[bad] = invalid
    return frames


@dataclass(frozen=True, slots=True)
class FlaggedReader(FillingReader):
    """Another reader's frames, with invalid counts replaced.

    Attributes
    ----------
    path, identifier : as `FillingReader`, those of `reader`.
    """

    path: str
    identifier: str
    reader: FillingReader
    flags: tuple[Flag, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""
        return self.reader.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        return self.reader.dtype

    @property
    def step(self) -> int:
        """Images that lie together in a file or chunk and are best read together."""
        return self.reader.step

    def require_files(self) -> None:
        """Check that files outside of the store, which hold the frames, are as they were."""
        self.reader.require_files()

    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        """Fill `out` (last - first, slow, fast) with the images `first` to `last` (not included).

        What the other reader raises is raised.
        """
        self.reader.read_into(first, last, out)
        mark_invalid(out, self.flags)
