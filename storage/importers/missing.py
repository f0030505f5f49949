"""Values that a file lacks: what the user may give for each, and the error where nothing is given.

Every format leaves a placeholder and a `Missing`; overrides and the reference geometry are applied,
and only then is a value that is still missing an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from dxdask.errors import FormatError
from dxdask.models import Detector, Panel
from dxdask.models.attenuation import material_name
from dxdask.storage.formats import RunSource
from dxdask.storage.formats.missing import Missing, Value
from dxdask.storage.importers.parameters import ImportParameters, PanelOverrides

_PANEL = "geometry.detector.panel."


@dataclass(frozen=True, slots=True)
class Remedy:
    """Parameters that give a value: any one of `options`, each of which is a set of parameters.

    reference : the model of a reference geometry, "beam" or "detector", that has the value too.
    """

    options: tuple[tuple[str, ...], ...]
    reference: str = ""


_CENTRES = ("geometry.detector.fast_slow_beam_centre", "geometry.detector.slow_fast_beam_centre")
_ORIGIN = (_PANEL + "origin",)

REMEDIES: Mapping[Value, Remedy] = {
    "wavelength": Remedy((("geometry.beam.wavelength",),), "beam"),
    "distance": Remedy((("geometry.detector.distance",), _ORIGIN), "detector"),
    "beam_centre": Remedy((*((c,) for c in _CENTRES), _ORIGIN), "detector"),
    "origin": Remedy((_ORIGIN, ("geometry.detector.distance", _CENTRES[0])), "detector"),
    "axes": Remedy(((_PANEL + "fast_axis", _PANEL + "slow_axis"),), "detector"),
    "pixel_size": Remedy(((_PANEL + "pixel_size",),), "detector"),
    "material": Remedy(((_PANEL + "material",),), "detector"),
    "thickness": Remedy(((_PANEL + "thickness",),), "detector"),
    "trusted_range": Remedy(((_PANEL + "trusted_range",),)),
    "goniometer": Remedy(
        (("geometry.goniometer.axes", "geometry.scan.oscillation"), ("convert_stills",))
    ),
    "oscillation": Remedy((("geometry.scan.oscillation",), ("convert_stills",))),
    "mask": Remedy((("lookup.mask",),)),
}
"""Parameter that gives each value."""


def require_complete(run: RunSource, parameters: ImportParameters) -> None:
    """Check that all that the files lack was given by the user.

    Raises
    ------
    FormatError
        A value is missing; the message names the parameters that give it.
    """
    open_ones = [m for m in run.missing if not _is_given(m.value, parameters)]
    if not open_ones:
        return
    parts = [f"{m.reason}; give {advice(m.value)}" for m in _each_value(open_ones)]
    raise FormatError(". ".join(dict.fromkeys(parts)))


def advice(value: Value) -> str:
    """Return the parameters that give a value, for an error message."""
    remedy = REMEDIES[value]
    shown = [" and ".join(names) for names in remedy.options]
    shown = ["convert_stills=true" if s == "convert_stills" else s for s in shown]
    if remedy.reference:
        shown.append("input.reference_geometry")
    return ", or ".join(shown)


def _each_value(found: list[Missing]) -> list[Missing]:
    """Return the first fault of each value, so that 64 modules do not make 64 lines."""
    return list({m.value: m for m in reversed(found)}.values())[::-1]


def without(found: Iterable[Missing], model: str) -> tuple[Missing, ...]:
    """Return what is missing still where a reference geometry has given a model."""
    return tuple(m for m in found if REMEDIES[m.value].reference != model)


def _is_given(value: Value, parameters: ImportParameters) -> bool:
    options = REMEDIES[value].options
    return any(all(_is_set(n, parameters) for n in names) for names in options)


def _is_set(name: str, parameters: ImportParameters) -> bool:
    if name.startswith(_PANEL):
        field = name.removeprefix(_PANEL)
        return any(getattr(p, field) is not None for p in parameters.geometry.detector.panel)
    found: object = parameters
    for part in name.split("."):
        found = getattr(found, part)
    return found not in (None, False)


def with_given_panels(run: RunSource, overrides: tuple[PanelOverrides, ...]) -> RunSource:
    """Return the run with what panels lack put in, where what is given for one is that of all.

    A file that lacks the material, thickness or pixel size lacks it for every panel, and a
    correction is of one panel. A centre in pixels was placed with the placeholder of a pixel's
    size, so that panel's corner moves with it.
    """
    lacking = {m.value for m in run.missing}
    detector = run.experiment.detector
    panels = list(detector.panels)
    for given in overrides:
        if "material" in lacking and given.material is not None:
            panels = [replace(p, material=material_name(given.material)) for p in panels]
        if "thickness" in lacking and given.thickness is not None:
            panels = [replace(p, thickness=given.thickness) for p in panels]
        if "pixel_size" in lacking and given.pixel_size is not None:
            panels = [_with_pixel_size(p, given.pixel_size) for p in panels]
    changed = Detector(panels=tuple(panels), root=detector.root)
    return replace(run, experiment=replace(run.experiment, detector=changed))


def _with_pixel_size(panel: Panel, size: tuple[float, float]) -> Panel:
    """Return the panel with pixels of another size, the beam's foot on the same pixel."""
    along = np.asarray(panel.axes) @ np.asarray(panel.origin)
    along[:2] *= np.asarray(size) / np.asarray(panel.pixel_size)
    x, y, z = (along @ np.asarray(panel.axes)).tolist()
    return replace(panel, pixel_size=size, origin=(x, y, z))
