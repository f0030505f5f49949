"""mmCIF files of reflections, as the PDB takes them: merged, a block a wavelength, or unmerged."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np

from dxdask.columns import Reflections, select
from dxdask.models import ExperimentList
from dxdask.models.free_flags import FreeFlags
from dxdask.models.wavelengths import wavelength_groups
from dxdask.storage.exporters.deposition import add_crystal, add_software, add_statistics
from dxdask.storage.exporters.mtz import merged_mtz, wavelengths
from dxdask.storage.exporters.mtz_unmerged import unmerged_mtz
from dxdask.storage.exporters.processing import Processing
from dxdask.storage.exporters.whole_file import whole_file

_UNMERGED = (
    "$dataset diffrn_id",
    "$counter id",
    "H H index_h",
    "K H index_k",
    "L H index_l",
    "I J intensity_net .6g",
    "& SIGI Q intensity_sigma .5g",
    "? ROT R pdbx_scan_angle .4f",
    "$image pdbx_image_id",
    "? XDET R pdbx_detector_x .2f",
    "? YDET R pdbx_detector_y .2f",
    "? SCALEUSED R pdbx_scale_value .6g",
)
"""Columns of the MTZ and items of `_diffrn_refln`, in the language of gemmi's mtz2cif."""


def write_merged_mmcif(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    reference: FreeFlags | None = None,
    processing: Processing | None = None,
) -> None:
    """Write merged reflections as structure factors (`_refln`) in mmCIF, without numbers of
    observations, for which the dictionary has no item.

    The cell has its standard uncertainties where the crystal has. With a column `wavelength` each
    wavelength has a block of its own.

    Parameters
    ----------
    reflections, experiments, reference : as `merged_mtz`, with its errors.
    processing : for the software, and for the statistics of merging where it has them.
    """
    processing = processing or Processing()
    document = gemmi.cif.Document()
    for number, (wavelength, table) in enumerate(_by_wavelength(reflections, experiments), 1):
        to_cif = gemmi.MtzToCif()
        to_cif.wavelength = wavelength
        mtz = merged_mtz(table, experiments, reference)
        block = _block(to_cif, mtz, f"wavelength_{number}")
        add_crystal(block)
        _complete(block, "_refln.", experiments, processing, [("1", wavelength)])
        document.add_copied_block(block)
    write_document(path, document)


def write_unmerged_mmcif(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    processing: Processing | None = None,
) -> None:
    """Write scaled observations (`_diffrn_refln`), those of the unmerged MTZ, for deposition.

    Indices are those measured, so that Friedel mates stay apart; a run is a diffraction data set.

    Parameters
    ----------
    reflections, experiments : as `unmerged_mtz`, with its errors.
    processing : for the software, and for the statistics of merging where it has them.
    """
    mtz = unmerged_mtz(reflections, experiments, in_asu=False)
    # the dictionary's factor is multiplied with, the column's divided by
    scales = mtz.column_with_label("SCALEUSED").array
    scales[:] = 1 / scales
    to_cif = gemmi.MtzToCif()
    to_cif.spec_lines = list(_UNMERGED)
    block = _block(to_cif, mtz, "unmerged")
    sets = [
        (",".join(str(member + 1) for member in members), wavelength)
        for wavelength, members in wavelength_groups(experiments)
    ]
    _complete(block, "_diffrn_refln.", experiments, processing or Processing(), sets)
    document = gemmi.cif.Document()
    document.add_copied_block(block)
    write_document(path, document)


def write_document(path: str | Path, document: gemmi.cif.Document) -> None:
    """Write a document; gemmi's own writer does not report a full disk."""
    with whole_file(path) as aside:
        aside.write_text(document.as_string())


def _block(to_cif: gemmi.MtzToCif, mtz: gemmi.Mtz, name: str) -> gemmi.cif.Block:
    to_cif.with_comments = to_cif.with_history = False
    block = gemmi.cif.read_string(to_cif.write_cif_to_string(mtz)).sole_block()
    block.name = name
    return block


def _complete(
    block: gemmi.cif.Block,
    category: str,
    experiments: ExperimentList,
    processing: Processing,
    data_sets: list[tuple[str, float]],
) -> None:
    """Add what is not of single reflections, before their category."""
    _add_uncertainties(block, experiments)
    add_software(block, processing)
    add_statistics(block, processing, data_sets)
    block.move_item(block.get_index(f"{category}index_h"), -1)


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
