"""Headers of images for the tests: SMV of any type, miniCBF of any text, full CBF from tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.raw_examples import byte_offset

PIXELS = np.arange(20 * 30, dtype=np.int32).reshape(20, 30) % 97
"""An image (slow, fast) of 20 x 30 pixels."""

MINI = {
    "Detector:": "simulated 1M, S/N 00-0000",
    "Pixel_size": "172e-6 m x 172e-6 m",
    "Silicon": "sensor, thickness 0.000320 m",
    "Exposure_period": "0.1 s",
    "Count_cutoff": "1000 counts",
    "Wavelength": "1.0 A",
    "Detector_distance": "0.2 m",
    "Beam_xy": "(15.0, 10.0) pixels",
    "Start_angle": "10.0000 deg.",
    "Angle_increment": "0.5000 deg.",
}
SMV = {
    "HEADER_BYTES": 1024,
    "BYTE_ORDER": "little_endian",
    "TYPE": "unsigned_short",
    "SIZE1": 30,
    "SIZE2": 20,
    "PIXEL_SIZE": 0.1,
    "DISTANCE": 100.0,
    "WAVELENGTH": 0.9,
    "BEAM_CENTER_X": 1.0,
    "BEAM_CENTER_Y": 1.5,
    "OSC_START": "0.0000",
    "OSC_RANGE": "1.0000",
    "TIME": 1.0,
}


def mini_text(**changes: Any) -> str:
    """Return the lines of a miniCBF header; `changes` replace values, None leaves a line out.

    "Detector" is the key of the line with the name and the serial number.
    """
    if "Detector" in changes:
        changes["Detector:"] = changes.pop("Detector")
    lines = {**MINI, **changes}
    return "".join(f"# {k} {v}\r\n" for k, v in lines.items() if v is not None)


def binary_section(image: NDArray[Any]) -> bytes:
    """Return the binary section of a CBF image."""
    data = byte_offset(np.asarray(image, np.int32))
    slow, fast = image.shape
    text = (
        ";\r\n--CIF-BINARY-FORMAT-SECTION--\r\nContent-Type: application/octet-stream;\r\n"
        '     conversions="x-CBF_BYTE_OFFSET"\r\n'
        f"X-Binary-Size: {len(data)}\r\n"
        'X-Binary-Element-Type: "signed 32-bit integer"\r\n'
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN\r\n"
        f"X-Binary-Number-of-Elements: {slow * fast}\r\n"
        f"X-Binary-Size-Fastest-Dimension: {fast}\r\n"
        f"X-Binary-Size-Second-Dimension: {slow}\r\n\r\n"
    )
    return (
        text.encode() + b"\x0c\x1a\x04\xd5" + data + b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n"
    )


def write_text_cbf(
    path: Path,
    text: str,
    image: NDArray[Any] = PIXELS,
    *,
    container: str = "_array_data.header_contents\r\n;\r\n{}\r\n;\r\n",
    before: str = "",
) -> Path:
    """Write a miniCBF with any text in any container; `before` comes before the binary data."""
    head = (
        "###CBF: VERSION 1.5\r\ndata_image\r\n_array_data.header_convention PILATUS_1.2\r\n"
        + container.format(text)
        + before
        + "_array_data.data\r\n"
    )
    path.write_bytes(head.encode("utf-8") + binary_section(image))
    return path


def write_mini(path: Path, image: NDArray[Any] = PIXELS, **changes: Any) -> Path:
    """Write a miniCBF; `changes` as of `mini_text`."""
    return write_text_cbf(path, mini_text(**changes), image)


def write_any_smv(
    path: Path, image: NDArray[Any] = PIXELS, *, stored: str = "<u2", **changes: Any
) -> Path:
    """Write an SMV image of a stored type; `changes` replace values, None leaves a key out."""
    header = {**SMV, "SIZE1": image.shape[1], "SIZE2": image.shape[0], **changes}
    lines = "".join(f"{k}={v};\n" for k, v in header.items() if v is not None)
    n_bytes = header["HEADER_BYTES"] if isinstance(header["HEADER_BYTES"], int) else 1024
    head = ("{\n" + lines + "}\n\f").encode("latin-1", "replace").ljust(n_bytes)
    path.write_bytes(head + image.astype(stored).tobytes())
    return path


TABLES = """
_diffrn.id DIFFRN
loop_
_diffrn_radiation_wavelength.id
_diffrn_radiation_wavelength.wavelength
W1 {wavelength}
_diffrn_radiation.diffrn_id DIFFRN
_diffrn_radiation.wavelength_id W1
_diffrn_radiation.polarizn_source_ratio {ratio}
_diffrn_radiation.polarizn_source_norm 0.0
_diffrn_detector.id D1
_diffrn_detector.detector '{detector}'
loop_
_diffrn_scan_axis.axis_id
_diffrn_scan_axis.angle_start
_diffrn_scan_axis.angle_increment
_diffrn_scan_axis.displacement_start
OMEGA {omega} {omega_width} 0
KAPPA {kappa} 0 0
PHI {phi} {phi_width} 0
DET_Z 0 0 {distance}
_diffrn_scan_frame.integration_time 0.05
_diffrn_scan_frame.date 2000-01-01T00:00:00
loop_
_axis.id
_axis.type
_axis.equipment
_axis.depends_on
_axis.vector[1]
_axis.vector[2]
_axis.vector[3]
_axis.offset[1]
_axis.offset[2]
_axis.offset[3]
OMEGA rotation goniometer . 1 0 0 . . .
KAPPA rotation goniometer OMEGA 0.64 0.77 0 . . .
PHI rotation goniometer KAPPA 1 0 0 . . .
SOURCE general source . 0 0 1 . . .
DET_Z translation detector . 0 0 -1 0 0 0
EL_X translation detector DET_Z 1 0 0 -1.5 1.0 0
EL_Y translation detector EL_X 0 -1 0 0 0 0
loop_
_array_structure_list.array_id
_array_structure_list.index
_array_structure_list.dimension
_array_structure_list.precedence
_array_structure_list.direction
_array_structure_list.axis_set_id
A1 1 30 1 increasing EL_X
A1 2 20 2 increasing EL_Y
loop_
_array_structure_list_axis.axis_set_id
_array_structure_list_axis.axis_id
_array_structure_list_axis.displacement
_array_structure_list_axis.displacement_increment
EL_X EL_X 0.05 0.1
EL_Y EL_Y 0.05 0.1
loop_
_array_intensities.array_id
_array_intensities.linearity
_array_intensities.offset
_array_intensities.gain
_array_intensities.overload
_array_intensities.undefined_value
A1 {linearity} {offset} {gain} 12345 -1
"""
FULL = {
    "wavelength": 0.9, "ratio": 0.998, "detector": "pixel array", "omega": 0.0, "omega_width": 0.5,
    "kappa": 0.0, "phi": 0.0, "phi_width": 0.0, "distance": 100.0, "linearity": "linear",
    "offset": ".", "gain": 1.0,
}  # fmt: skip


def full_text(**changes: Any) -> str:
    """Return the tables of a full CBF; `changes` replace values of `FULL`."""
    return TABLES.format(**{**FULL, **changes})


def write_full(
    path: Path, image: NDArray[Any] = PIXELS, *, lines: str = "", **changes: Any
) -> Path:
    """Write a full CBF of 20 x 30 pixels; `lines` of a miniCBF come before its tables."""
    head = "###CBF: VERSION 1.5\r\ndata_image\r\n"
    if lines:
        head += "_array_data.header_convention PILATUS_1.2\r\n_array_data.header_contents\r\n"
        head += f";\r\n{lines};\r\n"
    tables = full_text(**changes) + "loop_\n_array_data.array_id\n_array_data.binary_id\n"
    path.write_bytes(
        head.encode() + tables.encode() + b"_array_data.data\nA1 1\r\n" + binary_section(image)
    )
    return path
