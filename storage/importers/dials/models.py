"""Models from the JSON of a DIALS experiment list (`.expt`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Beam, Crystal, Detector, GaussianProfile, Goniometer, Group, Panel, Scan
from dxdask.models.crystal import cell_of
from dxdask.models.vectors import IDENTITY, matrix, unit, vector
from dxdask.storage.importers.dials.parallax import with_own_law
from dxdask.storage.importers.dials.setting import tabulated
from dxdask.storage.importers.uneven_angles import uneven_angles

ANGLES = "dxdask_angles"
"""Key of a scan in `.expt` for the angles of uneven images; dxtbx ignores it, and does not write it
again."""

# Missing in older files; the values are dxtbx's defaults.
_PANEL_DEFAULTS: Mapping[str, Any] = {
    "raw_image_offset": (0, 0),
    "thickness": 0.0,
    "material": "",
    "mu": 0.0,
    "mask": (),
    "gain": 1.0,
    "pedestal": 0.0,
    "px_mm_strategy": {"type": "SimplePxMmStrategy"},
}


def beam_from_dials(values: Mapping[str, Any]) -> Beam:
    """Return the beam, which may vary over a scan."""
    if "wavelength" not in values:
        kind = values.get("__id__", "unknown")
        raise FormatError(f"a beam of kind {kind!r} has no wavelength; only monochromatic is read")
    points = values.get("s0_at_scan_points")
    return Beam(
        direction=vector(values["direction"]),
        wavelength=float(values["wavelength"]),
        polarization_normal=vector(values.get("polarization_normal", (0.0, 1.0, 0.0))),
        polarization_fraction=float(values.get("polarization_fraction", 0.999)),
        divergence=float(np.deg2rad(values.get("divergence", 0.0))),
        sigma_divergence=float(np.deg2rad(values.get("sigma_divergence", 0.0))),
        flux=float(values.get("flux", 0.0)),
        transmission=float(values.get("transmission", 1.0)),
        probe=str(values.get("probe", "x-ray")),
        s0_at_scan_points=None if not points else tuple(vector(p) for p in points),
    )


def detector_from_dials(values: Mapping[str, Any]) -> Detector:
    """Return the detector; frames relative to a parent are converted to laboratory frames."""
    panels = values["panels"]
    placed: dict[int, Panel] = {}

    def group(node: Mapping[str, Any], parent: Floats) -> Group:
        frame = parent @ _frame(node)
        groups, indices = [], []
        for child in node.get("children", ()):
            if "panel" in child:
                index = int(child["panel"])
                placed[index] = _panel(panels[index], frame @ _frame(panels[index]))
                indices.append(index)
            else:
                groups.append(group(child, frame))
        fast, slow, origin = frame[:3, 0], frame[:3, 1], frame[:3, 3]
        return Group(
            name=str(node.get("name", "")),
            origin=vector(origin),
            fast_axis=vector(fast),
            slow_axis=vector(slow),
            groups=tuple(groups),
            panels=tuple(indices),
        )

    root = group(values["hierarchy"], np.eye(4)) if "hierarchy" in values else Group()
    for index, panel in enumerate(panels):
        placed.setdefault(index, _panel(panel, _frame(panel)))
    return Detector(panels=tuple(placed[i] for i in range(len(panels))), root=root)


def _frame(values: Mapping[str, Any]) -> Floats:
    """Return the rigid motion (4, 4) from the frame of this node to that of its parent, mm."""
    fast, slow = unit(values["fast_axis"]), unit(values["slow_axis"])
    out = np.eye(4)
    out[:3, :3] = np.column_stack([fast, slow, np.cross(fast, slow)])
    out[:3, 3] = values["origin"]
    return out


def _panel(values: Mapping[str, Any], frame: Floats) -> Panel:
    given = {**_PANEL_DEFAULTS, **values}
    (x, y), (width, height) = given["raw_image_offset"], given["image_size"]
    low, high = given["trusted_range"]
    mu = float(given["mu"])
    panel = Panel(
        name=str(given["name"]),
        type=str(given["type"]),
        fast_axis=vector(frame[:3, 0]),
        slow_axis=vector(frame[:3, 1]),
        origin=vector(frame[:3, 3]),
        pixel_size=(float(given["pixel_size"][0]), float(given["pixel_size"][1])),
        image_size=(int(width), int(height)),
        offset=(int(x), int(y)),
        trusted_range=(float(low), float(high)),
        thickness=float(given["thickness"]),
        material=str(given["material"]),
        mu=mu,
        use_parallax=given["px_mm_strategy"]["type"].startswith("Parallax") and mu > 0.0,
        parallax_law="dxtbx",
        gain=float(given["gain"]),
        pedestal=float(given["pedestal"]),
        mask=tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in given["mask"]),
    )
    return with_own_law(panel, given)


def goniometer_from_dials(values: Mapping[str, Any] | None) -> Goniometer | None:
    """Return the goniometer, of one axis or of several; None where there is none."""
    if not values:
        return None
    if "axes" in values:
        return Goniometer(
            axes=tuple(vector(a) for a in values["axes"]),
            angles=tuple(float(a) for a in values["angles"]),
            names=tuple(str(n) for n in values["names"]),
            scan_axis=int(values["scan_axis"]),
        )
    return Goniometer(
        axes=(vector(values["rotation_axis"]),),
        fixed=matrix(values.get("fixed_rotation", IDENTITY)),
        setting=matrix(values.get("setting_rotation", IDENTITY)),
    )


def scan_from_dials(values: Mapping[str, Any] | None) -> Scan | None:
    """Return the scan; `oscillation` is start and width (to DIALS 3.14) or an angle per image."""
    if not values:
        return None
    first, last = (int(n) for n in values["image_range"])
    given = values.get("properties", values)
    start, width = _oscillation(values, given)
    return Scan(
        image_range=(first, last),
        oscillation=(start, width),
        angles=_angles(values, given, width),
        exposure_times=tuple(float(t) for t in given.get("exposure_time", ())),
        epochs=tuple(float(t) for t in given.get("epochs", ())),
        batch_offset=int(values.get("batch_offset", 0)),
    )


def _oscillation(values: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[float, float]:
    angles = given.get("oscillation")
    if not angles:
        return (0.0, 0.0)
    start = float(angles[0])
    if given is values:
        return (start, float(angles[1]))
    if "oscillation_width" in given:
        return (start, float(given["oscillation_width"][0]))
    return (start, (float(angles[-1]) - start) / (len(angles) - 1) if len(angles) > 1 else 0.0)


def _angles(values: Mapping[str, Any], given: Mapping[str, Any], width: float) -> tuple[float, ...]:
    """Return the angles of uneven images: our own, or those of an angle per image."""
    if ANGLES in values:
        return tuple(float(a) for a in values[ANGLES])
    starts = given.get("oscillation")
    if given is values or not starts:
        return ()
    return uneven_angles(np.asarray(starts, dtype=np.float64), width) or ()


def crystal_from_dials(values: Mapping[str, Any]) -> tuple[Crystal, NDArray[np.int64] | None]:
    """Return the crystal, with A at the scan points where it varies, in a tabulated setting.

    Beside it the change of basis (3, 3) of Miller indices to that setting, None where there is none
    (see `setting`).
    """
    rows = [values[f"real_space_{axis}"] for axis in "abc"]
    a_matrix = np.linalg.inv(np.asarray(rows, dtype=np.float64))
    symbol, change = tabulated(values["space_group_hall_symbol"])
    points = values.get("A_at_scan_points")
    if change is None:
        cell_su = _cell_su(a_matrix, values.get("B_covariance"))
        return _crystal(a_matrix, symbol, points, cell_su), None
    # r = A h stays as it is, with h' = h change
    back = np.linalg.inv(change).T
    points = None if points is None else [np.reshape(p, (3, 3)) @ back for p in points]
    return _crystal(a_matrix @ back, symbol, points, None), change


def _crystal(
    a_matrix: Floats, symbol: str, points: Any, cell_su: tuple[float, ...] | None
) -> Crystal:
    crystal = Crystal(
        a_matrix=matrix(a_matrix),
        space_group=symbol,
        scan_points=None if points is None else tuple(matrix(p) for p in points),
        cell_su=cell_su,
    )
    if not np.isfinite(crystal.a).all() or not np.linalg.det(crystal.a):
        raise FormatError("the axes of a crystal do not span a cell")
    return crystal


def _cell_su(a_matrix: Floats, covariance: Any) -> tuple[float, ...] | None:
    """Return uncertainties of the cell (A, degree) from the covariance (81 numbers) of B."""
    if covariance is None or not np.any(covariance):
        return None
    b_matrix = Crystal(a_matrix=matrix(a_matrix)).b
    slopes = cell_slopes(b_matrix)
    variances = np.einsum("ij,jk,ik->i", slopes, np.reshape(covariance, (9, 9)), slopes)
    # An angle that symmetry fixes comes out as rounding, 1e-19: it has no uncertainty.
    return tuple(float(s) if s > 1e-12 else 0.0 for s in np.sqrt(np.maximum(variances, 0.0)))


def cell_slopes(b_matrix: Floats) -> Floats:
    """Return d cell / d B (6, 9) by central differences; A, degrees; B row by row."""
    step = 1e-6 * float(np.abs(b_matrix).max())
    columns = []
    for element in range(9):
        shift = np.zeros((3, 3))
        shift.flat[element] = step
        plus, minus = cell_of(b_matrix + shift), cell_of(b_matrix - shift)
        columns.append((np.array(plus) - np.array(minus)) / (2 * step))
    return np.column_stack(columns)


def profile_from_dials(values: Mapping[str, Any]) -> GaussianProfile | None:
    """Return the profile model, widths in rad; None for other kinds."""
    if values.get("__id__") != "gaussian_rs":
        return None
    sigma_b, sigma_m = (np.deg2rad(values[name]) for name in ("sigma_b", "sigma_m"))
    return GaussianProfile(
        sigma_b=float(sigma_b.mean()),
        sigma_m=float(sigma_m.mean()),
        sigma_b_by_image=tuple(sigma_b.tolist()) if sigma_b.ndim else (),
        sigma_m_by_image=tuple(sigma_m.tolist()) if sigma_m.ndim else (),
        rlp_radius=float(values.get("rlp_radius", 0.0)),
        n_sigma=float(values.get("n_sigma", 3.0)),
    )
