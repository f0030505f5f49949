"""Parameters of a small simulated ensemble."""

from __future__ import annotations

from dxdask.simulation import SimulationParameters


def tiny(**changes: object) -> SimulationParameters:
    """Return parameters of an ensemble simulated in about a second."""
    values: dict[str, object] = {
        "name": "tiny",
        "transmissions": (0.25, 1.0),
        "crystal": {"unit_cell": (40.0, 40.0, 40.0, 90.0, 90.0, 90.0)},
        "detector": {
            "distance": 80.0,
            "module_size": (192, 96),
            "gap": 8,
            "beam_centre": (95.2, 99.6),
            "pixel_size": 0.4,
            "n_dead": 6,
            "n_hot": 4,
        },
        "scan": {"n_images": 10, "oscillation": 0.8},
    }
    return SimulationParameters.model_validate(values | changes)
