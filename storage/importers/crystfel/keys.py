"""The keys of CrystFEL's geometry files: which are used, and why the others are not.

Source: the manual page crystfel_geometry(5) of CrystFEL 0.12, and those of 0.6 to 0.10 for keys
that files of these years have.
"""

from __future__ import annotations

import difflib
import re

MASK = re.compile(r"mask(\d+)_(data|file|goodbits|badbits)")
DIM = re.compile(r"dim(\d+)")

ALIASES = {
    "mask": "mask0_data",
    "mask_file": "mask0_file",
    "mask_good": "mask0_goodbits",
    "mask_bad": "mask0_badbits",
    "photon_energy_bandwidth": "bandwidth",
    "peak_info_location": "peak_list",
}
"""Older names of keys."""

FLAGS = ("flag_equal", "flag_lessthan", "flag_morethan")
"""Keys that may be given several times."""

BEAM = ("wavelength", "photon_energy", "electron_voltage")

EXPERIMENT = (*BEAM, "detector_shift_x", "detector_shift_y", "clen", "photon_energy_scale")
"""Keys of the experiment, which may be anywhere in the file."""

PANEL = (
    "min_fs", "max_fs", "min_ss", "max_ss", "corner_x", "corner_y", "fs", "ss", "res", "clen",
    "coffset", "data", "no_index", "mask_edge_pixels", *FLAGS, "max_adu", "adu_per_eV",
    "adu_per_photon", "rail_direction", "clen_for_centering", "rigid_group",
)  # fmt: skip
"""Keys of a panel; without a panel's name, of all panels that follow."""

REGION = ("min_fs", "max_fs", "min_ss", "max_ss", "min_x", "max_x", "min_y", "max_y", "panel")
"""Keys of a bad region."""

NOT_USED = {
    "bandwidth": "beams are taken as monochromatic",
    "peak_list": "spots are found in the frames",
    "peak_list_type": "spots are found in the frames",
    "saturation_map": "saturation is one value a panel, give max_adu",
    "saturation_map_file": "saturation is one value a panel, give max_adu",
    "badrow_direction": "no rows are corrected, as in CrystFEL since 0.6",
}
"""Keys that are known and cannot be honoured, with the reason."""


def is_panel_key(key: str) -> bool:
    """Return True if a key, after `ALIASES`, is one of a panel."""
    mask, dim = MASK.fullmatch(key), DIM.fullmatch(key)
    return key in PANEL or bool(mask and int(mask[1]) < 8) or bool(dim and int(dim[1]) < 32)


def not_known(key: str, known: tuple[str, ...] = ()) -> str:
    """Return what is said of a key that CrystFEL does not have."""
    names = known or (*PANEL, *EXPERIMENT, *ALIASES, *NOT_USED, "mask0_data", "mask0_file",
                      "mask0_goodbits", "mask0_badbits", "dim0", "group_all")  # fmt: skip
    near = difflib.get_close_matches(key, names, n=1)
    return "is not known" + (f"; is {near[0]} meant?" if near else "")
