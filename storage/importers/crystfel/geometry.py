"""CrystFEL's geometry files as models of the detector and the beam.

CrystFEL looks along the beam: its x is to the left, y up, z along the beam; imgCIF's x and z are
opposite. Source: the manual page crystfel_geometry(5) of CrystFEL 0.11 and 0.12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Panel
from dxdask.models.attenuation import KEV_ANGSTROM
from dxdask.models.vectors import unit, vector
from dxdask.storage.importers.crystfel.groups import hierarchy
from dxdask.storage.importers.crystfel.text import (
    GeometryText,
    direction,
    energy,
    length,
    number,
    read_text,
)
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF

LARGEST = 1e9
"""A limit of trusted values where the file gives none."""

Lookup = Callable[[str], float]


@dataclass(frozen=True, kw_only=True)
class CrystfelGeometry:
    """Contents of a .geom file.

    Attributes
    ----------
    detector : its panels in the stored frame, in which panels along an axis of the data are
        stacked along slow.
    beam : where the file gives its wavelength.
    data : dataset of the frames; wavelength, photon_energy : datasets with one value an event.
    masks : dataset or file of each mask, with the bits that must and those that must not be set.
    bad_regions : (panel or None, x0, x1, y0, y1) in CrystFEL's laboratory frame, pixels.
    """

    detector: Detector
    beam: Beam | None
    data: str | None
    wavelength: str | None
    photon_energy: str | None
    masks: tuple[tuple[str, int, int], ...]
    bad_regions: tuple[tuple[str | None, float, float, float, float], ...]


def read_crystfel(
    path: str | Path, *, n_slow: int | None = None, lookup: Lookup | None = None
) -> CrystfelGeometry:
    """Return the models in a CrystFEL geometry file.

    Parameters
    ----------
    n_slow : rows of one panel where panels are an axis of the data; None: of the tallest.
    lookup : returns the value of a dataset in the data file, for a camera length given as one.

    Raises
    ------
    FormatError
        Something is missing, or invalid in CrystFEL.
    """
    file = read_text(Path(path))
    beam = _beam(file)
    rows = n_slow or max(int(_value(file, p, n, "max_ss")) for n, p in file.panels.items()) + 1
    panels = [
        _panel(file, name, settings, beam, rows, lookup)
        for name, settings in file.panels.items()
        if not int(_value(file, settings, name, "no_index", 0.0))
    ]
    if not panels:
        raise FormatError(f"{file.path}: every panel has no_index = 1; there is none to use")
    panels, regions = _with_bad_regions(file, panels)
    names = [p.name for p in panels]
    detector = Detector(panels=tuple(panels), root=hierarchy(file.path, file.groups, panels, names))
    return CrystfelGeometry(
        detector=detector,
        beam=beam,
        data=file.settings.get("data"),
        wavelength=_place(file, "wavelength"),
        photon_energy=_place(file, "photon_energy"),
        masks=_masks(file),
        bad_regions=tuple(regions),
    )


def _value(
    file: GeometryText,
    settings: Mapping[str, str],
    name: str,
    key: str,
    default: float | None = None,
) -> float:
    if key not in settings:
        if default is None:
            raise FormatError(f"{file.path}: panel {name} has no {key}; add {name}/{key} = ...")
        return default
    return number(file.path, f"{name}/{key}", settings[key])


def _place(file: GeometryText, key: str) -> str | None:
    """Return the dataset that gives a setting for each event."""
    value = file.settings.get(key, "").split()
    return value[0] if value and value[0].startswith("/") else None


def _beam(file: GeometryText) -> Beam | None:
    given, wavelength = file.settings, None
    if "wavelength" in given:
        metres = length(file.path, "wavelength", given["wavelength"])
        wavelength = None if metres is None else metres * 1e10
    elif "photon_energy" in given:
        volts = energy(file.path, "photon_energy", given["photon_energy"])
        wavelength = None if volts is None else KEV_ANGSTROM * 1e3 / volts
    return None if wavelength is None else Beam(wavelength=wavelength)


def _panel(
    file: GeometryText,
    name: str,
    given: Mapping[str, str],
    beam: Beam | None,
    n_slow: int,
    lookup: Lookup | None,
) -> Panel:
    def value(key: str, default: float | None = None) -> float:
        return _value(file, given, name, key, default)

    fast, slow = (
        TO_IMGCIF @ np.array(direction(file.path, f"{name}/{k}", given.get(k, d)))
        for k, d in (("fs", "x"), ("ss", "y"))
    )
    pixel = 1e3 / value("res")
    low, high = (
        np.array([value("min_fs"), value("min_ss")]),
        np.array([value("max_fs"), value("max_ss")]),
    )
    if np.any(high < low) or np.any(low < 0):
        raise FormatError(f"{file.path}: panel {name} ends before it begins, or begins below 0")
    x, y = (int(v) for v in low)
    size = (int(high[0]) - x + 1, int(high[1]) - y + 1)
    corner = np.array([value("corner_x") * pixel, value("corner_y") * pixel, 0.0])
    corner[2] = 1e3 * (_camera_length(file, name, given, lookup) + value("coffset", 0.0))
    x_size, y_size = (float(np.linalg.norm(v)) for v in (fast, slow))
    if abs(float(unit(fast) @ unit(slow))) > 1e-2:
        raise FormatError(f"{file.path}: fs and ss of panel {name} are not at right angles")
    least, most = _trusted(file, name, given)
    return Panel(
        name=name,
        origin=vector(TO_IMGCIF @ corner + 0.0),
        fast_axis=vector(unit(fast) + 0.0),
        slow_axis=vector(unit(slow) + 0.0),
        pixel_size=(pixel * x_size, pixel * y_size),
        image_size=size,
        offset=(x, y + n_slow * _stacked(file, name, given)),
        trusted_range=(least, most),
        gain=_gain(file, name, given, beam),
    )


def _camera_length(
    file: GeometryText, name: str, given: Mapping[str, str], lookup: Lookup | None
) -> float:
    """Return the distance, m, to which coffset is added."""
    text = given.get("clen")
    if text is None:
        raise FormatError(f"{file.path}: panel {name} has no clen; add clen = ... m")
    found = length(file.path, "clen", text)
    if found is None and lookup is not None:
        place, *others = text.split()
        # without a unit CrystFEL takes it as mm
        scale = length(file.path, "clen", f"1 {others[0] if others else 'mm'}") or 0.0
        found = lookup(place) * scale
    if found is None:
        raise FormatError(
            f"{file.path}: clen = {text} is a dataset in the data file; give a length, or import "
            "this geometry with its data"
        )
    return found


def _stacked(file: GeometryText, name: str, given: Mapping[str, str]) -> int:
    """Return the index of the panel along an axis of the data; 0 where panels have no axis."""
    axes = {k: v for k, v in given.items() if k.startswith("dim")}
    fixed = [
        int(number(file.path, f"{name}/{k}", v))
        for k, v in sorted(axes.items())
        if v not in ("%", "ss", "fs")
    ]
    if len(fixed) > 1:
        raise FormatError(
            f"{file.path}: panel {name} fixes {len(fixed)} axes of the data; one is possible"
        )
    return fixed[0] if fixed else 0


def _trusted(file: GeometryText, name: str, given: Mapping[str, str]) -> tuple[float, float]:
    """Return the trusted range, from the limits at which values are flagged."""

    def value(key: str, default: float) -> float:
        return _value(file, given, name, key, default)

    low = value("flag_lessthan", -LARGEST)
    high = min(value("flag_morethan", LARGEST), value("max_adu", LARGEST))
    return float(np.nextafter(low, -np.inf)), float(np.nextafter(high, np.inf))


def _gain(file: GeometryText, name: str, given: Mapping[str, str], beam: Beam | None) -> float:
    gain = 1.0
    if "adu_per_photon" in given:
        gain = _value(file, given, name, "adu_per_photon")
    elif "adu_per_eV" in given and beam is not None:
        gain = _value(file, given, name, "adu_per_eV") * KEV_ANGSTROM * 1e3 / beam.wavelength
    if not gain > 0:
        raise FormatError(f"{file.path}: panel {name} has a gain of {gain:g} ADU a photon")
    return gain


def _masks(file: GeometryText) -> tuple[tuple[str, int, int], ...]:
    out = []
    for key in ("mask", *(f"mask{i}" for i in range(8))):
        place = file.settings.get("mask" if key == "mask" else f"{key}_data")
        if place is None:
            continue
        good, bad = (
            int(file.settings.get(f"{key}_{bits}bits", d), 0)
            for bits, d in (("good", "0"), ("bad", "0xffffffff"))
        )
        source = file.settings.get(f"{key}_file")
        out.append((f"{source}:{place}" if source else place, good, bad))
    return tuple(out)


def _with_bad_regions(
    file: GeometryText, panels: list[Panel]
) -> tuple[list[Panel], list[tuple[str | None, float, float, float, float]]]:
    """Return the panels with the rectangles of pixels masked, and the regions of the laboratory."""
    regions: list[tuple[str | None, float, float, float, float]] = []
    for name, given in file.bad.items():
        of_panel = given.get("panel")
        if of_panel is not None and of_panel not in file.panels:
            raise FormatError(f"{file.path}: {name} is of panel {of_panel}, which does not exist")
        axes = ("fs", "ss") if "min_fs" in given else ("x", "y")
        x0, x1, y0, y1 = (
            _value(file, given, name, f"{end}_{a}") for a in axes for end in ("min", "max")
        )
        if axes == ("x", "y"):
            regions.append((of_panel, x0, x1, y0, y1))
            continue
        rectangle = int(x0), int(y0), int(x1) + 1, int(y1) + 1
        panels = [_masked(file, p, rectangle) if of_panel in (None, p.name) else p for p in panels]
    return panels, regions


def _masked(file: GeometryText, panel: Panel, rectangle: tuple[int, int, int, int]) -> Panel:
    """Return the panel with its part of a rectangle of the data (x0, y0, x1, y1) masked."""
    given, (width, height) = file.panels[panel.name], panel.image_size
    left, top = (int(_value(file, given, panel.name, k)) for k in ("min_fs", "min_ss"))
    x0, y0, x1, y1 = rectangle
    cut = (max(x0 - left, 0), max(y0 - top, 0), min(x1 - left, width), min(y1 - top, height))
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
        return panel
    return replace(panel, mask=(*panel.mask, cut))


def region_mask(geometry: CrystfelGeometry, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (slow, fast) of the stored frame, false in bad regions."""
    good = np.ones(shape, dtype=np.bool_)
    for name, x0, x1, y0, y1 in geometry.bad_regions:
        for panel in geometry.detector.panels:
            if name in (None, panel.name):
                x, y = _positions(panel)
                good[panel.slices] &= ~((x > x0) & (x < x1) & (y > y0) & (y < y1))
    return good


def _positions(panel: Panel) -> tuple[Floats, Floats]:
    """Return x and y (slow, fast) of a panel's pixels in CrystFEL's frame, in its pixels."""
    width, height = panel.image_size
    along, down = np.arange(width) + 0.5, np.arange(height) + 0.5
    out = []
    for axis, sign in ((0, -1.0), (1, 1.0)):
        mm = (
            panel.origin[axis]
            + panel.pixel_size[0] * panel.fast_axis[axis] * along[None, :]
            + panel.pixel_size[1] * panel.slow_axis[axis] * down[:, None]
        )
        out.append(sign * mm / panel.pixel_size[0])
    return out[0], out[1]
