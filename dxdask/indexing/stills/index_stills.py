"""Indexing of the hits among many stills."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.errors import ConvergenceError, InputError
from dxdask.fate import Fate
from dxdask.indexing.stills.consensus import ProposedCell, consensus_table, propose_cells
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.many import IndexedStills, index_known, lattices_of_stills
from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.indexing.stills.tables import cell_table, rates, stills_table
from dxdask.models import ExperimentList, space_group
from dxdask.models.metric import symmetric_cell
from dxdask.results import StepResult
from dxdask.still_columns import Stills, check_stills
from dxdask.tables import Table

NEARLY = 0.01  # of an edge, and in radians of an angle: more than the error of a typed cell


def index_stills(
    reflections: Reflections,
    stills: Stills,
    experiments: ExperimentList,
    parameters: StillIndexParameters | None = None,
) -> StepResult:
    """Find the crystal of each still that is a hit, in memory.

    Parameters
    ----------
    reflections : spots: experiment, panel, x, y, z, n_pixels.
    stills : one row an event: experiment, image, wavelength, hit.
    experiments : one a run: beam and detector.
    parameters : without `known_symmetry.unit_cell`, the cell is the one that most stills share.

    Returns
    -------
    StepResult
        reflections : with s1, rlp, hkl and the flag INDEXED. arrays : the columns of the table of
        stills (`dxdask.still_columns`), and additional_still (k,), additional_a_matrix (k, 3, 3)
        of the additional lattices. tables : stills, cell, and consensus where the cell
        was not known.

    Raises
    ------
    InputError
        There are no hits, none of them has a wavelength, or a column is missing.
    ConvergenceError
        The cell is not known and no stills agree on one.
    """
    parameters = parameters or StillIndexParameters()
    check_stills(stills, ("experiment", "image", "wavelength", "hit"))
    require_hits(int(stills["hit"].sum()), len(stills["hit"]))
    if not (stills["wavelength"][stills["hit"]] > 0.0).any():
        raise InputError("none of the hits has a wavelength; give geometry.beam.wavelength")
    tables: list[Table] = []
    known = known_cell(parameters)
    if known is None:
        lattices = lattices_of_stills(reflections, stills, experiments, parameters)
        cells = agreed(lattices, parameters)
        known = cells[0].known
        tables.append(consensus_table(cells, len(lattices)))
    indexed = index_known(reflections, stills, experiments, known, parameters)
    return result_of(indexed, experiments, known, tables)


def require_hits(n_hits: int, n_events: int, reasons: NDArray[np.int32] | None = None) -> None:
    """Check that some events are hits.

    reasons : (n_events,) the fate of each event (`Fate`), where it is known.

    Raises
    ------
    InputError
        None is a hit.
    """
    if n_hits:
        return
    fates, counts = np.unique([] if reasons is None else reasons, return_counts=True)
    listed = ", ".join(
        f"{n}: {Fate(int(fate)).words}" for fate, n in zip(fates, counts, strict=True)
    )
    raise InputError(
        f"none of {n_events} events is a hit{listed and f' ({listed})'}; change the limits of hit "
        "finding, or the threshold and limits of spot finding"
    )


def known_cell(parameters: StillIndexParameters) -> KnownCell | None:
    """Return the known cell of the parameters, None without one.

    A cell near to the symmetry of the space group is made to obey it.

    Raises
    ------
    InputError
        No crystal of this space group can have this cell.
    """
    symmetry = parameters.known_symmetry
    if symmetry.unit_cell is None:
        return None
    group = space_group(symmetry.space_group or "P 1")
    known = KnownCell.of(symmetry.unit_cell, group)  # refuses what is no cell
    cell = symmetric_cell(known.cell, group)
    given = np.array(known.cell)
    off = np.abs(cell - given)
    if (off[:3] > NEARLY * given[:3]).any() or (off[3:] > np.degrees(NEARLY)).any():
        raise InputError(
            f"known_symmetry.unit_cell {_text(given)} does not obey space group {group.xhm()}, "
            f"whose symmetry would make it {_text(cell)}; check the setting of the cell and the "
            "group"
        )
    return known if (off < 1e-6).all() else KnownCell.of(tuple(cell.tolist()), group)


def _text(cell: Floats) -> str:
    return ", ".join(f"{x:.2f}" for x in cell)


def agreed(lattices: Floats, parameters: StillIndexParameters) -> list[ProposedCell]:
    """Return the cells that lattices (n, 3, 3) of stills share, that of most stills first.

    Raises
    ------
    ConvergenceError
        There is none.
    """
    symbol = parameters.known_symmetry.space_group
    group = None if symbol is None else space_group(symbol)
    cells = propose_cells(lattices, parameters.consensus, group)
    if not cells:
        with_group = "" if symbol is None else f" that can have space group {symbol}"
        raise ConvergenceError(
            f"a lattice was found on {len(lattices)} stills, but no cell{with_group} on "
            f"{parameters.consensus.min_crystals} or more; give known_symmetry.unit_cell, more "
            "stills, or a larger blind.max_cell"
        )
    return cells


def result_of(
    indexed: IndexedStills, experiments: ExperimentList, known: KnownCell, tables: list[Table]
) -> StepResult:
    """Return the result of the step for stills indexed with a known cell."""
    stills = indexed.stills
    arrays = {
        **stills,
        "additional_still": indexed.additional_still,
        "additional_a_matrix": indexed.additional_a_matrix,
    }
    return StepResult(
        experiments=experiments,
        reflections=indexed.reflections,
        arrays=arrays,
        tables=(*tables, cell_table(stills, known), stills_table(stills, experiments)),
        messages=lines_of(stills, known, len(indexed.additional_still)),
    )


def lines_of(stills: Stills, known: KnownCell, n_additional: int) -> tuple[str, ...]:
    """Return the lines about rates, cell and RMSDs of stills."""
    lines = [
        rates(stills),
        f"Cell searched for: {', '.join(f'{x:.2f}' for x in known.cell)}, {known.group.xhm()}",
    ]
    if stills["indexed"].any():
        x, y = (np.median(stills[c][stills["indexed"]]) for c in ("rmsd_x_px", "rmsd_y_px"))
        lines.append(f"RMSDs of their spots in x and y, median: {x:.3f}, {y:.3f} px")
    if n_additional:
        lines.append(f"Additional lattices on the same events: {n_additional}")
    return tuple(lines)
