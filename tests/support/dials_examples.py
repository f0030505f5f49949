"""An experiment and a table of reflections with all that files of DIALS hold."""

from dataclasses import replace

import numpy as np

from dxdask.columns import Flag, check
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    GaussianProfile,
    Goniometer,
    Group,
    Panel,
    Scan,
)
from dxdask.models.vectors import matrix, rotation_matrix, unit, vector


def sweep() -> Experiment:
    turn = rotation_matrix((1, 2, 3), 0.3)
    fast, slow = (vector(turn @ v) for v in ((1, 0, 0), (0, -1, 0)))
    normal = {"fast_axis": fast, "slow_axis": slow}
    group = Group(name="g", origin=(0.0, 0.0, -150.0), **normal, panels=(0, 1))
    panels = tuple(
        Panel(
            name=f"p{i}",
            origin=(-50.0, 50.0 - 20 * i, -150.0),
            **normal,
            image_size=(10, 8),
            offset=(0, 8 * i),
            mu=2.0,
            thickness=0.3,
            material="Si",
            use_parallax=True,
            mask=((0, 0, 3, 4),),
        )
        for i in range(2)
    )
    crystal = Crystal.from_cell(
        (78.0, 78.0, 37.0, 90.0, 90.0, 90.0), u_matrix=turn, space_group="P 43 21 2"
    )
    return Experiment(
        identifier="abc",
        run="run1",
        beam=Beam(wavelength=0.98, direction=vector(unit((0.01, 0.02, 1.0))), transmission=0.25),
        detector=Detector(panels=panels, root=Group(groups=(group,))),
        goniometer=Goniometer(
            axes=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)), angles=(10.0, 20.0), names=("phi", "omega"),
            scan_axis=1,
        ),
        scan=Scan(image_range=(3, 12), oscillation=(20.0, 0.5), exposure_times=(0.1,)),
        crystal=replace(
            crystal,
            scan_points=tuple(matrix(crystal.a * (1 + 0.001 * i)) for i in range(11)),
            cell_su=(0.01, 0.01, 0.02, 0.0, 0.0, 0.0),
        ),
        profile=GaussianProfile(sigma_b=0.0005, sigma_m=0.002),
    )  # fmt: skip


def table(n: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    return check(
        {
            "experiment": np.zeros(n, np.int32),
            "panel": np.arange(n, dtype=np.int32) % 2,
            "hkl": rng.integers(-9, 9, (n, 3)).astype(np.int32),
            "flags": np.full(n, Flag.STRONG | Flag.INDEXED, np.uint32),
            "entering": rng.random(n) > 0.5,
            "x": rng.random(n),
            "y": rng.random(n),
            "z": 2.0 + np.arange(n) + 0.5,
            "bbox": rng.integers(0, 9, (n, 6)).astype(np.int32),
            "s1": rng.random((n, 3)),
            "intensity_sum": rng.random(n),
            "peak": np.ones(n, np.int32),
        }
    )
