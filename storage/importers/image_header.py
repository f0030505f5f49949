"""Headers of files of one image each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from dxdask.models import Beam, Detector, Goniometer
from dxdask.storage.formats import Missing


class ImageChunk(NamedTuple):
    """All pixels of an image as one piece of its file, which is not compressed as a whole.

    `compression` as of `dxdask.storage.codecs`; `stored` is the dtype with its byte order.
    """

    offset: int
    length: int
    compression: str
    stored: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageHeader:
    """Models and metadata in the header of one image.

    Attributes
    ----------
    shape : (slow, fast) of the stored frame; dtype : of its pixels.
    oscillation : start and width, degree; a width below 0 is a backward rotation.
    starts : angles one of which is the start, where the header does not say which turns.
    angle_decimals, width_decimals : to which the header gives start and width; None where exact.
    exposure : s; timestamp : s since 1970; None where not known.
    chunk : the pixels in the file; None where they are not in one piece.
    missing : values that the header lacks, for which the models hold placeholders.
    problems : doubtful values, a line each.
    """

    beam: Beam
    detector: Detector
    goniometer: Goniometer | None
    shape: tuple[int, int]
    dtype: str
    oscillation: tuple[float, float] = (0.0, 0.0)
    starts: tuple[float, ...] = ()
    angle_decimals: int | None = None
    width_decimals: int | None = None
    exposure: float | None = None
    timestamp: float | None = None
    chunk: ImageChunk | None = None
    missing: tuple[Missing, ...] = ()
    problems: tuple[str, ...] = ()
