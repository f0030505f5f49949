"""CrystFEL's geometry files as models of the detector and the beam.

CrystFEL looks along the beam: its x is to the left, y up, z along the beam; imgCIF's x and z are
opposite. Source: the manual page crystfel_geometry(5) of CrystFEL 0.11 and 0.12.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.errors import FormatError
from dxdask.models import Beam, Detector
from dxdask.storage.importers.crystfel.groups import hierarchy_of
from dxdask.storage.importers.crystfel.keys import BEAM
from dxdask.storage.importers.crystfel.layout import Layout, layout_of
from dxdask.storage.importers.crystfel.masks import MaskSource, mask_path, mask_sources
from dxdask.storage.importers.crystfel.panels import LARGEST, Surroundings, panel_of
from dxdask.storage.importers.crystfel.regions import Region, mask_of_regions, with_bad_regions
from dxdask.storage.importers.crystfel.text import GeometryText, number, read_text, truth
from dxdask.storage.importers.crystfel.units import (
    ENERGIES,
    LENGTHS,
    VOLTAGES,
    Lookup,
    Quantity,
    quantity,
    wavelength_of,
)

__all__ = ["LARGEST", "CrystfelGeometry", "Lookup", "read_crystfel", "region_mask"]


@dataclass(frozen=True, kw_only=True)
class CrystfelGeometry:
    """Contents of a .geom file.

    Attributes
    ----------
    path : of the file.
    detector : its panels in the stored frame, in which planes of the data are stacked along slow.
    beam : where the file, or the data file that was looked into, gives its wavelength.
    wavelengths : of each event, Angstrom, (1,) or (n,), where datasets hold them; NaN where not
        known.
    layout : where the panels are in the data files.
    masks : masks of the panels. regions : bad regions of the laboratory.
    problems : what is not used or doubtful, a line each.
    """

    path: Path
    detector: Detector
    beam: Beam | None
    wavelengths: Floats | None
    layout: Layout
    masks: tuple[MaskSource, ...]
    regions: tuple[Region, ...]
    problems: tuple[str, ...]

    def mask_files(self, frames: Path) -> tuple[Path, ...]:
        """Return the files of the masks that are not in that of the frames."""
        given = [m for m in self.masks if m.file is not None]
        return tuple(dict.fromkeys(mask_path(m, self.path, frames) for m in given))


def read_crystfel(
    path: str | Path,
    *,
    n_slow: int | None = None,
    lookup: Lookup | None = None,
    wavelength: float | None = None,
) -> CrystfelGeometry:
    """Return the models in a CrystFEL geometry file.

    Parameters
    ----------
    n_slow : rows of one panel where panels are an axis of the data; None: of the tallest.
    lookup : returns the values of a dataset in the data file, for what is given as one.
    wavelength : Angstrom, instead of that of the file.

    Raises
    ------
    FormatError
        Something is missing, or invalid in CrystFEL.
    """
    file = read_text(Path(path))
    probe, wavelengths = _wavelengths(file, lookup)
    known = None if wavelengths is None else wavelengths[np.isfinite(wavelengths)]
    if wavelength is None and known is not None and known.size:
        wavelength = float(known.mean())
    layout = layout_of(file, n_slow)
    around = Surroundings(
        clen={name: _camera_length(file, name, lookup) for name in file.panels},
        shift=(_shift(file, "x", lookup), _shift(file, "y", lookup)),
        wavelength=wavelength,
        is_electron=probe == "electron",
    )
    panels = [panel_of(file, n, layout.row_of(n), around) for n in file.panels]
    if all(truth(file.path, n, p.get("no_index", "0")) for n, p in file.panels.items()):
        raise FormatError(f"{file.path}: every panel has no_index = 1; there is none to use")
    panels, regions = with_bad_regions(file, panels)
    detector = Detector(panels=tuple(panels), root=hierarchy_of(file, panels))
    sizes = [size for p in panels for size in p.pixel_size]
    if max(sizes) > 1.5 * min(sizes):
        file.note(
            f"pixels are of {min(sizes):.6g} to {max(sizes):.6g} mm; check res and the lengths of "
            "fs and ss"
        )
    beam = None if wavelength is None else Beam(wavelength=wavelength, probe=probe)
    masks = mask_sources(file)
    return CrystfelGeometry(
        path=file.path,
        detector=detector,
        beam=beam,
        wavelengths=wavelengths,
        layout=layout,
        masks=masks,
        regions=regions,
        problems=file.problems(),
    )


def region_mask(geometry: CrystfelGeometry, shape: tuple[int, int]) -> Mask:
    """Return the mask (slow, fast) of the stored frame, false in bad regions of the laboratory."""
    return mask_of_regions(geometry.regions, geometry.detector, shape)


def _wavelengths(file: GeometryText, lookup: Lookup | None) -> tuple[str, Floats | None]:
    """Return the probe, and the wavelengths, Angstrom: (1,), (n,) of datasets, None if unknown."""
    given = [key for key in file.settings if key in BEAM]
    if not given:
        return "x-ray", None
    *others, name = given
    for key in others:
        file.note(f"{key} is not used: {name} is given below it")
    probe = "electron" if name == "electron_voltage" else "x-ray"
    found = _beam_quantity(file, name)
    if found.value is not None:
        values = wavelength_of(name, np.array([found.value]))
        if not np.isfinite(values[0]):
            raise FormatError(f"{file.path}: {name} = {file.settings[name]} is not positive")
        return probe, values
    if lookup is None:
        return probe, None
    numbers = found.values(lookup)
    if name == "photon_energy" and "photon_energy_scale" in file.settings:
        numbers = numbers * number(
            file.path, "photon_energy_scale", file.settings["photon_energy_scale"]
        )
    values = wavelength_of(name, numbers)
    if not np.isfinite(values).any():
        raise FormatError(
            f"{file.path}: {name} = {file.settings[name]} has no positive value in the data file; "
            "give geometry.beam.wavelength"
        )
    return probe, values


def _beam_quantity(file: GeometryText, name: str) -> Quantity:
    units, default, of_dataset = {
        "wavelength": (LENGTHS, None, "A"),
        "photon_energy": (ENERGIES, "eV", "eV"),
        "electron_voltage": (VOLTAGES, None, "V"),
    }[name]
    return quantity(
        file.path, name, file.settings[name], units, default=default, of_dataset=of_dataset
    )


def _camera_length(file: GeometryText, name: str, lookup: Lookup | None) -> float:
    """Return the distance of a panel, m, to which coffset is added."""
    text = file.panels[name].get("clen") or file.settings.get("clen")
    if text is None:
        raise FormatError(f"{file.path}: panel {name} has no clen; add clen = ... m")
    found = quantity(file.path, "clen", text, LENGTHS, default="m", of_dataset="mm")
    return _one_length(file, found, text, lookup)


def _shift(file: GeometryText, axis: str, lookup: Lookup | None) -> float:
    """Return the shift of the detector along an axis of CrystFEL's frame, m."""
    key = f"detector_shift_{axis}"
    text = file.settings.get(key)
    if text is None:
        return 0.0
    found = quantity(file.path, key, text, LENGTHS, default="m", of_dataset="m")
    return _one_length(file, found, text, lookup)


def _one_length(file: GeometryText, found: Quantity, text: str, lookup: Lookup | None) -> float:
    """Return a length, m: the median of events, for a run has one detector."""
    if found.value is not None:
        return found.value
    if lookup is None:
        raise FormatError(
            f"{file.path}: {found.name} = {text} is a dataset in the data file; give a length, or "
            "import this geometry with its data"
        )
    values = found.values(lookup)
    values = values[np.isfinite(values)]
    if not values.size:
        raise FormatError(
            f"{file.path}: {found.name} = {text} has no finite value in the data file; write a "
            "length into the geometry"
        )
    middle = float(np.median(values))
    if float(np.ptp(values)) > 1e-6:
        file.note(
            f"{found.name} = {text} varies from {1e3 * values.min():.6g} to "
            f"{1e3 * values.max():.6g} mm; {1e3 * middle:.6g} mm is taken for all events"
        )
    return middle
