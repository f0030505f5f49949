"""Merged intensities of one set of frames, as photons and as counts of other gains and pedestals.

    python benchmarks/photons.py [--frames FILE.nxs] [--folder DIR] [NAME ...]

Without a file, a crystal is simulated. Each variant of its frames is taken through `process`:
counts with a gain, a pedestal or both, signed and real numbers, gains and pedestals of pixels.
Prints for each the median ratio of merged intensities and of their I/sigma to those of the photons,
the largest deviation of strong ones, and the background.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gemmi
import h5py
import hdf5plugin  # noqa: F401 -- reads bitshuffled frames
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.simulation import SimulationParameters, simulate
from dxdask.storage.exporters.simulated import write_simulation
from dxdask.storage.store.store import Store

DETECTOR = "/entry/instrument/detector"
SEED = 7
N_PANELS = 2
GROUP = gemmi.SpaceGroup("I 21 3")
SETTINGS = ("h,k,l", "k,h,-l")
"""The lattice is more symmetric than the crystal: either may be found."""


def of_panels(low: float, high: float, **values: object) -> list[str]:
    """Return the arguments that set the trusted range, and other values, of all panels."""
    given = {"trusted_range": f"{low},{high}", **values}
    return [
        f"geometry.detector.panel.{name}={value}"
        for number in range(N_PANELS)
        for name, value in {"id": number, **given}.items()
    ]


def variants(
    photons: NDArray[Any], top: float, folder: Path
) -> dict[str, Callable[[], tuple[NDArray[Any], list[str]]]]:
    """Return, by name, what makes the counts of a variant and the arguments that describe them."""
    rng = np.random.default_rng(SEED)
    shape = photons.shape[1:]

    def counts(gain: Any, pedestal: Any, dtype: type) -> NDArray[Any]:
        values = photons * np.asarray(gain, np.float64) + pedestal
        return (values if np.dtype(dtype).kind == "f" else np.rint(values)).astype(dtype)

    def simple(gain: float, pedestal: float, dtype: type) -> tuple[NDArray[Any], list[str]]:
        low, high = (value * gain + pedestal for value in (-1.0, top))
        given = of_panels(low, high, gain=gain, pedestal=pedestal)
        return counts(gain, pedestal, dtype), given

    def of_pixels() -> tuple[NDArray[Any], list[str]]:
        gain = 5.0 * np.exp(0.2 * rng.uniform(-1.0, 1.0, shape))
        pedestal = 300.0 + 40.0 * rng.standard_normal(shape)
        np.save(folder / "gain.npy", gain)
        np.save(folder / "pedestal.npy", pedestal)
        return counts(gain, pedestal, np.float32), [
            f"spotfinder.lookup.gain_map={folder / 'gain.npy'}",
            f"spotfinder.lookup.pedestal_map={folder / 'pedestal.npy'}",
            *of_panels(-1e6, 5.0 * top),
        ]

    def noisy() -> tuple[NDArray[Any], list[str]]:
        noise = 0.3 * rng.standard_normal(photons.shape)
        return (photons + noise).astype(np.float32), of_panels(-1e6, top)

    return {
        "photons": lambda: (photons, of_panels(-1.0, top)),
        "gain 4": lambda: simple(4.0, 0.0, np.uint32),
        "pedestal 1000": lambda: simple(1.0, 1000.0, np.uint32),
        "gain 0.37": lambda: simple(0.37, 20.0, np.float64),
        "signed": lambda: simple(7.0, -50.0, np.int32),
        "float": lambda: simple(1.0, 0.0, np.float32),
        "pixels": of_pixels,
        "noise 0.3": noisy,
    }


def processed(source: Path, counts: NDArray[Any], given: list[str], at: Path) -> Store:
    """Return the store of a copy of an NXmx file with other frames."""
    at.mkdir(parents=True)
    copy = at / source.name
    with h5py.File(source) as old, h5py.File(copy, "w") as new:
        for name in old:
            old.copy(name, new)
        place = next(p for p in ("/entry/data/data", f"{DETECTOR}/data") if p in new)
        attributes = dict(new[place].attrs)
        del new[place]
        made = new.create_dataset(place, data=counts, chunks=(1, *counts.shape[1:]))
        made.attrs.update(attributes)
    command = [sys.executable, "-m", "dxdask", "process", str(copy), "-o", str(at / "s.zarr")]
    done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:] or done.stdout[-2000:])
    return Store.open(at / "s.zarr", mode="r")


def matched(
    merged: Reflections, right: Reflections, setting: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of equal reflections, the first in another setting."""
    operation, unit = gemmi.Op(setting), gemmi.ReciprocalAsu(GROUP)
    rows = {tuple(h): i for i, h in enumerate(right["hkl"].tolist())}
    found = [
        (i, rows[at])
        for i, h in enumerate(merged["hkl"].tolist())
        if (at := tuple(unit.to_asu(operation.apply_to_hkl(h), GROUP.operations())[0])) in rows
    ]
    a, b = np.array(found, np.int64).reshape(-1, 2).T
    return a, b


