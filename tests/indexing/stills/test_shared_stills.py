"""The simulated XFEL run: all of its hits, cell known or not, against the truth."""

import numpy as np
import pytest
from support.still_examples import LYSOZYME, TETRAGONAL, misorientation, true_crystals

from dxdask.indexing.stills import StillIndexParameters, index_stills
from dxdask.models import ExperimentList
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.storage.importers import read_runs

pytestmark = pytest.mark.shared

SPOTS = {
    "force_2d": True,
    "filter": {"min_spot_size": 2},
    "threshold": {
        "algorithm": "dispersion",
        "dispersion": {
            "gain": 1.5, "global_threshold": 4, "sigma_background": 6, "sigma_strong": 4,
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def run(shared):
    """Return spots, stills, experiments and the true A of each event that is a hit."""
    path = shared / "data" / "stills" / "corrected.h5"
    (source,) = read_runs([str(path)])
    frames = source.reader.read(0, source.shape[0])
    found = find_spots(
        frames, source.experiment, source.mask, SpotfinderParameters.model_validate(SPOTS)
    )
    truth = true_crystals(path.parent)
    n = source.shape[0]
    counts = np.bincount(np.floor(found.reflections["z"]).astype(int), minlength=n)
    stills = {
        "experiment": np.zeros(n, np.int32), "image": np.arange(n, dtype=np.int32),
        "event_id": source.columns["event_id"],
        "wavelength": np.array(source.experiment.beam.wavelengths),
        "n_spots": counts.astype(np.int32), "hit": counts >= 16,
    }  # fmt: skip
    return found.reflections, stills, ExperimentList.of([source.experiment]), truth


@pytest.mark.parametrize("known", [True, False])
def test_all_forty_hits(run, known):
    reflections, stills, experiments, truth = run
    symmetry = {"unit_cell": LYSOZYME, "space_group": "P43212"} if known else {}
    result = index_stills(
        reflections,
        stills,
        experiments,
        StillIndexParameters.model_validate({"known_symmetry": symmetry}),
    )
    assert np.flatnonzero(result.arrays["indexed"]).tolist() == sorted(truth)
    angles = [misorientation(result.arrays["a_matrix"][i], truth[i], TETRAGONAL) for i in truth]
    # the nominal geometry alone rotates crystals by 0.06 degree
    assert np.median(angles) < 0.08
    assert max(angles) < 0.15
    if not known:
        row = result.table("consensus").rows[0]
        assert row["lattice"] == "tP"
        assert row["n_crystals"] >= 39
        assert [row[k] for k in "abc"] == pytest.approx([79.2, 79.2, 38.0], rel=0.005)
