"""NXmx files with random faults: fields deleted, null, renamed, in other units, bytes flipped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from support.raw_examples import write_nxmx

FRAMES = np.arange(4 * 60 * 80, dtype=np.uint16).reshape(4, 60, 80)
UNITS = (
    "m",
    "mm",
    "µm",
    "Å",
    "A",
    "deg",
    "rad",
    "eV",
    "keV",
    "s",
    "pixel",
    "",
    "furlong",
    "\ufffd",
)
NUMBERS = (0.0, -1.0, np.nan, np.inf, 1e300, 1e-300, 7.5e-5, 110.0, 1e9, -5e4)
ATTRIBUTES = (
    None, h5py.Empty("f8"), "", ".", b"\xc5", np.zeros(3), np.full(3, np.nan), 5, [[-1.0, 0, 0]],
)  # fmt: skip

Change = Callable[[h5py.File, np.random.Generator], None]


def write_example(path: Path) -> Path:
    """Write a sound file, with the fields that fallbacks read, its beam on the detector."""
    write_nxmx(path, FRAMES)
    with h5py.File(path, "r+") as file:
        detector = file["entry/instrument/detector"]
        for name, value, unit in (
            ("distance", 0.1, "m"), ("beam_center_x", 40.0, "pixel"),
            ("beam_center_y", 30.0, "pixel"), ("x_pixel_size", 1e-4, "m"),
            ("y_pixel_size", 1e-4, "m"), ("frame_time", 0.1, "s"), ("underload_value", 0, ""),
        ):  # fmt: skip
            detector[name] = value
            detector[name].attrs["units"] = unit
        detector["depends_on"] = "transformations/det_z"
        detector["module/module_offset"].attrs["offset"] = [4.0, 3.0, 0.0]
        file["entry/instrument/beam/incident_wavelength"].attrs["units"] = "angstrom"
        omega = file["entry/sample/transformations"]
        omega["omega_end"] = 0.5 * np.arange(1, 5)
        omega["omega_end"].attrs["units"] = "deg"
    return path


def write_mutated(path: Path, seed: int) -> Path:
    """Write the example with one to three faults, the same ones for the same seed."""
    write_example(path)
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        _damage(path, rng)
        return path
    with h5py.File(path, "r+") as file:
        for _ in range(int(rng.integers(1, 4))):
            CHANGES[int(rng.integers(len(CHANGES)))](file, rng)
    return path


def _damage(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    if rng.random() < 0.1:
        path.write_bytes(data[: int(rng.integers(len(data)))])
        return
    for _ in range(int(rng.integers(1, 12))):
        # most of the file is frames: its head and its end hold what describes them
        edge = rng.integers(min(len(data), 12000))
        at = int(edge if rng.random() < 0.5 else len(data) - 1 - edge)
        data[at] = int(rng.integers(256))
    path.write_bytes(data)


def _items(file: h5py.File, kind: type) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, kind) else None)
    return found


def _pick(file: h5py.File, rng: np.random.Generator, kind: type = h5py.Dataset) -> str | None:
    names = _items(file, kind)
    return names[int(rng.integers(len(names)))] if names else None


def _replace(file: h5py.File, name: str, value: object) -> None:
    kept = dict(file[name].attrs)
    del file[name]
    file[name] = value
    file[name].attrs.update(kept)


def _delete(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng, h5py.Dataset if rng.random() < 0.8 else h5py.Group)
    if name is not None:
        del file[name]


def _empty(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng)
    if name is not None:
        values = (h5py.Empty("f8"), np.zeros(0), np.zeros((0, 0)), "")
        _replace(file, name, values[int(rng.integers(len(values)))])


def _rename(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng, h5py.Dataset if rng.random() < 0.7 else h5py.Group)
    if name is not None:
        file.move(name, f"{name}_x")


def _other_unit(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng)
    if name is not None:
        key = "offset_units" if rng.random() < 0.2 else "units"
        file[name].attrs[key] = UNITS[int(rng.integers(len(UNITS)))]


def _other_value(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng)
    if name is None or file[name].dtype.kind not in "iuf" or file[name].size is None:
        return
    value = NUMBERS[int(rng.integers(len(NUMBERS)))]
    shape = file[name].shape if file[name].size < 100 else ()
    _replace(file, name, np.full(shape, value) if rng.random() < 0.7 else str(value))


def _other_shape(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng)
    if name is None or not file[name].size or file[name].dtype.kind not in "iuf":
        return
    value = np.asarray(file[name][()])
    shapes = (
        value[None],
        value.ravel(),
        np.atleast_1d(value)[:1],
        np.concatenate([value.ravel()] * 2),
    )
    _replace(file, name, shapes[int(rng.integers(len(shapes)))])


def _other_attribute(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng, h5py.Dataset if rng.random() < 0.8 else h5py.Group)
    keys = list(file[name].attrs) if name is not None else []
    if name is None or not keys:
        return
    key = keys[int(rng.integers(len(keys)))]
    values = (
        None,
        h5py.Empty("f8"),
        "",
        ".",
        b"\xc5",
        np.zeros(3),
        np.full(3, np.nan),
        5,
        [[-1.0, 0, 0]],
    )
    value = values[int(rng.integers(len(values)))]
    del file[name].attrs[key]
    if value is not None:
        file[name].attrs[key] = value


def _copy_group(file: h5py.File, rng: np.random.Generator) -> None:
    name = _pick(file, rng, h5py.Group)
    if name is not None and f"{name}_a" not in file:
        file.copy(name, f"{name}_a")


CHANGES: tuple[Change, ...] = (
    _delete, _empty, _rename, _other_unit, _other_value, _other_shape, _other_attribute,
    _copy_group,
)  # fmt: skip
