"""Geometry of a detector as a file of CrystFEL (.geom).

Source: the manual page crystfel_geometry(5) of CrystFEL 0.12.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dxdask.models import Beam, Detector, Panel
from dxdask.storage.exporters.whole_file import whole_file
from dxdask.storage.importers.crystfel.geometry import LARGEST
from dxdask.storage.importers.crystfel.groups import group_lines
from dxdask.storage.importers.crystfel.units import electron_voltage
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF


def write_crystfel_geometry(
    path: str | Path,
    detector: Detector,
    beam: Beam,
    *,
    data: str = "/entry/data/data",
    wavelength: str | None = None,
    mask: str | None = None,
) -> None:
    """Write a geometry file for frames (image, slow, fast) with the panels as they are stored.

    wavelength : dataset with the wavelength of each image, Angstrom; None: that of the beam, for
    all. mask : dataset of a mask, 0 where a pixel is good.

    Raises
    ------
    StoreWriteError
        The file cannot be written.
    """
    text = crystfel_text(detector, beam, data=data, wavelength=wavelength, mask=mask)
    with whole_file(path) as aside:
        aside.write_text(text)


def crystfel_text(
    detector: Detector,
    beam: Beam,
    *,
    data: str = "/entry/data/data",
    wavelength: str | None = None,
    mask: str | None = None,
) -> str:
    """Return the text that `write_crystfel_geometry` writes."""
    pixel = detector[0].pixel_size[0]
    distance = -float(np.median([p.origin[2] for p in detector.panels]))
    lines = [
        _beam_line(beam, wavelength),
        f"clen = {distance * 1e-3:.12f} m",
        f"res = {1e3 / pixel!r}",
        f"data = {data}",
        "dim0 = %",
        "dim1 = ss",
        "dim2 = fs",
    ]
    if mask is not None:
        lines += [f"mask0_data = {mask}", "mask0_goodbits = 0x0", "mask0_badbits = 0xffffffff"]
    names = panel_names(detector)
    lines += ["", *group_lines(detector.root, names)]
    for name, panel in zip(names, detector.panels, strict=True):
        lines += ["", *_panel_lines(name, panel, pixel, distance)]
    n_bad = 0
    for name, panel in zip(names, detector.panels, strict=True):
        x, y = panel.offset
        for x0, y0, x1, y1 in panel.mask:
            bad = f"bad{n_bad}"
            n_bad += 1
            lines += ["", f"{bad}/panel = {name}"]
            lines += [f"{bad}/min_fs = {x + x0}", f"{bad}/max_fs = {x + x1 - 1}"]
            lines += [f"{bad}/min_ss = {y + y0}", f"{bad}/max_ss = {y + y1 - 1}"]
    return "\n".join(lines) + "\n"


def _beam_line(beam: Beam, wavelength: str | None) -> str:
    if beam.probe == "electron" and wavelength is None:
        return f"electron_voltage = {electron_voltage(beam.wavelength)!r} V"
    return f"wavelength = {wavelength or repr(beam.wavelength)} A"


def panel_names(detector: Detector) -> list[str]:
    """Return a name for each panel, valid in a geometry file: its own where all differ."""
    own = [p.name.rsplit("/", 1)[-1] for p in detector.panels]
    fit = all(n.replace("_", "").isalnum() and not n.startswith(("bad", "group")) for n in own)
    return own if fit and len(set(own)) == len(own) else [f"p{i}" for i in range(len(own))]


def _panel_lines(name: str, panel: Panel, pixel: float, distance: float) -> list[str]:
    (x, y), (width, height) = panel.offset, panel.image_size
    corner = TO_IMGCIF @ np.asarray(panel.origin) / pixel
    fast, slow = (
        TO_IMGCIF @ np.asarray(axis) * (size / pixel)
        for axis, size in zip((panel.fast_axis, panel.slow_axis), panel.pixel_size, strict=True)
    )
    lines = [
        f"{name}/min_fs = {x}",
        f"{name}/max_fs = {x + width - 1}",
        f"{name}/min_ss = {y}",
        f"{name}/max_ss = {y + height - 1}",
        f"{name}/fs = {_direction(fast)}",
        f"{name}/ss = {_direction(slow)}",
        f"{name}/corner_x = {corner[0]:.9f}",
        f"{name}/corner_y = {corner[1]:.9f}",
        f"{name}/coffset = {(-panel.origin[2] - distance) * 1e-3:.12f}",
        f"{name}/adu_per_photon = {panel.gain!r}",
    ]
    lines += [f"{name}/flag_equal = {value:.17g}" for value in panel.invalid_values]
    low, high = panel.trusted_range
    if low > -LARGEST:
        lines.append(f"{name}/flag_lessthan = {float(np.nextafter(low, np.inf))!r}")
    if high < LARGEST:
        lines.append(f"{name}/flag_morethan = {float(np.nextafter(high, -np.inf))!r}")
    return lines


def _direction(values: Sequence[float]) -> str:
    return " ".join(f"{v:+.12f}{axis}" for v, axis in zip(values, "xyz", strict=True))
