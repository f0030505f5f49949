"""Our spots beside those of nanoBragg, an independent program, for the same experiment."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  registers bitshuffle with h5py
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import erf

from dxdask.simulation import Simulation, SimulationParameters, simulate

HALF = 5


def twin_of(folder: Path) -> tuple[Simulation, Path]:
    """Return our simulation of nanoBragg's crystal, and its file of the strongest run."""
    truth = json.loads((folder / "truth.json").read_text())
    turn = np.degrees(Rotation.from_matrix(truth["U"]).as_rotvec()).tolist()
    parameters = SimulationParameters.model_validate(
        {
            "transmissions": (1.0,),
            "crystal": {
                "unit_cell": truth["cell"],
                "space_group": truth["space_group"],
                "d_min": 1.6,
                "orientation": turn,
                # The rms of its twelve domains, and the radius of its lattice points: NOTES.md.
                "mosaicity": 0.058,
                "rlp_radius": 2.98e-4,
            },
            "beam": {"wavelength": truth["wavelength"], "divergence": 0, "bandwidth": 0},
            "detector": {
                "distance": 100.0,
                "beam_centre": truth["beam_px"],
                "module_size": (1024, 512),
                "gap": 36,
                "module_shifts": [m[3] for m in truth["modules"]],
                "header": "one_panel",
                "pixel_size": truth["pixel"],
                "mu": 1.0400134815,
                "psf_sigma": truth["psf_sigma_px"],
            },
            "scan": {"n_images": truth["frames"], "oscillation": truth["osc"]},
        }
    )
    return simulate(parameters), folder / truth["files"][4]


def lonely_spots(simulation: Simulation, image: int) -> np.ndarray:
    """Return the rows of spots with most of their photons on the image and no neighbour."""
    spots = simulation.spots
    low, high = np.deg2rad([image * 0.5, image * 0.5 + 0.5])
    c = 1 / (np.sqrt(2) * spots.sigma_phi)
    weight = (erf(c * (high - spots.phi)) - erf(c * (low - spots.phi))) / 2
    active = np.flatnonzero(weight > 0.01)
    xy = np.stack([spots.x, spots.y], axis=1)
    found = []
    for i in active[weight[active] > 0.5]:
        same = active[spots.panel[active] == spots.panel[i]]
        near = np.sort(np.abs(xy[same] - xy[i]).max(axis=1))
        if np.all((xy[i] > 12) & (xy[i] < (1012, 500))) and (len(near) < 2 or near[1] > 12):
            found.append(i)
    return np.array(found)


@pytest.mark.shared
def test_strong_spots_lie_and_spread_as_nanobragg_draws_them(shared: Path) -> None:
    simulation, file = twin_of(shared / "data" / "insulin")
    spots, rows = simulation.spots, []
    with h5py.File(file) as source:
        masked = source["entry/instrument/detector/pixel_mask"][()] != 0
        for image in (10, 60, 100):
            frame = source["entry/data/data"][image].astype(float)
            for i in lonely_spots(simulation, image):
                x, y = spots.x[i], spots.y[i] + simulation.detector[spots.panel[i]].offset[1]
                cut = np.s_[int(y) - HALF : int(y) + HALF + 1, int(x) - HALF : int(x) + HALF + 1]
                box = frame[cut] - np.median(
                    frame[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9]
                )
                if masked[cut].any() or frame[cut].max() > 9000 or box.sum() < 1500:
                    continue
                grid = np.mgrid[cut] + 0.5
                centre = (grid * box).sum(axis=(1, 2)) / box.sum()
                spread = (((grid - centre[:, None, None]) ** 2) * box).sum(axis=(1, 2)) / box.sum()
                rows.append([centre[1] - x, centre[0] - y, *(spread[::-1] - 1 / 12),
                             spots.covariance[i, 0], spots.covariance[i, 2]])  # fmt: skip
    seen = np.array(rows)
    assert len(seen) > 150
    # A few boxes hold a hot pixel that the mask does not list, hence the percentile.
    assert np.percentile(np.hypot(seen[:, 0], seen[:, 1]), 95) < 0.3
    np.testing.assert_allclose(np.median(seen[:, :2], axis=0), 0.0, atol=0.03)
    widths = np.sqrt(np.median(seen[:, 2:], axis=0))
    np.testing.assert_allclose(widths[2:], widths[:2], rtol=0.1)
