"""The headers of full CBF images: axes, arrays and settings as imgCIF tables.

Source: the imgCIF dictionary (Bernstein & Hammersley 2005, International Tables for
Crystallography G).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np

from dxdask.errors import FormatError, InputError
from dxdask.models import Beam, Detector
from dxdask.models.attenuation import material_name
from dxdask.models.vectors import Vector, unit, vector
from dxdask.storage.importers.cbf.full_detector import detector_of
from dxdask.storage.importers.cbf.full_rotation import rotation_of
from dxdask.storage.importers.cbf.mini import absorption_or_none, module_gaps
from dxdask.storage.importers.cbf.mini_text import mini_values
from dxdask.storage.importers.cbf.tables import EMPTY, axes_of, number, rows_of
from dxdask.storage.importers.header_values import HeaderValues, timestamp
from dxdask.storage.importers.image_header import ImageHeader

_NEAREST = 1.0
"""Least distance of a detector, mm."""
_TABLES = ("_axis.", "_array_structure_list.", "_array_structure_list_axis.")
# The items of a miniCBF header, which may come before the tables.
_MINI = re.compile(
    r"""_array_data\.header_(?:convention[ \t]+(?:"[^"\n]*"|'[^'\n]*'|[^\s_]\S*)"""
    r"""|contents?\s+(?:(?<=\n);.*?\n;|'''.*?'''|'[^'\n]*'|"[^"\n]*"))""",
    re.DOTALL | re.IGNORECASE,
)


def has_tables(text: str) -> bool:
    """Return True if a CBF header has the tables of axes and arrays of a full CBF."""
    lower = text.lower()
    return all(name in lower for name in _TABLES)


def read_full_header(path: Path, text: str, shapes: Sequence[tuple[int, int, int]]) -> ImageHeader:
    """Return the header of a full CBF; shapes: (section, slow, fast) of each of its arrays.

    The wavelength may be missing.

    Raises
    ------
    FormatError
        The header is not CIF, or lacks axes or arrays.
    """
    lines = HeaderValues(path=path, values=mini_values(text))
    try:
        block = gemmi.cif.read_string(_tables_only(text)).sole_block()
        axes = axes_of(block)
        beam = _beam(block, lines)
        detector = _with_sensor(detector_of(path, block, axes, shapes), lines, beam.wavelength)
        goniometer, oscillation, decimals = rotation_of(block, axes)
        if max(p.distance for p in detector.panels) < _NEAREST:
            lines.lacks("distance", "_axis", "has the detector in the sample")
        frames = rows_of(block, "_diffrn_scan_frame.")
    except FormatError:
        raise
    except (RuntimeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise FormatError(
            f"{path}: its CBF header is incomplete ({type(error).__name__}: {error}); correct it, "
            "or convert the image to a miniCBF"
        ) from error
    frame = HeaderValues(path=path, values=frames[0] if frames else {})
    return ImageHeader(
        beam=beam,
        detector=detector,
        goniometer=goniometer,
        shape=(sum(s[0] * s[1] for s in shapes), shapes[0][2]),
        dtype="i4",
        oscillation=oscillation,
        angle_decimals=decimals,
        exposure=frame.number("integration_time") or None,
        timestamp=timestamp([frame.text("date"), lines.text("date")]),
        missing=tuple(lines.missing),
    )


def _tables_only(text: str) -> str:
    """Return the tables: without miniCBF lines, and without the cut table of binary data."""
    plain = _MINI.sub("", text)
    cut = re.search(r"_array_data\.", plain, re.IGNORECASE)
    return (plain[: cut.start()] if cut else plain).rstrip().removesuffix("loop_")


def _beam(block: gemmi.cif.Block, lines: HeaderValues) -> Beam:
    """Return the beam: direction from the axis of the source, wavelength and polarisation.

    polarizn_source_ratio is (Ip - In) / (Ip + In), so the fraction in the plane is half of one
    more;    polarizn_source_norm the angle, degree, between the normal to that plane and y.
    """
    radiation = next(iter(rows_of(block, "_diffrn_radiation.")), {})
    rows = rows_of(block, "_diffrn_radiation_wavelength.")
    wanted = radiation.get("wavelength_id", "")
    row = next((r for r in rows if r.get("id") == wanted), rows[0] if rows else {})
    text = row.get("wavelength", "")
    given = replace(lines, values={"wavelength": text} if text not in EMPTY else lines.values)
    wavelength = given.needed("wavelength", "wavelength", unit="a")
    ratio = radiation.get("polarizn_source_ratio", "")
    fraction = 0.999 if ratio in EMPTY else 0.5 * (1.0 + float(np.clip(number(ratio), -1.0, 1.0)))
    angle = np.deg2rad(number(radiation.get("polarizn_source_norm", "")))
    return Beam(
        wavelength=wavelength,
        direction=_source(block),
        polarization_fraction=fraction,
        polarization_normal=vector([np.sin(angle), np.cos(angle), 0.0]),
    )


def _source(block: gemmi.cif.Block) -> Vector:
    for row in rows_of(block, "_axis."):
        if row.get("equipment", "").lower() == "source":
            direction = [number(row.get(f"vector[{i}]", "")) for i in (1, 2, 3)]
            if np.linalg.norm(direction) > 1e-9:
                return vector(unit(direction))
    return (0.0, 0.0, 1.0)


def _with_sensor(detector: Detector, lines: HeaderValues, wavelength: float) -> Detector:
    """Return the detector with the sensor, and gaps of its modules, in the miniCBF lines."""
    try:
        material = material_name(lines.text("sensor_material"))
    except InputError:
        return detector
    thickness = lines.number("sensor_thickness", kind="length", unit="m") or 0.0
    mu = absorption_or_none(material, thickness, wavelength)
    panels = tuple(
        replace(
            p,
            material=material,
            thickness=max(thickness, 0.0),
            mu=mu,
            use_parallax=mu > 0.0,
            mask=module_gaps(p.image_size[::-1]),
        )
        for p in detector.panels
    )
    return Detector(panels=panels, root=detector.root)
