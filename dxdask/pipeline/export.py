"""Write the content of a store for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import ExperimentList, space_group
from dxdask.models.free_flags import FreeFlags
from dxdask.parameters import Parameters, parameter
from dxdask.pipeline.processing import processing_of
from dxdask.pipeline.staleness import require_not_stale
from dxdask.storage.exporters import (
    crystfel_hkl,
    crystfel_stream,
    csv,
    dials,
    mmcif,
    mtz,
    mtz_stills,
    mtz_unmerged,
    parquet,
    xds_ascii,
)
from dxdask.storage.exporters.shoeboxes import SHOEBOX_ARRAYS
from dxdask.storage.exporters.source_images import SourceImages
from dxdask.storage.exporters.whole_file import whole_file
from dxdask.storage.importers.free_flags import read_free_flags
from dxdask.storage.store.store import Store

Format = Literal["mtz", "mmcif", "dials", "csv", "parquet", "hkl", "stream", "xds_ascii", "shelx"]

_SUFFIX = {
    "mtz": ".mtz",
    "mmcif": ".cif",
    "csv": ".csv",
    "parquet": ".parquet",
    "dials": ".expt",
    "hkl": ".hkl",
    "stream": ".stream",
    "xds_ascii": ".HKL",
    "shelx": ".hkl",
}
_STEPS: dict[str, tuple[str, ...]] = {
    "mtz": ("merge",),
    "mmcif": ("merge",),
    "unmerged": ("scale", "symmetry", "reindex_integrated", "integrate"),
    "hkl": ("merge",),
    "stream": ("integrate",),
    "xds_ascii": ("scale",),
    "shelx": ("merge",),
}
_ANY = (
    "scale",
    "symmetry",
    "reindex_integrated",
    "integrate",
    "refine",
    "reindex",
    "index",
    "find_spots",
)


class MtzParameters(Parameters):
    """Content of an MTZ or mmCIF file."""

    unmerged: bool = parameter(False, "write the scaled (else integrated) observations, unmerged")


class FreeFlagParameters(Parameters):
    """Free-R flags of merged reflections."""

    reference: str | None = parameter(
        None, "MTZ file whose free-R flags are kept; reflections that it lacks get new ones"
    )


class ExportParameters(Parameters):
    """Parameters of `dxdask export`."""

    format: Format = parameter(
        "mtz",
        "mtz, mmcif (merged reflections, a block a wavelength), dials (.expt and .refl), csv, "
        "parquet (needs pyarrow), hkl (CrystFEL's list of merged reflections), stream (CrystFEL's, "
        "of stills), xds_ascii (scaled observations of one run) or shelx (HKLF 4, merged)",
    )
    output: str | None = parameter(None, "file to write; default: the step's name, in this folder")
    step: str | None = parameter(None, "step to write; default: the last one of the format's kind")
    overwrite: bool = parameter(True, "replace a file that is there")
    branch: str = parameter("main", "Branch of the store.")
    mtz: MtzParameters = MtzParameters()
    r_free_flags: FreeFlagParameters = FreeFlagParameters()


def export_store(store: Store, parameters: ExportParameters) -> list[str]:
    """Write one step's result; return the files written.

    Of stills, `dials` writes those indexed, each with its own crystal.

    Raises
    ------
    StoreNotFoundError
        The step is not in the store.
    InputError
        The step is stale or holds no such thing, or the file is there and may not be replaced.
    StoreWriteError
        A file cannot be written; what was there before is as it was.
    """
    step = parameters.step or _default_step(store, parameters)
    require_not_stale(store, step)
    path = Path(parameters.output or f"{step}{_SUFFIX[parameters.format]}")
    files = [path, path.with_suffix(".refl")] if parameters.format == "dials" else [path]
    there = [str(f) for f in files if f.exists()]
    if there and not parameters.overwrite:
        raise InputError(f"{', '.join(there)} exists; give another output= or overwrite=true")
    if parameters.format == "csv":
        csv.write_csv(path, store.columns(step))
    elif parameters.format == "parquet":
        parquet.write_parquet(path, store.columns(step), processing_of(store, step))
    elif parameters.format == "dials":
        _write_dials(store, step, path)
    elif parameters.format == "hkl":
        _write_hkl(store, step, path)
    elif parameters.format == "stream":
        _write_stream(store, step, path)
    elif parameters.format == "xds_ascii":
        table, models = store.columns(step), store.experiments(step)
        xds_ascii.write_xds_ascii(path, table, models)
    elif parameters.format == "shelx":
        xds_ascii.write_shelx_hkl(path, _of_one_wavelength(store, step))
    elif parameters.format == "mmcif" and parameters.mtz.unmerged:
        mmcif.write_unmerged_mmcif(
            path, store.columns(step), store.experiments(step), processing_of(store, step)
        )
    elif parameters.mtz.unmerged and parameters.format == "mtz":
        _write_unmerged(store, step, path)
    else:
        write = mtz.write_merged if parameters.format == "mtz" else mmcif.write_merged_mmcif
        reference, processing = _reference(parameters), processing_of(store, step)
        write(path, store.columns(step), _with_cells(store, step), reference, processing)
    return [str(f) for f in files]


def _reference(parameters: ExportParameters) -> FreeFlags | None:
    path = parameters.r_free_flags.reference
    return None if path is None else read_free_flags(path)


def _with_cells(store: Store, step: str) -> ExperimentList:
    """Return the models of a step, with the cells of two_theta_refine where that was run."""
    found = store.experiments(step)
    if not store.has_step("two_theta_refine"):
        return found
    require_not_stale(store, "two_theta_refine")
    crystals = store.experiments("two_theta_refine").crystals
    if len(crystals) != len(found.crystals):
        return found
    return replace(found, crystals=crystals)


def stills_table(store: Store, step: str) -> dict[str, NDArray[Any]] | None:
    """Return the table of stills of a step with crystals, None where it is not of stills."""
    kept = store.step_attributes(step).get("arrays", [])
    if "a_matrix" not in kept or "indexed" not in kept:
        return None
    n = len(store.arrays(step, ["indexed"])["indexed"])
    found = store.arrays(step, [name for name in kept if not name.startswith("additional_")])
    return {name: values for name, values in found.items() if len(values) == n}


def _write_unmerged(store: Store, step: str, path: Path) -> None:
    table, experiments = store.columns(step), store.experiments(step)
    stills, processing = stills_table(store, step), processing_of(store, step)
    if stills is None:
        mtz_unmerged.write_unmerged(path, table, experiments, processing)
    else:
        mtz_stills.write_unmerged_stills(path, table, experiments, stills, processing)


def _write_dials(store: Store, step: str, path: Path) -> None:
    experiments = store.experiments(step)
    stills = stills_table(store, step)
    kept = store.step_attributes(step).get("arrays", [])
    arrays = store.arrays(step, [name for name in SHOEBOX_ARRAYS if name in kept])
    table, frames = store.columns(step), _frames(store, experiments.runs)
    # both files or none: neither is of use without the other
    with whole_file(path) as expt, whole_file(path.with_suffix(".refl")) as refl:
        dials.write_experiments(expt, experiments, frames=frames, stills=stills)
        dials.write_reflections(refl, table, experiments, arrays, stills=stills)


def _write_hkl(store: Store, step: str, path: Path) -> None:
    crystals = store.experiments(step).crystals
    if not crystals:
        raise InputError(f"{step} has no crystal, which gives the Laue group: index the data first")
    group = space_group(crystals[0].space_group)
    crystfel_hkl.write_crystfel_hkl(path, _of_one_wavelength(store, step), group)


def _of_one_wavelength(store: Store, step: str) -> Reflections:
    table = store.columns(step)
    if "wavelength" in table:
        raise InputError(
            f"{step} has several wavelengths, which a list of reflections does not: give "
            "format=mtz or mmcif, or merge runs of one wavelength (runs=NAME,...)"
        )
    return table


def _write_stream(store: Store, step: str, path: Path) -> None:
    stills = stills_table(store, step)
    if stills is None:
        raise InputError(
            f"{step} of {store.path} is not of stills, of which a stream is: give format=mtz"
        )
    experiments = store.experiments(step)
    spots = store.columns("find_spots") if store.has_step("find_spots") else None
    frames = _frames(store, experiments.runs)
    crystfel_stream.write_stream(
        path, store.columns(step), experiments, stills, spots=spots, frames=frames
    )


def _frames(store: Store, runs: Sequence[str]) -> dict[str, SourceImages]:
    found = {}
    for run in runs:
        files, places = store.run_attributes(run)["source"]["files"], None
        if files:
            places = store.image_columns(run).get("place_in_files")
            found[run] = SourceImages.of(files, None if places is None else places.tolist())
    return found


def _default_step(store: Store, parameters: ExportParameters) -> str:
    unmerged = parameters.format in ("mtz", "mmcif") and parameters.mtz.unmerged
    kinds = _STEPS.get("unmerged" if unmerged else parameters.format, _ANY)
    return next((name for name in kinds if store.has_step(name)), kinds[-1])
