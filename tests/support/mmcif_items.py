"""Items of the PDBx/mmCIF dictionary that exported files use, as a small dictionary in DDL2.

Names, types, ranges, keys and what is mandatory are those of mmcif_pdbx_v50.dic
(github.com/wwpdb-dictionaries/mmcif_pdbx, August 2026, with its extensions of anomalous statistics
and unmerged reflections).
"""

from __future__ import annotations

import gemmi

TYPES = {
    "code": ("char", r"""[][_,.;:"&<>()/\{}'`~!@#$%A-Za-z0-9*|+-]*"""),
    "ucode": ("uchar", r"""[][_,.;:"&<>()/\{}'`~!@#$%A-Za-z0-9*|+-]*"""),
    "line": ("char", r"""[][ \t_(),.;:"&<>/\{}'`~!@#$%?+=*A-Za-z0-9|^-]*"""),
    "text": ("char", r"""[][ \n\t()_,.;:"&<>/\{}'`~!@#$%?+=*A-Za-z0-9|^-]*"""),
    "int": ("numb", "[+-]?[0-9]+"),
    "float": ("numb", r"-?(([0-9]+)[.]?|([0-9]*[.][0-9]+))([(][0-9]+[)])?([eE][+-]?[0-9]+)?"),
    "date": ("char", "[0-9][0-9][0-9][0-9]-[0-9]?[0-9]-[0-9][0-9]"),
}
KEYS = {
    "audit": "revision_id",
    "cell": "entry_id",
    "diffrn": "id",
    "diffrn_measurement": "diffrn_id",
    "diffrn_radiation": "diffrn_id",
    "diffrn_radiation_wavelength": "id",
    "diffrn_refln": "diffrn_id id",
    "entry": "id",
    "exptl_crystal": "id",
    "refln": "index_h index_k index_l",
    "reflns": "pdbx_ordinal",
    "reflns_shell": "pdbx_ordinal",
    "software": "pdbx_ordinal",
    "symmetry": "entry_id",
}
"""Items that tell the rows of a category apart; these are mandatory, so are those marked by `*`."""
ITEMS = {
    "audit": "revision_id:code creation_date:date creation_method:text",
    "cell": "entry_id:code length_a:float:0 length_b:float:0 length_c:float:0 "
    "angle_alpha:float:0:180 angle_beta:float:0:180 angle_gamma:float:0:180 length_a_esd:float "
    "length_b_esd:float length_c_esd:float angle_alpha_esd:float angle_beta_esd:float "
    "angle_gamma_esd:float",
    "diffrn": "id:code *crystal_id:code details:text",
    "diffrn_measurement": "diffrn_id:code details:text",
    "diffrn_radiation": "diffrn_id:code wavelength_id:code",
    "diffrn_radiation_wavelength": "id:code *wavelength:float:0",
    "diffrn_refln": "diffrn_id:code id:code *index_h:int *index_k:int *index_l:int "
    "intensity_net:float intensity_sigma:float:0 pdbx_scan_angle:float pdbx_image_id:int:0 "
    "pdbx_detector_x:float pdbx_detector_y:float pdbx_scale_value:float:0",
    "entry": "id:code",
    "exptl_crystal": "id:code",
    "refln": "index_h:int index_k:int index_l:int status:ucode intensity_meas:float "
    "intensity_sigma:float pdbx_I_plus:float pdbx_I_plus_sigma:float pdbx_I_minus:float "
    "pdbx_I_minus_sigma:float F_meas_au:float F_meas_sigma_au:float pdbx_F_plus:float "
    "pdbx_F_plus_sigma:float pdbx_F_minus:float pdbx_F_minus_sigma:float",
    "reflns": "pdbx_ordinal:int *entry_id:code *pdbx_diffrn_id:code d_resolution_high:float:0 "
    "d_resolution_low:float:0 number_obs:int:0 pdbx_number_measured_all:int "
    "percent_possible_obs:float:0 pdbx_redundancy:float:0 pdbx_netI_over_sigmaI:float "
    "pdbx_Rmerge_I_obs:float pdbx_Rrim_I_all:float pdbx_Rpim_I_all:float pdbx_CC_half:float:-1:1 "
    "pdbx_percent_possible_anomalous:float:0:100 pdbx_redundancy_anomalous:float:1 "
    "pdbx_CC_half_anomalous:float:-1:1 B_iso_Wilson_estimate:float pdbx_R_split:float "
    "data_reduction_details:text details:text",
    "reflns_shell": "pdbx_ordinal:int pdbx_diffrn_id:code *d_res_high:float:0 d_res_low:float:0 "
    "number_unique_obs:int number_measured_all:int percent_possible_obs:float:0 "
    "pdbx_redundancy:float pdbx_netI_over_sigmaI_obs:float Rmerge_I_obs:float:0 "
    "pdbx_Rrim_I_all:float pdbx_Rpim_I_all:float pdbx_CC_half:float:-1:1 "
    "pdbx_percent_possible_anomalous:float:0:100 pdbx_redundancy_anomalous:float:1 "
    "pdbx_CC_half_anomalous:float:-1:1 pdbx_R_split:float",
    "software": "pdbx_ordinal:int *name:text version:line *classification:line",
    "symmetry": "entry_id:code space_group_name_H-M:line Int_Tables_number:int",
}
"""Items of each category: name, type, and least and largest value."""


def dictionary() -> gemmi.cif.Document:
    """Return the dictionary, as gemmi's `Ddl` takes it."""
    lines = [
        "data_mmcif_pdbx",
        "_dictionary.title mmcif_pdbx.dic",
        "_dictionary.version 5",
        "loop_",
    ]
    lines += [f"_item_type_list.{x}" for x in ("code", "primitive_code", "construct")]
    lines += [f"{name} {kind}\n;{regex}\n;" for name, (kind, regex) in TYPES.items()]
    for category, keys in KEYS.items():
        lines += [f"save_{category}", f"_category.id {category}", "loop_", "_category_key.name"]
        lines += [*(f"'_{category}.{key}'" for key in keys.split()), "save_"]
        for text in ITEMS[category].split():
            name, kind, *limits = text.split(":")
            mandatory = "yes" if name[0] == "*" or name in keys.split() else "no"
            lines += _item(category, name.lstrip("*"), kind, mandatory, limits)
    return gemmi.cif.read_string("\n".join([*lines, ""]))


def _item(category: str, name: str, kind: str, mandatory: str, limits: list[str]) -> list[str]:
    tag = f"_{category}.{name}"
    lines = [f"save_{tag}", f"_item.name '{tag}'", f"_item.category_id {category}"]
    lines += [f"_item.mandatory_code {mandatory}", f"_item_type.code {kind}"]
    if limits:
        # a row with equal limits includes the limit itself
        rows = [" ".join((limits[0], limits[1] if len(limits) > 1 else "."))]
        rows += [f"{limit} {limit}" for limit in limits]
        lines += ["loop_", "_item_range.minimum", "_item_range.maximum", *rows]
    return [*lines, "save_"]
