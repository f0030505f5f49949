"""A simulation as files: frames as NXmx, a dark run of a raw detector, and the truth."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector, ExperimentList
from dxdask.storage.exporters.crystfel_geometry import write_crystfel_geometry
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.exporters.whole_file import whole_file

EVENTS_OF_RUN = 1_000_000  # event ids of a run begin at a multiple of this


class Intensities(Protocol):
    """True intensities: hkl (n, 3), d, intensity, centric, epsilon (n,)."""

    @property
    def hkl(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def d(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def intensity(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def centric(self) -> NDArray[np.bool_]: ...  # noqa: D102
    @property
    def epsilon(self) -> NDArray[np.int32]: ...  # noqa: D102


class RawPixels(Protocol):
    """Properties of the pixels of a raw detector, each (slow, fast)."""

    @property
    def pedestal(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def gain(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def unbonded(self) -> NDArray[np.bool_]: ...  # noqa: D102


class Ensemble(Protocol):
    """Simulated runs, whose frames are made on demand, as `dxdask.simulation.simulate` returns."""

    @property
    def experiments(self) -> ExperimentList: ...  # noqa: D102
    @property
    def detector(self) -> Detector: ...  # noqa: D102
    @property
    def intensities(self) -> Intensities: ...  # noqa: D102
    @property
    def pixel_mask(self) -> NDArray[np.uint32]: ...  # noqa: D102
    @property
    def raw_pixels(self) -> RawPixels: ...  # noqa: D102
    @property
    def n_dark(self) -> int: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, int, int]: ...  # noqa: D102
    @property
    def truth(self) -> dict[str, Any]: ...  # noqa: D102

    def frames(self, run: int, first: int, last: int) -> NDArray[np.uint16]: ...  # noqa: D102
    def dark_frames(self, first: int, last: int) -> NDArray[np.uint16]: ...  # noqa: D102


def write_simulation(
    directory: str | Path,
    simulation: Ensemble,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Path]:
    """Write every run as RUN/RUN.nxs in `directory`, with truth.json and truth_intensities.csv.

    Stills also get true.geom, the true geometry; a raw detector gets dark.nxs, its dark run, and
    pedestal.npy, gain.npy and unbonded.npy (slow, fast).

    progress: called with the run's name, images done and images in all, after each image.

    Returns the NXmx files of the runs, in their order.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    n_images = simulation.shape[0]
    for run, experiment in enumerate(simulation.experiments):
        name = f"run{run + 1}_{experiment.beam.transmission:.3f}"
        path = folder / name / f"{experiment.run}.nxs"
        path.parent.mkdir(exist_ok=True)

        def images(run: int = run, name: str = experiment.run) -> Iterable[NDArray[np.uint16]]:
            for i in range(n_images):
                yield simulation.frames(run, i, i + 1)[0]
                if progress is not None:
                    progress(name, i + 1, n_images)

        write_nxmx(
            path,
            experiment,
            images(),
            shape=simulation.shape,
            dtype=np.uint16,
            pixel_mask=simulation.pixel_mask,
            columns=None if experiment.goniometer else _events(run, n_images),
        )
        files.append(path)
    first = simulation.experiments[0]
    if first.goniometer is None:
        write_crystfel_geometry(folder / "true.geom", simulation.detector, first.beam)
    if simulation.n_dark:
        _write_dark(folder, simulation)
    truth = simulation.truth | {"files": [str(f.relative_to(folder)) for f in files]}
    with whole_file(folder / "truth.json") as aside:
        aside.write_text(json.dumps(truth, indent=1) + "\n")
    write_true_intensities(folder / "truth_intensities.csv", simulation.intensities)
    return files


def _events(run: int, n: int) -> dict[str, NDArray[Any]]:
    """Return the number of each event of a run."""
    return {"event_id": np.arange(n, dtype=np.int64) + (run + 1) * EVENTS_OF_RUN}


def _write_dark(folder: Path, simulation: Ensemble) -> None:
    n, pixels = simulation.n_dark, simulation.raw_pixels
    first = simulation.experiments[0]
    beam = replace(first.beam, wavelengths=None)
    write_nxmx(
        folder / "dark.nxs",
        replace(first, run="dark", beam=beam, goniometer=None, scan=None),
        (simulation.dark_frames(i, i + 1)[0] for i in range(n)),
        shape=(n, *simulation.shape[1:]),
        dtype=np.uint16,
        pixel_mask=simulation.pixel_mask,
    )
    maps = {"pedestal": pixels.pedestal, "gain": pixels.gain, "unbonded": pixels.unbonded}
    for name, values in maps.items():
        with whole_file(folder / f"{name}.npy") as aside:
            np.save(aside, values)


def write_true_intensities(path: str | Path, truth: Intensities) -> None:
    """Write h, k, l, d_A, I_true, centric, epsilon of every unique reflection as CSV."""
    with whole_file(path) as aside, aside.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["h", "k", "l", "d_A", "I_true", "centric", "epsilon"])
        rows = zip(truth.hkl, truth.d, truth.intensity, truth.centric, truth.epsilon, strict=True)
        writer.writerows(
            [*h.tolist(), f"{d:.5f}", f"{i:.7g}", int(c), int(e)] for h, d, i, c, e in rows
        )
