"""Merging statistics beside those of `iotbx.merging_statistics`, shell by shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.made_up import unmerged_mtz
from support.shoebox_examples import DIALS_PYTHON, needs_dials, run_dials

from dxdask.merging import MergingParameters, merge

pytestmark = [pytest.mark.dials, pytest.mark.shared, pytest.mark.jit, needs_dials]

# CC1/2 of 20 further divisions into half-sets shows how far two of them may differ
IOTBX = """
import json, sys
import cctbx.miller
import numpy as np
from cctbx import miller
from iotbx.merging_statistics import dataset_statistics, select_data
from cctbx.array_family import flex

data = select_data(sys.argv[1], "I,SIGI")
if sys.argv[3] == "whole":
    given = np.load("whole.npz")
    data = miller.array(
        miller.set(data.crystal_symmetry(), flex.miller_index(given["hkl"].tolist()), True),
        flex.double(given["i"]), flex.double(given["sigma"])).set_observation_type_xray_intensity()
found = dataset_statistics(i_obs=data, use_internal_variance=sys.argv[2] == "true")

def spread(selection):
    array = selection.customized_copy(anomalous_flag=False).map_to_asu().sort("packed_indices")
    out = []
    for seed in range(1, 21):
        halves = cctbx.miller.split_unmerged(
            unmerged_indices=array.indices(), unmerged_data=array.data(),
            unmerged_sigmas=array.sigmas(), seed=seed)
        out.append(flex.linear_correlation(halves.data_1, halves.data_2).coefficient())
    return out

data = data.customized_copy(anomalous_flag=False).eliminate_sys_absent()
data.setup_binner(n_bins=10)
shells = [data.select(data.binner().selection(i)) for i in data.binner().range_used()]
rows = []
for stats, part in zip([*found.bins, found.overall], [*shells, data]):
    rows.append({**{k: v for k, v in stats.as_dict().items() if isinstance(v, (int, float))},
                 "d_max": stats.d_max, "d_min": stats.d_min, "halves": spread(part)})
json.dump(rows, open("rows.json", "w"))
"""
COLUMNS = {
    "d_max": ("d_max", 2),
    "d_min": ("d_min", 2),
    "n_obs": ("n_obs", 0),
    "n_unique": ("n_uniq", 0),
    "multiplicity": ("multiplicity", 2),
    "i_over_sigma": ("i_over_sigma_mean", 1),
    "r_merge": ("r_merge", 3),
    "r_meas": ("r_meas", 3),
    "r_pim": ("r_pim", 3),
}
"""Columns, iotbx's names of them, and the decimals that its table prints."""


@pytest.mark.parametrize("internal", [True, False])
@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("insulin_dials_scaled_unmerged.mtz", "file"),
        # iotbx takes each part of a reflection for an observation: it is given the whole ones
        ("hypf_unmerged.mtz", "whole"),
    ],
)
def test_tables_are_those_of_iotbx(
    shared: Path, tmp_path: Path, name: str, rows: str, internal: bool
) -> None:
    path = shared / "data/real/unmerged" / name
    table, experiments = unmerged_mtz(path)
    np.savez(
        tmp_path / "whole.npz",
        hkl=table["hkl"],
        i=table["intensity"],
        sigma=np.sqrt(table["intensity_variance"]),
    )
    flag = "true" if internal else "false"
    run_dials(str(DIALS_PYTHON), "-c", IOTBX, str(path), flag, rows, folder=tmp_path)
    theirs: list[dict[str, Any]] = json.loads((tmp_path / "rows.json").read_text())
    parameters = MergingParameters(
        use_internal_variance=internal, cc_one_half_method="half_dataset", partiality_threshold=0.0
    )
    result = merge(table, experiments, parameters)
    ours = [*result.table("shells").rows, *result.table("overall").rows]
    assert len(ours) == len(theirs) == 11
    for mine, other in zip(ours, theirs, strict=True):
        for column, (key, decimals) in COLUMNS.items():
            assert round(mine[column], decimals) == round(other[key], decimals), (column, mine)
        # whether lattice points at exactly d_max or d_min are possible ones is rounding's choice
        possible = mine["n_unique"] / np.array([mine["completeness"], other["completeness"] / 100])
        assert abs(np.diff(possible)[0]) < 3
        # halves are random: equal within the spread of other divisions of the same data
        halves = np.array(other["halves"])
        assert abs(mine["cc_half"] - halves.mean()) < 4 * halves.std(ddof=1) + 1e-5
        assert halves.min() - 4 * halves.std() < other["cc_one_half"]
