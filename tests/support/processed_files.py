"""Reflections as other programs leave them: experiments, tables of each step, XDS text, MTZ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dxdask.columns import Flag, Reflections, n_rows
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ExperimentList,
    GaussianProfile,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.models.symmetry import possible_reflections, spacings
from dxdask.storage.exporters.dials import write_experiments, write_reflections

CELL = (40.0, 50.0, 60.0, 90.0, 90.0, 90.0)
WAVELENGTH = 0.98
N_IMAGES = 40


def experiment(run: str = "lyso", wavelength: float = WAVELENGTH) -> Experiment:
    """Return a sweep of a crystal on a detector of one panel."""
    panel = Panel(origin=(-50.0, 50.0, -150.0), image_size=(1000, 1000))
    return Experiment(
        identifier=f"id-of-{run}",
        run=run,
        beam=Beam(wavelength=wavelength),
        detector=Detector(panels=(panel,)),
        goniometer=Goniometer(),
        scan=Scan(image_range=(1, N_IMAGES), oscillation=(0.0, 0.5)),
        crystal=Crystal.from_cell(CELL, space_group="P 21 21 21"),
        profile=GaussianProfile(sigma_b=0.0005, sigma_m=0.002),
    )


def reflections(
    step: str, *, seed: int = 1, index: int = 0, wavelength: float = WAVELENGTH
) -> Reflections:
    """Return a table of one experiment, as the step leaves it: reflections in both signs."""
    rng = np.random.default_rng(seed)
    crystal = experiment().crystal
    assert crystal is not None
    unique = possible_reflections(crystal.gemmi_cell, crystal.gemmi_space_group, d_min=4.0)
    hkl = np.concatenate([unique, -unique, unique * np.array([1, -1, -1], np.int32)])
    n = len(hkl)
    d = spacings(hkl, crystal.gemmi_cell)
    true = 500.0 * rng.exponential(size=len(unique))
    strength = np.tile(true, 3) * (1 + 0.02 * rng.standard_normal(n))
    s1 = rng.standard_normal((n, 3))
    s1 /= np.linalg.norm(s1, axis=1)[:, None] * wavelength
    x, y, z = (rng.uniform(low, high, n) for low, high in ((5, 990), (5, 990), (0.5, 39.5)))
    flags = Flag.OBSERVED | Flag.STRONG
    table: Reflections = {
        "experiment": np.full(n, index, np.int32),
        "panel": np.zeros(n, np.int32),
        "x": x, "y": y, "z": z,
        **{f"{name}_variance": np.full(n, 0.1) for name in "xyz"},
        "bbox": np.tile(np.array([0, 3, 0, 3, 0, 2], np.int32), (n, 1)),
        "intensity_sum": strength, "intensity_sum_variance": strength + 4.0,
    }  # fmt: skip
    if step != "find_spots":
        flags |= Flag.INDEXED | Flag.PREDICTED
        rlp = np.zeros((n, 3))
        rlp[:, 2] = 1.0 / d
        table |= {"hkl": hkl, "s1": s1, "rlp": rlp, "entering": rng.random(n) > 0.5}
        table |= {f"{name}_cal": table[name].copy() for name in "xyz"}
        names = {"x": "x_mm", "y": "y_mm", "z": "phi_rad"}
        table |= {mm: table[px] * 0.1 for px, mm in names.items()}
        table |= {f"{mm}_variance": np.full(n, 0.001) for mm in names.values()}
    if step in ("integrate", "scale"):
        flags |= Flag.INTEGRATED
        table |= {
            "d": d, "partiality": np.full(n, 0.99), "qe": np.full(n, 0.9),
            "lp": rng.uniform(0.2, 0.5, n), "zeta": np.full(n, 0.8),
            "background_mean": np.full(n, 2.0), "n_background": np.full(n, 80, np.int32),
            "n_foreground": np.full(n, 20, np.int32),
            "intensity_prf": strength * 1.01, "intensity_prf_variance": strength + 3.0,
        }  # fmt: skip
    if step == "scale":
        flags |= Flag.SCALED
        table |= {"scale": rng.uniform(0.8, 1.2, n)}
        table["intensity"] = strength * 0.3
        table["intensity_variance"] = strength * 0.1 + 1.0
    table["flags"] = np.full(n, flags, np.uint32)
    return table


def write_job(
    folder: Path, step: str, *, run: str = "lyso", name: str | None = None, **changes: object
) -> list[Path]:
    """Write `.expt` and `.refl` of a step; return them. changes : of the experiment."""
    one = replace(experiment(run), **changes)  # type: ignore[arg-type]
    if step == "find_spots":
        one = replace(one, crystal=None, profile=None)
    models = ExperimentList.of([one])
    path = folder / f"{name or step}.expt"
    write_experiments(path, models)
    table = reflections(step, wavelength=one.beam.wavelength)
    write_reflections(path.with_suffix(".refl"), table, models)
    return [path, path.with_suffix(".refl")]


XDS_HEADER = """!FORMAT=XDS_ASCII    MERGE=FALSE    FRIEDEL'S_LAW=FALSE
!OUTPUT_FILE=XDS_ASCII.HKL        DATE=30-Sep-2025
!SPACE_GROUP_NUMBER=   19
!UNIT_CELL_CONSTANTS=    40.000    50.000    60.000  90.000  90.000  90.000
!DETECTOR=PILATUS
!NX=  1000  NY=  1000    QX=  0.100000  QY=  0.100000
!STARTING_FRAME=       1
!STARTING_ANGLE=     0.000
!OSCILLATION_RANGE=  0.500000
!DATA_RANGE=       1      40
!ROTATION_AXIS=  1.000000  0.000000  0.000000
!X-RAY_WAVELENGTH=  0.980000
!INCIDENT_BEAM_DIRECTION=  0.000000  0.000000  1.020408
!DIRECTION_OF_DETECTOR_X-AXIS=  1.000000  0.000000  0.000000
!DIRECTION_OF_DETECTOR_Y-AXIS=  0.000000  1.000000  0.000000
!ORGX=    500.50  ORGY=    500.50
!DETECTOR_DISTANCE=   150.000
!UNIT_CELL_A-AXIS=    40.000     0.000     0.000
!UNIT_CELL_B-AXIS=     0.000    50.000     0.000
!UNIT_CELL_C-AXIS=     0.000     0.000    60.000
!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD=12
!ITEM_H=1
!ITEM_K=2
!ITEM_L=3
!ITEM_IOBS=4
!ITEM_SIGMA(IOBS)=5
!ITEM_XD=6
!ITEM_YD=7
!ITEM_ZD=8
!ITEM_RLP=9
!ITEM_PEAK=10
!ITEM_CORR=11
!ITEM_PSI=12
!END_OF_HEADER
"""


def xds_text(**changes: object) -> str:
    """Return the text of XDS_ASCII.HKL; changes : `sigma` (n,) of its reflections."""
    table = reflections("scale")
    sigma = np.asarray(changes.get("sigma", np.sqrt(table["intensity_variance"])))
    lines = [
        f"{h:6d}{k:6d}{l:6d} {i:.4E} {s:.4E} {x:.1f} {y:.1f} {z:.2f} 0.25 99.0 60 12.5"
        for (h, k, l), i, s, x, y, z in zip(
            table["hkl"].tolist(), table["intensity"], sigma, table["x"], table["y"], table["z"],
            strict=True,
        )
    ]  # fmt: skip
    return XDS_HEADER + "\n".join(lines) + "\n!END_OF_DATA\n"


def count(table: Reflections) -> int:
    """Return the number of rows."""
    return n_rows(table)
