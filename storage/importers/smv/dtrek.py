"""Models in SMV headers of d*TREK (Rigaku Saturn, A200, CMOS-1, NOIR, PILATUS 200K, EIGER).

Vectors, units and values of all axes are in the header. Source: keys as of dxtbx's format classes
FormatSMVRigakuSaturn, FormatSMVRigakuEiger, FormatSMVNOIR and FormatSMVCMOS1.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Detector, Goniometer, Panel
from dxdask.models.vectors import rotation_matrix, unit, vector
from dxdask.storage.importers.cbf.mini import absorption_or_none
from dxdask.storage.importers.conventions import Convention
from dxdask.storage.importers.header_values import HeaderValues
from dxdask.storage.importers.smv.flat import SmvModels, beam_of, counts_of
from dxdask.storage.importers.smv.pixels import Layout

_LARGEST = 1e9
_LEAST = 1e-9


def is_dtrek(header: HeaderValues) -> bool:
    """Return True if a header has the axes of the first detector that it names."""
    return bool(header.text("DETECTOR_NAMES")) and bool(
        header.text(_prefix(header) + "DETECTOR_VECTORS")
    )


def dtrek_models(header: HeaderValues, convention: Convention, layout: Layout) -> SmvModels:
    """Return the models of a d*TREK header.

    Raises
    ------
    FormatError
        A key is missing, or has too few numbers.
    """
    # of several numbers, SOURCE_WAVELENGTH has their count first
    lines = {"wavelength": header.text("SCAN_WAVELENGTH", "SOURCE_WAVELENGTH", "WAVELENGTH")}
    lines["wavelength"] = (lines["wavelength"].split() or [""])[-1]
    reader = replace(header, values={**header.values, **lines})
    wavelength = reader.needed("wavelength", "WAVELENGTH", unit="a")
    beam = beam_of(wavelength, convention)
    source = _numbers(header, "SOURCE_VECTORS", 3, (0.0, 0.0, 1.0))[:3]
    polarisation = _numbers(header, "SOURCE_POLARZ", 4, (beam.polarization_fraction, 0.0, 1.0, 0.0))
    if np.linalg.norm(source) > _LEAST:
        beam = replace(beam, direction=vector(unit(source)))
    if np.linalg.norm(polarisation[1:4]) > _LEAST and 0.0 <= polarisation[0] <= 1.0:
        beam = replace(
            beam,
            polarization_fraction=float(polarisation[0]),
            polarization_normal=vector(unit(polarisation[1:4])),
        )
    rotation = _numbers(header, "ROTATION", 3, (0.0, 0.0, 0.0))
    return SmvModels(
        beam=beam,
        detector=Detector(panels=(_panel(header, convention, layout, wavelength),)),
        goniometer=_goniometer(header, convention),
        oscillation=(float(rotation[0]), float(rotation[2])),
        exposure=float(rotation[3]) if len(rotation) > 3 else None,
    )


def _prefix(header: HeaderValues) -> str:
    return header.text("DETECTOR_NAMES").split()[0]


def _numbers(
    header: HeaderValues, key: str, least: int, default: tuple[float, ...] | None = None
) -> Floats:
    text = header.text(key)
    if not text and default is not None:
        return np.array(default)
    try:
        values = np.array([float(w) for w in text.split()], dtype=np.float64)
    except ValueError as error:
        raise FormatError(f"{header.path}: {key}={text} in the header is not numbers") from error
    if len(values) < least or not np.all(np.abs(values) < _LARGEST):
        raise FormatError(
            f"{header.path}: {key}={text} in the header is not {least} numbers; give "
            "input.reference_geometry after its values are corrected"
        )
    return values


def _panel(
    header: HeaderValues, convention: Convention, layout: Layout, wavelength: float
) -> Panel:
    prefix = _prefix(header)
    axes = _numbers(header, prefix + "DETECTOR_VECTORS", 6)[:6].reshape(2, 3)
    info = _numbers(header, prefix + "SPATIAL_DISTORTION_INFO", 4)
    if convention.turn_about_beam is not None:
        about = rotation_matrix((0.0, 0.0, 1.0), np.deg2rad(convention.turn_about_beam))
        axes = axes @ about.T
    if convention.use_distortion is not False:
        mixed = _numbers(header, prefix + "SPATIAL_DISTORTION_VECTORS", 4, (1.0, 0.0, 0.0, 1.0))
        axes = mixed[:4].reshape(2, 2) @ axes
    if np.linalg.norm(np.cross(*axes)) < 0.99:
        raise FormatError(f"{header.path}: {prefix}DETECTOR_VECTORS are not at right angles")
    pixel = info[2:4]
    if not np.all((pixel >= 5e-4) & (pixel <= 5.0)):
        raise FormatError(
            f"{header.path}: {prefix}SPATIAL_DISTORTION_INFO has pixels of {pixel} mm"
        )
    centre = _beam_position(header, prefix, info[:2])
    counts = counts_of(header, convention, layout)
    material, thickness = counts["material"], counts["thickness"]
    mu = absorption_or_none(material, thickness, wavelength)
    panel = Panel(
        name="Panel",
        origin=vector(-(centre * pixel) @ axes),
        fast_axis=vector(axes[0]),
        slow_axis=vector(axes[1]),
        pixel_size=(float(pixel[0]), float(pixel[1])),
        image_size=(layout.shape[1], layout.shape[0]),
        mu=mu,
        use_parallax=mu > 0.0,
        **counts,
    )
    return _moved(header, prefix, panel)


def _beam_position(header: HeaderValues, prefix: str, info: Floats) -> Floats:
    """Return the beam centre (fast, slow), px.

    It is that of SPATIAL_DISTORTION_INFO, of which `info` are the first numbers; of NOIR-1 that of
    SPATIAL_BEAM_POSITION, as in dxtbx's FormatSMVNOIR.
    """
    key = prefix + "SPATIAL_BEAM_POSITION"
    position = _numbers(header, key, 2, (float(info[0]), float(info[1])))[:2]
    if header.text("NOIR1_CREATED"):
        return position
    if np.max(np.abs(position - info)) > 0.5:
        header.problems.append(
            f"{key} is {position[0]:g}, {position[1]:g} px, the beam centre in "
            f"{prefix}SPATIAL_DISTORTION_INFO {info[0]:g}, {info[1]:g}: the latter is used; give "
            "geometry.detector.fast_slow_beam_centre where that is wrong"
        )
    return info


def _moved(header: HeaderValues, prefix: str, panel: Panel) -> Panel:
    """Return the panel moved by the axes that carry it, the last of which is the innermost."""
    units = header.text(prefix + "GONIO_UNITS").lower().split()
    vectors = _numbers(header, prefix + "GONIO_VECTORS", 3 * len(units))
    vectors = vectors[: 3 * len(units)].reshape(-1, 3)
    values = _numbers(header, prefix + "GONIO_VALUES", len(units))
    for unit_name, axis, value in reversed(list(zip(units, vectors, values, strict=False))):
        if unit_name == "deg":
            if np.linalg.norm(axis) > _LEAST:
                panel = panel.moved(rotation_matrix(axis, np.deg2rad(value)))
        elif unit_name == "mm":
            panel = panel.moved(np.eye(3), value * axis)
        else:
            raise FormatError(
                f"{header.path}: {prefix}GONIO_UNITS has {unit_name}; deg and mm are known"
            )
    if panel.distance < 1.0:
        header.lacks("distance", prefix + "GONIO_VALUES", "has the detector in the sample")
    return panel


def _goniometer(header: HeaderValues, convention: Convention) -> Goniometer:
    """Return all axes where the header has them, or the one that turns."""
    axis = unit(
        convention.axis or _nonzero(_numbers(header, "ROTATION_VECTOR", 3, (1.0, 0.0, 0.0)))
    )
    single = Goniometer(axes=(vector(axis),))
    names = header.text("CRYSTAL_GONIO_NAMES").split()
    units = header.text("CRYSTAL_GONIO_UNITS").lower().split()
    scanned = header.text("ROTATION_AXIS_NAME")
    if convention.axis is not None or scanned not in names or len(units) != len(names):
        return single
    vectors = _numbers(header, "CRYSTAL_GONIO_VECTORS", 3 * len(names))
    values = _numbers(header, "CRYSTAL_GONIO_VALUES", len(names))
    rows = vectors[: 3 * len(names)].reshape(-1, 3)
    kept = [
        i
        for i in reversed(range(len(names)))
        if units[i] == "deg" and np.linalg.norm(rows[i]) > _LEAST
    ]
    if names.index(scanned) not in kept:
        return single
    whole = Goniometer(
        axes=tuple(vector(unit(rows[i])) for i in kept),
        angles=tuple(float(values[i]) for i in kept),
        names=tuple(names[i] for i in kept),
        scan_axis=kept.index(names.index(scanned)),
    )
    # The direction of the axis during the scan is in the header, too, and is what counts.
    return whole if np.allclose(whole.rotation_axis, axis, atol=1e-3) else single


def _nonzero(values: Floats) -> Floats:
    return values[:3] if np.linalg.norm(values[:3]) > _LEAST else np.array([1.0, 0.0, 0.0])
