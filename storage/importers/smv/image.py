"""SMV images: a text header of fixed length, then the pixels, uncompressed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Goniometer, Panel
from dxdask.models.vectors import unit, vector
from dxdask.storage.formats.file_bytes import MAX_IMAGE_BYTES, is_compressed, read_bytes
from dxdask.storage.importers.image_header import ImageChunk, ImageHeader

_TYPES = {"unsigned_short": "u2", "signed_short": "i2", "unsigned_char": "u1", "long_integer": "i4",
          "signed_long": "i4", "unsigned_long": "u4", "short": "i2", "mad": "u2"}  # fmt: skip
_MAX_HEADER = 1 << 16
# The headers of Stockholm's Timepix do not name the axis; this is the one of dxtbx 3.12.
_TIMEPIX_AXIS = (0.7826, -0.6226, 0.0)


def read_header(path: Path) -> ImageHeader:
    """Return the header of an SMV image, with the geometry of dxtbx for these detectors.

    Raises
    ------
    FormatError
        A key is missing or not a number, or the detector stands at an angle.
    """
    header = _header(path)
    shape, dtype = _layout(path, header)
    wavelength = _number(path, header, "WAVELENGTH")
    is_electron = header.get("BEAMLINE", "").startswith("TimePix")
    beam = Beam(
        wavelength=wavelength,
        polarization_fraction=0.5 if is_electron else 0.999,
        probe="electron" if is_electron else "x-ray",
    )
    width = _number(path, header, "OSC_RANGE", 0.0)
    # A backward rotation becomes a positive width about the opposite axis.
    axis = unit(_TIMEPIX_AXIS) if is_electron else np.array([1.0, 0.0, 0.0])
    axis = -axis if width < 0 else axis
    return ImageHeader(
        beam=beam,
        detector=Detector(panels=(_panel(path, header, shape, is_electron),)),
        goniometer=Goniometer(axes=(vector(axis + 0.0),)),
        shape=shape,
        dtype=dtype,
        oscillation=(_number(path, header, "OSC_START", 0.0), abs(width)),
        exposure=_number(path, header, "TIME", 0.0),
        timestamp=_timestamp(header.get("DATE", "")),
        chunk=_chunk(path, header, shape, dtype),
    )


def read_frame(path: Path) -> NDArray[Any]:
    """Return the pixels (slow, fast) of an SMV image, in the machine's byte order.

    Raises
    ------
    FormatError
        The file holds fewer pixels than its header announces.
    """
    header = _header(path)
    shape, dtype = _layout(path, header)
    start = _header_bytes(path, header)
    raw = read_bytes(path)
    n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if len(raw) < start + n_bytes:
        raise FormatError(
            f"{path} has {len(raw) - start} bytes of pixels, its header announces {n_bytes}: "
            "it is truncated; fetch it again"
        )
    data = np.frombuffer(raw, dtype=_order(header) + dtype, count=shape[0] * shape[1], offset=start)
    return data.reshape(shape).astype(dtype, copy=False)


def _chunk(
    path: Path, header: Mapping[str, str], shape: tuple[int, int], dtype: str
) -> ImageChunk | None:
    if is_compressed(path):
        return None
    n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    return ImageChunk(_header_bytes(path, header), n_bytes, "none", _order(header) + dtype)


def _order(header: Mapping[str, str]) -> str:
    return "<" if header.get("BYTE_ORDER", "little_endian") == "little_endian" else ">"


def _header(path: Path) -> Mapping[str, str]:
    head = read_bytes(path, _MAX_HEADER)
    text = head[: head.find(b"}") + 1].decode("latin-1")
    return {
        key.strip(): value.strip()
        for key, value in re.findall(r"([A-Z][A-Z0-9_ ]*)=([^;]*);", text)
    }


def _header_bytes(path: Path, header: Mapping[str, str]) -> int:
    n_bytes = int(_number(path, header, "HEADER_BYTES"))
    if not 0 < n_bytes <= _MAX_HEADER:
        raise FormatError(f"{path}: HEADER_BYTES={n_bytes} is not the length of a header")
    return n_bytes


def _layout(path: Path, header: Mapping[str, str]) -> tuple[tuple[int, int], str]:
    fast, slow = (int(_number(path, header, key)) for key in ("SIZE1", "SIZE2"))
    kind = header.get("TYPE", "unsigned_short").lower()
    if kind not in _TYPES:
        raise FormatError(f"{path}: TYPE={kind} is not known; one of {', '.join(_TYPES)} is")
    n_bytes = fast * slow * np.dtype(_TYPES[kind]).itemsize
    if not (fast > 0 and slow > 0 and n_bytes <= MAX_IMAGE_BYTES):
        raise FormatError(f"{path}: SIZE1={fast} and SIZE2={slow} are not the sizes of an image")
    return (slow, fast), _TYPES[kind]


def _panel(
    path: Path, header: Mapping[str, str], shape: tuple[int, int], is_timepix: bool
) -> Panel:
    if is_timepix and shape == (512, 512):
        raise FormatError(
            f"{path}: 512 x 512 pixels of a Timepix, those between the chips three times as wide; "
            "convert to 516 x 516 images first"
        )
    two_theta = _number(path, header, "TWOTHETA", 0.0)
    if two_theta:
        raise FormatError(
            f"{path}: the detector stands at TWOTHETA={two_theta} degrees, and SMV does not "
            "give the axis; set TWOTHETA=0 and give geometry.detector.panel"
        )
    pixel = _number(path, header, "PIXEL_SIZE")
    x, y = (_number(path, header, f"BEAM_CENTER_{axis}") for axis in "XY")
    distance = _number(path, header, "DISTANCE")
    # ADSC writes the beam centre in mm, its X along slow; the Timepix in pixels, its X along fast.
    fast, slow = (x * pixel, y * pixel) if is_timepix else (y, x)
    pedestal = _number(path, header, "IMAGE_PEDESTAL", 0.0)
    top = min(65535.0, _number(path, header, "CCD_IMAGE_SATURATION", 65535.0))
    return Panel(
        name="Panel",
        type="SENSOR_PAD" if is_timepix else "SENSOR_CCD",
        origin=(-fast, slow, -distance),
        pixel_size=(pixel, pixel),
        image_size=(shape[1], shape[0]),
        trusted_range=(-1.0, top),
        thickness=0.3 if is_timepix else 0.0,
        material="Si" if is_timepix else "",
        pedestal=pedestal,
    )


def _number(path: Path, header: Mapping[str, str], key: str, default: float | None = None) -> float:
    text = header.get(key)
    if text is None:
        if default is None:
            raise FormatError(
                f"{path} has no {key} in its header; it is not an SMV image of ADSC's kind"
            )
        return default
    try:
        value = float(text)
    except ValueError as error:
        raise FormatError(f"{path}: {key}={text} in the header is not a number") from error
    if not math.isfinite(value):
        raise FormatError(f"{path}: {key}={text} in the header is not a finite number")
    return value


def _timestamp(text: str) -> float | None:
    for form in ("%a %b %d %H:%M:%S %Y", "%Y-%m-%d %H:%M:%S.%f"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None
