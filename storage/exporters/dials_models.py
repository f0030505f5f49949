"""Models as the JSON of a DIALS experiment list (`.expt`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Beam, Crystal, Detector, GaussianProfile, Goniometer, Group, Panel, Scan
from dxdask.models.parallax_law import panel_with_law
from dxdask.models.vectors import IDENTITY, flat, matrix
from dxdask.storage.importers.dials.models import ANGLES, cell_slopes
from dxdask.storage.importers.dials.parallax import KEY, KEY_MOVED

_NO_PANEL: dict[str, Any] = {
    "raw_image_offset": [0, 0],
    "image_size": [0, 0],
    "pixel_size": [0.0, 0.0],
    "trusted_range": [0.0, 0.0],
    "thickness": 0.0,
    "material": "",
    "mu": 0.0,
    "identifier": "",
    "mask": [],
    "gain": 1.0,
    "pedestal": 0.0,
    "px_mm_strategy": {"type": "SimplePxMmStrategy"},
}


def beam_to_dials(beam: Beam) -> dict[str, Any]:
    """Return the beam; widths in degrees, as DIALS writes them."""
    out: dict[str, Any] = {
        "direction": list(beam.direction),
        "wavelength": beam.wavelength,
        "divergence": float(np.rad2deg(beam.divergence)),
        "sigma_divergence": float(np.rad2deg(beam.sigma_divergence)),
        "polarization_normal": list(beam.polarization_normal),
        "polarization_fraction": beam.polarization_fraction,
        "flux": beam.flux,
        "transmission": beam.transmission,
    }
    if beam.s0_at_scan_points is not None:
        out["s0_at_scan_points"] = [list(s0) for s0 in beam.s0_at_scan_points]
    return out


def detector_to_dials(detector: Detector, *, refined: bool = True) -> dict[str, Any]:
    """Return panels and hierarchy, each in the frame of the node that carries it.

    refined : panels lie where reflections put them, and so are moved for dxtbx's law of parallax;
    else they lie where the header of the frames does, for DIALS too.
    """
    panels: dict[int, dict[str, Any]] = {}

    def node(group: Group, parent: Floats) -> dict[str, Any]:
        frame = frame_of(group)
        for i in group.panels:
            panels[i] = _panel(detector[i], frame, refined=refined)
        children: list[dict[str, Any]] = [{"panel": i} for i in group.panels]
        children += [node(g, frame) for g in group.groups]
        place = _local(frame, parent)
        return {"name": group.name, "type": "", **place, **_NO_PANEL, "children": children}

    hierarchy = node(detector.root, np.eye(4))
    ordered = [
        panels.get(i) or _panel(p, np.eye(4), refined=refined)
        for i, p in enumerate(detector.panels)
    ]
    return {"panels": ordered, "hierarchy": hierarchy}


def frame_of(item: Group | Panel) -> Floats:
    """Return the rigid motion (4, 4) from the item's frame to the laboratory, mm."""
    out = np.eye(4)
    normal = np.cross(item.fast_axis, item.slow_axis)
    out[:3, :3] = np.column_stack([item.fast_axis, item.slow_axis, normal])
    out[:3, 3] = item.origin
    return out


def _local(frame: Floats, parent: Floats) -> dict[str, Any]:
    local = np.linalg.inv(parent) @ frame if not np.array_equal(parent, np.eye(4)) else frame
    return {
        "fast_axis": local[:3, 0].tolist(),
        "slow_axis": local[:3, 1].tolist(),
        "origin": local[:3, 3].tolist(),
    }


