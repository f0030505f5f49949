"""Commands that are not there: those of DIALS with what stands for them, and misspelt ones."""

from __future__ import annotations

import difflib
from collections.abc import Collection

OF_DIALS = {
    "image_viewer": "dxdask view STORE",
    "reciprocal_lattice_viewer": "dxdask view STORE",
    "plot_scan_varying_model": "dxdask report STORE",
    "plot_scan_varying_crystal": "dxdask report STORE",
    "spot_counts_per_image": "dxdask show STORE find_spots",
    "detect_blanks": "dxdask report STORE",
    "cosym": "dxdask symmetry STORE",
    "search_beam_posn": "dxdask search_beam_position STORE",
    "discover_better_experimental_model": "dxdask search_beam_position STORE",
    "create_profile_model": "dxdask integrate STORE",
    "refine_error_model": "dxdask scale STORE",
    "compute_delta_cchalf": "dxdask scale STORE",
    "import_mtz": "dxdask import FILE.mtz",
    "import_xds": "dxdask import XDS_ASCII.HKL",
    "export_mtz": "dxdask export STORE output=FILE.mtz",
    "slice_sweep": "dxdask slice_sequence STORE",
    "assign_experiment_identifiers": "dxdask combine_experiments STORES, which makes them unique",
}
"""Command of DIALS -> what does its work here."""


def unknown_command(name: str, known: Collection[str]) -> str:
    """Return the message on a command that is none of those known."""
    plain = name.removeprefix("dials.")
    if plain in OF_DIALS:
        return f"no command {name!r}; what dials.{plain} does is done by {OF_DIALS[plain]}"
    if plain in known:
        return f"no command {name!r}: it is dxdask {plain}"
    near = difflib.get_close_matches(name, known, n=2)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return f"no command {name!r}; {meant}dxdask --help lists them"
