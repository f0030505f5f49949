"""The calibration of a run from the files that parameters name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask
import numpy as np
from dask.delayed import Delayed
from numpy.typing import NDArray

from dxdask.calibration import (
    Calibration,
    CalibrationParameters,
    Dark,
    calibration_of,
    panel_boxes,
)
from dxdask.calibration.parameters import DarkParameters
from dxdask.calibration.result import dark_of_result
from dxdask.errors import InputError, ParameterError
from dxdask.graphs.dark import pedestal
from dxdask.models import Detector
from dxdask.storage.frames.lazy import lazy_frames
from dxdask.storage.importers.crystfel.frames import frames_in
from dxdask.storage.importers.nxmx.frames import Hdf5Reader
from dxdask.storage.importers.pixel_maps import map_file, read_pixel_map
from dxdask.storage.store.calibration import StoredCalibration
from dxdask.storage.store.provenance import file_fingerprint, fingerprint
from dxdask.storage.store.store import Store

if TYPE_CHECKING:
    import dask.array as da

COUNTING = ("common_mode", "output", "saturation")
"""Parameters of the correction of frames, not of the making of the maps of pixels."""

Compute = Callable[[Delayed], Any]


@dataclass(frozen=True)
class DarkReader:
    """Reads the frames of the file of a dark run.

    Attributes
    ----------
    fingerprint : of the file.
    """

    files: Hdf5Reader
    shape: tuple[int, int, int]
    fingerprint: str

    @property
    def step(self) -> int:
        """One image: where chunks lie in the file is left to HDF5."""
        return 1

    def require_files(self) -> None:
        """Do nothing: the file was opened just now, to see what is in it."""

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return ("dxdask-dark", self.fingerprint)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the counts."""
        return np.dtype(self.files.dtype)

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames `first` to `last` (not included), (frame, slow, fast)."""
        return self.files.read(first, last)


def dark_frames(parameters: CalibrationParameters, frame: tuple[int, int]) -> da.Array:
    """Return the lazy frames (image, slow, fast) of the dark run that `dark_path` names.

    Raises
    ------
    InputError
        There is no such file, or its frames are not (slow, fast) as those to be calibrated.
    FormatError
        There are no frames in it.
    """
    path = parameters.dark_path
    if path is None:
        raise InputError("calibration.dark_path is not given; give the file of a dark run")
    reader, n = frames_in(path)
    _require_frames(str(path), reader.frame_shape, frame)
    dark = DarkReader(reader, (n, *frame), file_fingerprint(path))
    return lazy_frames(dark, unreadable="mark")


def load_calibration(
    detector: Detector,
    frame: tuple[int, int],
    parameters: CalibrationParameters,
    *,
    mask: NDArray[np.bool_] | None = None,
    compute: Compute | None = None,
) -> tuple[Calibration, Dark | None]:
    """Return the calibration of frames (slow, fast) by the files that parameters name.

    mask : (slow, fast), True is good, as the run was imported. compute : computes the reduction of
    the dark run, by default on this machine.

    Raises
    ------
    InputError, FormatError
        A file is not there, cannot be read or is of other frames.
    """
    p = parameters
    dark: Dark | None = None
    if p.dark_path is not None and p.dark_path.suffix == ".zarr":
        dark = _reduced(p, frame)
    elif p.dark_path is not None:
        task = pedestal(dark_frames(p, frame), detector, p.dark)
        dark = (compute or _here)(task)
    bad = np.zeros(frame, dtype=np.bool_) if mask is None else ~mask
    if dark is not None:
        bad |= dark.reasons > 0
    unbonded = None
    if p.unbonded is not None:
        unbonded = read_pixel_map(p.unbonded, "calibration.unbonded", frame) != 0
    if p.mask is not None:
        given = read_pixel_map(p.mask, "calibration.mask", frame)
        bad |= ~given if given.dtype == np.bool_ else given != 0
    gain: NDArray[np.float32] | float | None = p.gain
    if p.gain_map is not None:
        values = read_pixel_map(p.gain_map, "calibration.gain_map", frame) * p.gain_map_scale
        gain = np.where(values > 0, values, 0.0 if p.gain is None else p.gain).astype(np.float32)
    calibration = calibration_of(
        detector,
        frame,
        pedestal=None if dark is None else dark.pedestal,
        noise=None if dark is None else dark.noise,
        gain=gain,
        bad=bad,
        unbonded=unbonded,
        n_dark=0 if dark is None else len(dark.frames),
    )
    return calibration, dark


def _reduced(parameters: CalibrationParameters, frame: tuple[int, int]) -> Dark:
    """Return the dark run that `dxdask pedestal` has reduced."""
    path = str(parameters.dark_path)
    if parameters.dark != DarkParameters():
        raise ParameterError(
            f"calibration.dark is for a raw dark run, and {path} is reduced already; give "
            "the parameters to dxdask pedestal"
        )
    store = Store.open(path, "r")
    if not store.has_step("pedestal"):
        raise InputError(f"calibration.dark_path={path} holds no pedestal; run: dxdask pedestal")
    dark = dark_of_result(store.read_step("pedestal"))
    _require_frames(path, dark.pedestal.shape, frame)
    return dark


def _require_frames(path: str, found: tuple[int, ...], frame: tuple[int, int]) -> None:
    if found != frame:
        raise InputError(
            f"calibration.dark_path={path} has frames of {found}, those to calibrate "
            f"are {frame} (slow, fast); give a dark run of the same detector"
        )


def _here(task: Delayed) -> Dark:
    dark: Dark = dask.compute(task)[0]  # type: ignore[attr-defined, no-untyped-call]
    return dark


def maps_fingerprint(parameters: CalibrationParameters) -> str:
    """Return the fingerprint of the maps of pixels: of their files and parameters."""
    p = parameters
    maps = [t for t in (p.gain_map, p.mask, p.unbonded) if t is not None]
    files = [*([p.dark_path] if p.dark_path is not None else []), *map(map_file, maps)]
    given = p.model_dump(mode="json", exclude=set(COUNTING))
    prints = [_print_of(f) for f in files]
    return fingerprint("calibration", given, prints, "1")


def _print_of(path: Path) -> str:
    if path.suffix == ".zarr" and path.is_dir():
        store = Store.open(path, "r")
        if store.has_step("pedestal"):
            return str(store.step_attributes("pedestal")["fingerprint"])
    return file_fingerprint(path) if path.is_file() else str(path)


def to_store(calibration: Calibration, made_of: str | None = None) -> StoredCalibration:
    """Return a calibration as a store holds it.

    made_of : fingerprint of the files and parameters it was made of; None: of itself.
    """
    c = calibration
    made_of = c.fingerprint if made_of is None else made_of
    return StoredCalibration(c.pedestal, c.noise, c.gain, c.use, c.n_dark, made_of)


def from_store(found: StoredCalibration, detector: Detector) -> Calibration:
    """Return the calibration from its stored form; panels may be divided differently since."""
    return Calibration(
        pedestal=found.pedestal,
        noise=found.noise,
        gain=found.gain,
        use=found.use,
        boxes=panel_boxes(detector),
        n_dark=found.n_dark,
    )
