"""Outliers beside those of DIALS, of the same residuals."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from dxdask.refinement.outliers import mcd_outliers
from dxdask.refinement.parameters import Mcd

DIALS_PYTHON = Path("/usr/bin/python3")
pytestmark = [
    pytest.mark.dials,
    pytest.mark.skipif(not DIALS_PYTHON.exists(), reason="needs DIALS"),
]

SCRIPT = """
import sys
import numpy as np
from dials.algorithms.statistics.fast_mcd import FastMCD, maha_dist_sq
from scitbx.array_family import flex

columns = [flex.double(np.ascontiguousarray(c)) for c in np.load(sys.argv[1]).T]
centre, covariance = FastMCD(columns).get_corrected_T_and_S()
np.save(sys.argv[2], np.array(maha_dist_sq(columns, centre, covariance)))
"""


def centroids_of_weak_and_strong_spots(n: int) -> np.ndarray:
    """Return residuals (n, 3), mm, mm and rad, of spots of 10 to 10 000 photons.

    Their standard deviations are those of insulin's: 0.6 px over the root of the photons.
    """
    rng = np.random.default_rng(11)
    photons = 10.0 ** rng.uniform(1.0, 4.0, n)
    sigma = np.hypot(0.6 / np.sqrt(photons), 0.03)
    return rng.normal(size=(n, 3)) * sigma[:, None] * np.array([0.075, 0.075, np.radians(0.5)])


def test_rejected_centroids_are_those_of_dials(tmp_path):
    residuals = centroids_of_weak_and_strong_spots(20_000)
    np.save(tmp_path / "residuals.npy", residuals)
    files = [str(tmp_path / "residuals.npy"), str(tmp_path / "distances.npy")]
    subprocess.run([str(DIALS_PYTHON), "-c", SCRIPT, *files], check=True)
    theirs = np.load(files[1]) > chi2.ppf(0.975, 3)
    ours = mcd_outliers(residuals, Mcd())
    # weak spots have wider tails than a normal distribution: far more than 2.5 % are beyond
    assert theirs.mean() > 0.15
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.005)
    assert (ours == theirs).mean() > 0.99
