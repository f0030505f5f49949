"""Categories of mmCIF beside the reflections, as depositions want them: software, statistics.

Items are those of PDBx/mmCIF version 5 (mmcif.wwpdb.org; Westbrook et al. 2022, J. Mol. Biol. 434,
167599) with its extension of anomalous statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import gemmi

from dxdask.storage.exporters.processing import Processing, wrapped

_UNKNOWN = "?"
_OVERALL: Mapping[str, tuple[str, float, str]] = {
    "d_resolution_high": ("d_min", 1.0, ".3f"),
    "d_resolution_low": ("d_max", 1.0, ".3f"),
    "number_obs": ("n_unique", 1, "d"),
    "pdbx_number_measured_all": ("n_obs", 1, "d"),
    "percent_possible_obs": ("completeness", 100.0, ".2f"),
    "pdbx_redundancy": ("multiplicity", 1.0, ".2f"),
    "pdbx_netI_over_sigmaI": ("i_over_sigma", 1.0, ".2f"),
    "pdbx_Rmerge_I_obs": ("r_merge", 1.0, ".4f"),
    "pdbx_Rrim_I_all": ("r_meas", 1.0, ".4f"),
    "pdbx_Rpim_I_all": ("r_pim", 1.0, ".4f"),
    "pdbx_CC_half": ("cc_half", 1.0, ".4f"),
    "pdbx_R_split": ("r_split", 1.0, ".4f"),
    "pdbx_percent_possible_anomalous": ("anomalous_completeness", 100.0, ".2f"),
    "pdbx_redundancy_anomalous": ("anomalous_multiplicity", 1.0, ".2f"),
    "pdbx_CC_half_anomalous": ("cc_anom", 1.0, ".4f"),
    "B_iso_Wilson_estimate": ("b_wilson", 1.0, ".2f"),
}
"""Item of `_reflns`: the column of dxdask's tables, a factor, and the format."""
_OTHER_NAMES = {
    "d_resolution_high": "d_res_high",
    "d_resolution_low": "d_res_low",
    "number_obs": "number_unique_obs",
    "pdbx_number_measured_all": "number_measured_all",
    "pdbx_netI_over_sigmaI": "pdbx_netI_over_sigmaI_obs",
    "pdbx_Rmerge_I_obs": "Rmerge_I_obs",
}
_SHELL = {_OTHER_NAMES.get(k, k): v for k, v in _OVERALL.items() if k != "B_iso_Wilson_estimate"}
"""The same of `_reflns_shell`."""


def add_software(block: gemmi.cif.Block, processing: Processing) -> None:
    """Add `_audit` and `_software`: dxdask, for reduction and scaling."""
    version = processing.steps[-1].version if processing.steps else ""
    block.set_pair("_audit.revision_id", "1")
    block.set_pair("_audit.creation_date", date.today().isoformat())
    block.set_pair("_audit.creation_method", gemmi.cif.quote(f"dxdask {version}".strip()))
    tags = ["pdbx_ordinal", "name", "version", "classification"]
    loop = block.init_loop("_software.", tags)
    for number, what in enumerate(("data reduction", "data scaling"), 1):
        loop.add_row([str(number), "dxdask", version or _UNKNOWN, gemmi.cif.quote(what)])


def add_crystal(block: gemmi.cif.Block) -> None:
    """Add one crystal and one diffraction data set, to which statistics refer."""
    block.set_pair("_exptl_crystal.id", "1")
    block.set_pair("_diffrn.id", "1")
    block.set_pair("_diffrn.crystal_id", "1")


def add_statistics(
    block: gemmi.cif.Block,
    processing: Processing,
    data_sets: Sequence[tuple[str, float | None]],
) -> None:
    """Add `_reflns` and `_reflns_shell` of merged reflections, with the statistics that are known.

    data_sets : identifiers in `_diffrn`, of several with commas, and wavelength of each set of
        statistics.
    """
    overall: list[dict[str, str]] = []
    shells: list[dict[str, str]] = []
    for ordinal, (diffrn, wavelength) in enumerate(data_sets, 1):
        halves = processing.rows("half_sets", wavelength)
        whole = processing.rows("overall", wavelength)
        if not whole:
            continue
        row = {**(halves[-1] if halves else {}), **whole[0]}
        for wilson in processing.rows("wilson", wavelength):
            row["b_wilson"] = wilson["b"]
        names = {"entry_id": block.find_value("_entry.id"), "pdbx_ordinal": str(ordinal)}
        overall.append({**names, "pdbx_diffrn_id": diffrn, **_texts(row, _OVERALL)})
        overall[-1] |= _details(processing)
        for k, shell in enumerate(processing.rows("shells", wavelength)):
            both = {**(halves[k] if k < len(halves) else {}), **shell}
            number = {"pdbx_ordinal": str(len(shells) + 1), "pdbx_diffrn_id": diffrn}
            shells.append({**number, **_texts(both, _SHELL)})
    for category, rows in (("_reflns.", overall), ("_reflns_shell.", shells)):
        if rows:
            tags = [tag for tag in rows[0] if any(row[tag] != _UNKNOWN for row in rows)]
            loop = block.init_loop(category, tags)
            for row in rows:
                loop.add_row([row[tag] for tag in tags])


def _details(processing: Processing) -> dict[str, str]:
    """Return the steps with their parameters, and ISa, for which there is no item."""
    found = {}
    if processing.steps:
        text = "\n".join(wrapped(str(step) for step in processing.steps))
        found["data_reduction_details"] = gemmi.cif.quote(text)
    if processing.isa is not None:
        found["details"] = gemmi.cif.quote(f"ISa {processing.isa:.1f}")
    return found


def _texts(row: Mapping[str, Any], items: Mapping[str, tuple[str, float, str]]) -> dict[str, str]:
    """Return the text of each item, `?` where it is not known."""
    return {
        item: _UNKNOWN if row.get(name) is None else format(row[name] * factor, form)
        for item, (name, factor, form) in items.items()
    }