def _agreement(
    merged: Reflections, right: Reflections, a: NDArray[np.int64], b: NDArray[np.int64]
) -> float:
    if len(a) < 3:
        return -1.0
    return float(np.corrcoef(merged["intensity"][a], right["intensity"][b])[0, 1])


def compared(store: Store, clean: Store) -> str:
    """Return a line of figures."""
    merged, right = store.columns("merge"), clean.columns("merge")
    every = [matched(merged, right, setting) for setting in SETTINGS]
    a, b = max(every, key=lambda rows: _agreement(merged, right, *rows))
    i, j = merged["intensity"][a], right["intensity"][b]
    s, t = merged["sigma"][a], right["sigma"][b]
    strong = j > 10.0 * t
    tables = [x.columns("integrate") for x in (store, clean)]
    backgrounds = [float(np.median(table["background_mean"])) for table in tables]
    ratio, quality = np.median(i[strong] / j[strong]), np.median((i / s)[strong] / (j / t)[strong])
    farthest = np.quantile(np.abs(i - j)[strong] / j[strong], 0.95)
    return (
        f"{len(a):6d} {np.median(i / s):8.2f} {ratio:8.4f} {farthest:8.4f} {quality:8.4f} "
        f"{backgrounds[0]:8.4f} {backgrounds[1]:8.4f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="variants; none: all")
    parser.add_argument("--frames", type=Path, help="an NXmx file of photons, one module or more")
    parser.add_argument("--folder", type=Path, help="an empty folder that is kept")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="dxdask-photons-"))
    source = given.frames or write_simulation(folder / "raw", simulate(_crystal()))[0]
    with h5py.File(source) as file:
        photons = file["/entry/data/data"][()]
    top = 10000.0
    makers = variants(photons, top, folder)
    names = given.names or list(makers)
    print(
        f"{'variant':14s} {'n':>6s} {'I/sigma':>8s} {'I':>8s} {'95 %':>8s} {'I/sigma':>8s}", end=""
    )
    print(f" {'backgr.':>8s} {'clean':>8s}")
    stores: dict[str, Store] = {}
    for name in dict.fromkeys(["photons", *names]):
        counts, arguments = makers[name]()
        arguments.append("space_group=I213")
        stores[name] = processed(source, counts, arguments, folder / name.replace(" ", "_"))
        print(f"{name:14s} {compared(stores[name], stores['photons'])}", flush=True)
    if given.folder is None:
        shutil.rmtree(folder)


def _crystal() -> SimulationParameters:
    """Return a crystal whose spots hardly overlap, on an ideal detector."""
    return SimulationParameters.model_validate(
        {
            "transmissions": (1.0,),
            "scan": {"n_images": 30, "oscillation": 0.8},
            "crystal": {"unit_cell": (36.0, 36.0, 36.0, 90.0, 90.0, 90.0)},
            "detector": {
                "distance": 80.0,
                "module_size": (256, 128),
                "gap": 8,
                "beam_centre": (127.2, 131.6),
                "module_shifts": ((0.0, 0.0), (0.0, 0.0)),
                "pixel_size": 0.3,
                "n_dead": 0,
                "n_hot": 0,
                "gain_switch": {"enabled": False},
            },
        }
    )


if __name__ == "__main__":
    main()
