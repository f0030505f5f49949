"""Settings of space groups that no table lists: taken to one that is, indices with them."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.errors import FormatError
from dxdask.models import Crystal
from dxdask.storage.importers.dials.models import crystal_from_dials
from dxdask.storage.importers.dials.setting import tabulated

UNTABULATED = (
    " C 2y (x-y,x+y,z)", " C 2y (x+y,-x+y,z)", " C 2 2 (x-y,x+y,z)", " I 2b 2c 3 (y+z,x+z,x+y)",
)  # fmt: skip


@pytest.mark.parametrize("hall", UNTABULATED)
def test_reciprocal_vectors_stay(hall: str) -> None:
    crystal = Crystal.from_cell((30.0, 41.0, 52.0, 80.0, 95.0, 100.0))
    axes = np.linalg.inv(crystal.a)
    values = {f"real_space_{n}": axes[i].tolist() for i, n in enumerate("abc")}
    found, change = crystal_from_dials({**values, "space_group_hall_symbol": hall})
    assert change is not None
    hkl = np.random.default_rng(1).integers(-9, 9, (20, 3))
    np.testing.assert_allclose((hkl @ change) @ found.a.T, hkl @ crystal.a.T, atol=1e-12)


def test_tabulated_ones_are_as_they_are() -> None:
    assert tabulated(" P 4nw 2abw") == ("P 43 21 2", None)
    assert tabulated(" I 2y")[0] == "I 1 2 1"


@pytest.mark.parametrize("hall", ["", "nonsense", " P 2y (x-y", " C 2y (x/2,y,z)"])
def test_what_is_no_setting_is_refused(hall: str) -> None:
    with pytest.raises(FormatError, match="Hall symbol"):
        tabulated(hall)


@pytest.mark.dials
def test_against_cctbx() -> None:
    """C 2 in its primitive setting, as cctbx finds equivalents in it."""
    import json
    import subprocess

    code = (
        "import json; from cctbx import sgtbx; g = sgtbx.space_group(' C 2y (x-y,x+y,z)');"
        "print(json.dumps([list(s.r().transpose().num()) for s in g]))"
    )
    run = subprocess.run(
        ["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=True
    )
    symbol, change = tabulated(" C 2y (x-y,x+y,z)")
    assert change is not None
    import gemmi

    operations = gemmi.SpaceGroup(symbol).operations()
    hkl = np.array([3, 5, 7])
    ours = {tuple(op.apply_to_hkl((hkl @ change).tolist())) for op in operations.sym_ops}
    theirs = {
        tuple((np.reshape(m, (3, 3)) @ hkl @ change).tolist()) for m in json.loads(run.stdout)
    }
    assert ours == theirs