def _panel(own: Panel, parent: Floats, *, refined: bool) -> dict[str, Any]:
    """Return the panel under dxtbx's law of parallax, and its own law in keys of ours."""
    panel = panel_with_law(own, "dxtbx") if refined else own
    strategy = "ParallaxCorrectedPxMmStrategy" if panel.use_parallax else "SimplePxMmStrategy"
    return {
        "name": panel.name,
        "type": panel.type,
        **_local(frame_of(panel), parent),
        "raw_image_offset": list(panel.offset),
        "image_size": list(panel.image_size),
        "pixel_size": list(panel.pixel_size),
        "trusted_range": list(panel.trusted_range),
        "thickness": panel.thickness,
        "material": panel.material,
        "mu": panel.mu,
        "identifier": "",
        "mask": [list(r) for r in panel.mask],
        "gain": panel.gain,
        "pedestal": panel.pedestal,
        "px_mm_strategy": {"type": strategy},
        KEY: own.parallax_law,
        KEY_MOVED: refined,
    }


def goniometer_to_dials(goniometer: Goniometer) -> dict[str, Any]:
    """Return the goniometer: several axes as they are, one with its fixed and setting rotations.

    DIALS has no further rotations beside several axes: such a goniometer is written as one axis,
    with its F and S computed.
    """
    plain = goniometer.setting == IDENTITY and goniometer.fixed == IDENTITY
    if len(goniometer.axes) > 1 and plain:
        return {
            "axes": [list(a) for a in goniometer.axes],
            "angles": list(goniometer.angles),
            "names": list(goniometer.names),
            "scan_axis": goniometer.scan_axis,
        }
    return {
        "rotation_axis": goniometer.rotation_axis_datum.tolist(),
        "fixed_rotation": flat(matrix(goniometer.fixed_rotation)),
        "setting_rotation": flat(matrix(goniometer.setting_rotation)),
    }


def scan_to_dials(scan: Scan) -> dict[str, Any]:
    """Return the scan, one exposure time and epoch an image.

    DIALS takes images to be evenly spaced, and leaves out the angles, which are for us alone.
    """
    n_images = scan.n_images

    def spread(values: tuple[float, ...]) -> list[float]:
        given = values or (0.0,)
        return [*given[:n_images], *given[-1:] * (n_images - len(given))]

    values = {
        "image_range": list(scan.image_range),
        "batch_offset": scan.batch_offset,
        "oscillation": list(scan.oscillation),
        "exposure_time": spread(scan.exposure_times),
        "epochs": spread(scan.epochs),
        "valid_image_ranges": {},
    }
    return values | {ANGLES: list(scan.angles)} if scan.angles else values


def crystal_to_dials(crystal: Crystal) -> dict[str, Any]:
    """Return the crystal; the uncertainties of its cell as a covariance of B."""
    direct = np.linalg.inv(crystal.a)
    out: dict[str, Any] = {"__id__": "crystal"}
    out |= {f"real_space_{axis}": direct[i].tolist() for i, axis in enumerate("abc")}
    out["space_group_hall_symbol"] = crystal.gemmi_space_group.hall
    if crystal.scan_points is not None:
        out["A_at_scan_points"] = [flat(p) for p in crystal.scan_points]
    if crystal.cell_su is not None and any(crystal.cell_su):
        # The right inverse of d cell / d B is d B / d cell: the cell's uncertainties come back.
        slopes = np.linalg.pinv(cell_slopes(crystal.b))
        covariance = slopes @ np.diag(np.square(crystal.cell_su)) @ slopes.T
        out["B_covariance"] = covariance.ravel().tolist()
    return out


def profile_to_dials(profile: GaussianProfile) -> dict[str, Any]:
    """Return the profile model; widths in degrees, rlp_radius (1/A) for us alone.

    Of a profile that varies along the scan, sigma_b and sigma_m are lists with one value an image.
    """
    widths = (
        (profile.sigma_b, profile.sigma_b_by_image),
        (profile.sigma_m, profile.sigma_m_by_image),
    )
    n = max(len(by_image) for _, by_image in widths)
    sigma_b, sigma_m = (
        float(np.rad2deg(mean)) if not n else np.rad2deg(by_image or (mean,) * n).tolist()
        for mean, by_image in widths
    )
    return {
        "__id__": "gaussian_rs",
        "n_sigma": profile.n_sigma,
        "sigma_b": sigma_b,
        "sigma_m": sigma_m,
        "rlp_radius": profile.rlp_radius,
    }
