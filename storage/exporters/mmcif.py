"""mmCIF files of reflections, as the PDB takes them: merged, a block a wavelength, or unmerged."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np

from dxdask.columns import Reflections, select
from dxdask.models import ExperimentList
from dxdask.models.free_flags import FreeFlags
from dxdask.storage.exporters.mtz import merged_mtz, unmerged_mtz, wavelengths
from dxdask.storage.exporters.whole_file import whole_file


def write_merged_mmcif(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    reference: FreeFlags | None = None,
) -> None:
    """Write merged reflections as structure factors (`_refln`) in mmCIF, without numbers of
    observations, for which the dictionary has no item.

    The cell has its standard uncertainties where the crystal has. With a column `wavelength` each
    wavelength has a block of its own. Parameters and errors are those of `merged_mtz`.
    """
    document = gemmi.cif.Document()
    for number, (wavelength, table) in enumerate(_by_wavelength(reflections, experiments), 1):
        to_cif = gemmi.MtzToCif()
        to_cif.wavelength = wavelength
        to_cif.with_comments = to_cif.with_history = False
        mtz = merged_mtz(table, experiments, reference)
        block = gemmi.cif.read_string(to_cif.write_cif_to_string(mtz)).sole_block()
        block.name = f"wavelength_{number}"
        _add_uncertainties(block, experiments)
        document.add_copied_block(block)
    with whole_file(path) as aside:
        document.write_file(str(aside))


def write_unmerged_mmcif(
    path: str | Path, reflections: Reflections, experiments: ExperimentList
) -> None:
    """Write scaled observations (`_diffrn_refln`), those of the unmerged MTZ, for deposition.

    Parameters and errors are those of `unmerged_mtz`.
    """
    to_cif = gemmi.MtzToCif()
    to_cif.with_comments = to_cif.with_history = False
    mtz = unmerged_mtz(reflections, experiments)
    block = gemmi.cif.read_string(to_cif.write_cif_to_string(mtz)).sole_block()
    block.name = "unmerged"
    _add_uncertainties(block, experiments)
    document = gemmi.cif.Document()
    document.add_copied_block(block)
    with whole_file(path) as aside:
        document.write_file(str(aside))


def _add_uncertainties(block: gemmi.cif.Block, experiments: ExperimentList) -> None:
    """Add the standard uncertainties of the cell, the dictionary's items `_cell.*_esd`.

    The cell of crystals that differ is a median, of which none is known.
    """
    cells = {(crystal.unit_cell, crystal.cell_su) for crystal in experiments.crystals}
    _, su = next(iter(cells)) if len(cells) == 1 else (None, None)
    if su is None or not any(su):
        return
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    for name, value in zip(names, su, strict=True):
        block.set_pair(f"_cell.{name}_esd", f"{value:.5f}")


def _by_wavelength(
    reflections: Reflections, experiments: ExperimentList
) -> list[tuple[float, Reflections]]:
    """Return each wavelength, Angstrom, and its reflections without that column."""
    if "wavelength" not in reflections:
        return [(next(iter(wavelengths(experiments)), 0.0), reflections)]
    columns = {name: values for name, values in reflections.items() if name != "wavelength"}
    of_row = reflections["wavelength"]
    return [
        (value, select(columns, np.flatnonzero(of_row == value)))
        for value in dict.fromkeys(of_row.tolist())
    ]
