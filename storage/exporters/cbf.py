"""Single images as full CBF: pixels by panel, and the detector with its hierarchy as axes.

A miniCBF holds only distance and beam centre of a flat detector, so none is written. The
sensor's material is left out, as imgCIF has no item for it. Lines end in LF: with CRLF dxtbx treats
any byte-offset CBF as one with a goniometer. dxtbx 3.12 finds no detector in such a file of one
panel; it reads the same from NXmx.
Source: the imgCIF dictionary (Bernstein & Hammersley 2005, International Tables for
Crystallography G); the axes and components by which dxtbx builds a hierarchy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models import Detector, Experiment, Group
from dxdask.storage.codecs.byte_offset_encode import encode_byte_offset
from dxdask.storage.exporters.dials_models import frame_of
from dxdask.storage.exporters.whole_file import whole_file

_PADDING = 4095
_MOST = np.iinfo(np.int32).max
_ARM = "ARM"
_KINDS = {"SENSOR_PAD": "pixel", "SENSOR_CCD": "CCD", "SENSOR_IMAGE_PLATE": "'image plate'"}

Row = tuple[Any, ...]


def write_cbf(path: str | Path, image: NDArray[Any], experiment: Experiment, name: str) -> None:
    """Write an image (slow, fast) of whole numbers as full CBF, byte-offset, an array a panel.

    Counts beyond 32 bits are written as the largest, or smallest, that fits. name : of the data
    block. The wavelength is that of the experiment's beam.

    Raises
    ------
    InputError
        The pixels are not whole numbers, or fewer than the panels have.
    """
    if image.dtype.kind not in "iu":
        raise InputError(
            f"CBF holds whole numbers, the image is {image.dtype}: calibrate to photons, or write "
            "NXmx (format=nxs)"
        )
    experiment.detector.require_room(image.shape, "an image of")
    header = _header(experiment, "".join(c if c.isalnum() else "_" for c in name))
    parts = [header.encode("ascii", "replace")]
    for i, panel in enumerate(experiment.detector.panels):
        pixels = _in_32_bits(image[panel.slices])
        parts += [f" {_array(i)} {i + 1}\n;\n".encode(), *_section(pixels, i + 1)]
    with whole_file(path) as aside:
        aside.write_bytes(b"".join(parts))


def _in_32_bits(pixels: NDArray[Any]) -> NDArray[np.int32]:
    """Return whole numbers of any size and sign as int32, clipped to what it holds."""
    limits, own = np.iinfo(np.int32), np.iinfo(pixels.dtype)
    # limits outside the type of the pixels are none: numpy refuses to compare with them
    low, high = max(limits.min, own.min), min(limits.max, own.max)
    clipped: NDArray[np.int32] = np.clip(pixels, low, high).astype(np.int32)
    return clipped


def _array(index: int) -> str:
    return f"ARRAY_{index}"


def _section(pixels: NDArray[np.int32], number: int) -> list[bytes]:
    data = encode_byte_offset(pixels).tobytes()
    # the digest that CBFlib checks; not for security
    digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    slow, fast = pixels.shape
    lines = (
        "--CIF-BINARY-FORMAT-SECTION--",
        "Content-Type: application/octet-stream;",
        '     conversions="x-CBF_BYTE_OFFSET"',
        "Content-Transfer-Encoding: BINARY",
        f"X-Binary-Size: {len(data)}",
        f"X-Binary-ID: {number}",
        'X-Binary-Element-Type: "signed 32-bit integer"',
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN",
        f"Content-MD5: {digest}",
        f"X-Binary-Number-of-Elements: {pixels.size}",
        f"X-Binary-Size-Fastest-Dimension: {fast}",
        f"X-Binary-Size-Second-Dimension: {slow}",
        "X-Binary-Size-Third-Dimension: 1",
        f"X-Binary-Size-Padding: {_PADDING}",
        "",
        "",
    )
    end = b"\n--CIF-BINARY-FORMAT-SECTION----\n;\n"
    head = "\n".join(lines).encode() + b"\x0c\x1a\x04\xd5"
    return [head, data, bytes(_PADDING), end]


def _header(experiment: Experiment, name: str) -> str:
    detector, beam = experiment.detector, experiment.beam
    axes, pixels = _axes(detector)
    names = [str(a[0]) for a in axes]
    arrays = range(len(detector.panels))
    settings = [
        (a[0], "SCAN1", angle, 0, 0, 0, 0, 0) for a, angle in zip(axes, pixels, strict=True)
    ]
    sizes = [p.image_size for p in detector.panels]
    out = [
        f"###CBF: VERSION 1.7.10\n\ndata_{name}\n\n",
        "_diffrn.id DS1\n_diffrn_source.diffrn_id DS1\n_diffrn_source.source xfel\n"
        "_diffrn_source.type .\n\n",
        "_diffrn_detector.diffrn_id DS1\n_diffrn_detector.id DETECTOR\n"
        f"_diffrn_detector.detector {_KINDS.get(detector[0].type, '.')}\n_diffrn_detector.type .\n"
        f"_diffrn_detector.number_of_axes {len(names)}\n\n",
        _loop("diffrn_detector_axis", ("detector_id", "axis_id"), (("DETECTOR", n) for n in names)),
        _loop("diffrn_detector_element", ("id", "detector_id"),
              ((f"ELE_{i}", "DETECTOR") for i in arrays)),
        _loop("diffrn_data_frame", ("id", "detector_element_id", "array_id", "binary_id"),
              (("FRAME1", f"ELE_{i}", _array(i), i + 1) for i in arrays)),
        _loop("array_structure_list",
              ("array_id", "index", "dimension", "precedence", "direction", "axis_set_id"),
              ((_array(i), k + 1, sizes[i][k], k + 1, "increasing", f"{'FS'[k]}_{i}")
               for i in arrays for k in (0, 1))),
        _loop("array_structure_list_axis",
              ("axis_set_id", "axis_id", "displacement", "displacement_increment"),
              ((f"{'FS'[k]}_{i}", f"{'FS'[k]}_{i}", 0.0, detector[i].pixel_size[k])
               for i in arrays for k in (0, 1))),
        _loop("axis", ("id", "type", "equipment", "depends_on", "vector[1]", "vector[2]",
                       "vector[3]", "offset[1]", "offset[2]", "offset[3]", "equipment_component"),
              [("SOURCE", "general", "source", ".", *beam.direction, ".", ".", ".", "."), *axes]),
        _loop("diffrn_scan_axis",
              ("axis_id", "scan_id", "angle_start", "angle_range", "angle_increment",
               "displacement_start", "displacement_range", "displacement_increment"), settings),
        _loop("diffrn_scan_frame_axis", ("axis_id", "frame_id", "angle", "displacement"),
              ((s[0], "FRAME1", s[2], 0.0) for s in settings)),
        *_settings(experiment),
        _loop("array_intensities", ("array_id", "binary_id", "linearity", "offset", "gain",
                                    "gain_esd", "overload", "undefined_value"),
              ((_array(i), i + 1, "offset" if p.pedestal else "linear", 0.0 - p.pedestal, p.gain,
                0.0, min(p.trusted_range[1], float(_MOST)), p.trusted_range[0])
               for i, p in enumerate(detector.panels))),
        _loop("array_structure", ("id", "encoding_type", "compression_type", "byte_order"),
              ((_array(i), "'signed 32-bit integer'", "byte_offsets", "little_endian")
               for i in arrays)),
        "loop_\n_array_data.array_id\n_array_data.binary_id\n_array_data.data\n",
    ]  # fmt: skip
    return "".join(out)


def _settings(experiment: Experiment) -> list[str]:
    beam = experiment.beam
    pairs = (
        ("diffrn_radiation.diffrn_id", "DS1"),
        ("diffrn_radiation.wavelength_id", "WAVELENGTH1"),
        ("diffrn_radiation.probe", beam.probe),
        ("diffrn_radiation.polarizn_source_norm", 0.0),
        ("diffrn_radiation.polarizn_source_ratio", 2 * beam.polarization_fraction - 1),
        ("diffrn_radiation_wavelength.id", "WAVELENGTH1"),
        ("diffrn_radiation_wavelength.wavelength", beam.wavelength),
        ("diffrn_radiation_wavelength.wt", 1.0),
        ("diffrn_scan.id", "SCAN1"),
        ("diffrn_scan.frame_id_start", "FRAME1"),
        ("diffrn_scan.frame_id_end", "FRAME1"),
        ("diffrn_scan.frames", 1),
        ("diffrn_scan_frame.frame_id", "FRAME1"),
        ("diffrn_scan_frame.frame_number", 1),
        ("diffrn_scan_frame.integration_time", 0.0),
        ("diffrn_scan_frame.scan_id", "SCAN1"),
    )
    return [*(f"_{key} {_text(value)}\n" for key, value in pairs), "\n"]


def _text(value: Any) -> str:
    return repr(value + 0.0) if isinstance(value, float) else str(value)


def _loop(category: str, names: Sequence[str], rows: Iterable[Row]) -> str:
    head = "".join(f"_{category}.{n}\n" for n in names)
    body = "".join(" " + " ".join(_text(v) for v in row) + "\n" for row in rows)
    return f"loop_\n{head}{body}\n"


def _axes(detector: Detector) -> tuple[list[Row], list[float]]:
    """Return the rows of the axes and the angle, degree, of each.

    Each group is a rotation that carries its members; each panel two translations, F on S.
    """
    rows: list[Row] = [(_ARM, "translation", "detector", ".", 0, 0, 1, ".", ".", ".", "arm")]
    angles = [0.0]

    def add(item: Group, carrier: str, parent: Floats, depth: int) -> None:
        frame = frame_of(item)
        local = np.linalg.inv(parent) @ frame
        rotation = Rotation.from_matrix(local[:3, :3]).as_rotvec(degrees=True)
        angle = float(np.linalg.norm(rotation))
        axis = rotation / angle if angle > 0 else np.array([0.0, 0.0, 1.0])
        name = f"GROUP_{len(rows)}"
        offset = local[:3, 3].tolist()
        component = f"level{depth}" if depth else "arm"  # the arm and the root are one
        rows.append((name, "rotation", "detector", carrier, *axis.tolist(), *offset, component))
        angles.append(angle)
        for i in item.panels:
            panel = np.linalg.inv(frame) @ frame_of(detector[i])
            fast, slow, origin = (panel[:3, k].tolist() for k in (0, 1, 3))
            rows.append((f"S_{i}", "translation", "detector", name, *slow, *origin, f"panel{i}"))
            rows.append(
                (f"F_{i}", "translation", "detector", f"S_{i}", *fast, 0, 0, 0, f"panel{i}")
            )
            angles.extend((0.0, 0.0))
        for group in item.groups:
            add(group, name, frame, depth + 1)

    add(detector.root, _ARM, np.eye(4), 0)
    return rows, angles
