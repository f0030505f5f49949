"""The true values of a simulation, as data."""

from __future__ import annotations

from typing import Any

from dxdask.models import Crystal
from dxdask.simulation.geometry import true_detector
from dxdask.simulation.parameters import SimulationParameters
from dxdask.simulation.recording import BadPixels
from dxdask.simulation.shots import Shots
from dxdask.simulation.structure_factors import MEAN_INTENSITY

CONVENTION = (
    "dxtbx/imgCIF laboratory frame: r(phi) = R(axis, phi) A h, right-handed; image i (from 0) "
    "covers start + oscillation * i to start + oscillation * (i + 1), or angles[i] to angles[i + 1]"
)


def truth(
    parameters: SimulationParameters,
    *,
    bad: BadPixels,
    crystal: Crystal | None,
    shots: tuple[Shots, ...],
) -> dict[str, Any]:
    """Return the true values, as JSON data; `crystal` is for sweeps, `shots` for stills."""
    detector = parameters.detector
    panels = true_detector(detector).panels
    known: dict[str, Any] = {
        "parameters": parameters.model_dump(mode="json"),
        "mode": parameters.mode,
        "space_group": parameters.crystal.space_group,
        "cell": list(parameters.crystal.unit_cell),
        "wavelength": parameters.beam.wavelength,
        "distance": detector.distance,
        "transmissions": list(parameters.transmissions),
        "photon_scale_at_full_transmission": parameters.photons / MEAN_INTENSITY,
        "frame_convention": CONVENTION,
        "modules": [
            {
                "name": m.name,
                "offset_px": list(m.offset),
                "shift_px": list(shift),
                "origin": list(m.origin),
                "fast_axis": list(m.fast_axis),
                "slow_axis": list(m.slow_axis),
            }
            for m, shift in zip(panels, detector.module_shifts, strict=True)
        ],
        "bad_pixels": {
            "order": "row (slow), column (fast)",
            "dead": bad.dead.tolist(),
            "dead_listed_in_mask": bad.dead_listed.tolist(),
            "hot": bad.hot.tolist(),
            "hot_listed_in_mask": bad.hot_listed.tolist(),
            "hot_level": bad.hot_level.tolist(),
        },
    }
    if crystal is not None:
        known |= {"U": crystal.u.tolist(), "A_phi0": crystal.a.tolist()}
    if shots:
        known["shots"] = [_shots_truth(s) for s in shots]
    return known


def _shots_truth(shots: Shots) -> list[dict[str, Any]]:
    return [
        {
            "image": i,
            "hit": bool(shots.is_hit[i]),
            "wavelength": float(shots.wavelengths[i]),
            "fluence": float(shots.fluences[i]),
            "U": shots.u_matrices[i].tolist() if shots.is_hit[i] else None,
        }
        for i in range(len(shots.is_hit))
    ]
