"""Write the content of a store for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import ExperimentList, space_group
from dxdask.models.free_flags import FreeFlags
from dxdask.pipeline.export_parameters import SUFFIX, ExportParameters, Format, format_of
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
    shelx,
    xds_ascii,
)
from dxdask.storage.exporters.processing import Processing
from dxdask.storage.exporters.shoeboxes import SHOEBOX_ARRAYS
from dxdask.storage.exporters.source_images import SourceImages
from dxdask.storage.exporters.whole_file import whole_file
from dxdask.storage.importers.free_flags import read_free_flags
from dxdask.storage.store.store import Store

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


def export_store(store: Store, parameters: ExportParameters) -> list[str]:
    """Write one step's result; return the files written.

    Of stills, `dials` writes those indexed, each with its own crystal.

    Raises
    ------
    StoreNotFoundError
        The step is not in the store.
    ParameterError
        The format is not given, and unclear from the name of the file.
    InputError
        The step is stale or holds no such thing, or the file is there and may not be replaced.
    StoreWriteError
        A file cannot be written; what was there before is as it was.
    """
    kind = format_of(parameters)
    step = parameters.step or _default_step(store, kind, unmerged=parameters.mtz.unmerged)
    require_not_stale(store, step)
    path = Path(parameters.output or f"{step}{SUFFIX[kind]}")
    if kind == "dials" and path.suffix == ".refl":
        path = path.with_suffix(".expt")
    files = _files(store, step, kind, path)
    there = [str(f) for f in files if f.exists()]
    if there and not parameters.overwrite:
        raise InputError(f"{', '.join(there)} exists; give another output= or overwrite=true")
    processing = processing_of(store, step)
    if kind == "csv":
        csv.write_csv(path, store.columns(step), processing if parameters.csv.history else None)
    elif kind == "parquet":
        parquet.write_parquet(path, store.columns(step), processing)
    elif kind == "dials":
        _write_dials(store, step, path, processing)
    elif kind == "hkl":
        _write_hkl(store, step, path, processing)
    elif kind == "stream":
        _write_stream(store, step, path)
    elif kind == "xds_ascii":
        table, models = store.columns(step), store.experiments(step)
        files = xds_ascii.write_xds_ascii(path, table, models, processing)
    elif kind == "shelx":
        shelx.write_shelx_hkl(path, _of_one_wavelength(store, step), processing)
    elif kind == "mmcif" and parameters.mtz.unmerged:
        table, models = store.columns(step), store.experiments(step)
        mmcif.write_unmerged_mmcif(path, table, models, processing)
    elif parameters.mtz.unmerged:
        _write_unmerged(store, step, path, processing)
    else:
        write = mtz.write_merged if kind == "mtz" else mmcif.write_merged_mmcif
        reference = _reference(parameters)
        write(path, store.columns(step), _with_cells(store, step), reference, processing)
    return [str(f) for f in files]


def _files(store: Store, step: str, kind: Format, path: Path) -> list[Path]:
    """Return the files that may be written."""
    if kind == "dials":
        return [path, path.with_suffix(".refl")]
    if kind == "xds_ascii":
        return xds_ascii.xds_files(path, store.experiments(step))
    return [path]


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


def _write_unmerged(store: Store, step: str, path: Path, processing: Processing) -> None:
    table, experiments = store.columns(step), store.experiments(step)
    stills = stills_table(store, step)
    if stills is None:
        mtz_unmerged.write_unmerged(path, table, experiments, processing)
    else:
        mtz_stills.write_unmerged_stills(path, table, experiments, stills, processing)


def _write_dials(store: Store, step: str, path: Path, processing: Processing) -> None:
    experiments = store.experiments(step)
    stills = stills_table(store, step)
    kept = store.step_attributes(step).get("arrays", [])
    arrays = store.arrays(step, [name for name in SHOEBOX_ARRAYS if name in kept])
    table, frames = store.columns(step), _frames(store, experiments.runs)
    # both files or none: neither is of use without the other
    with whole_file(path) as expt, whole_file(path.with_suffix(".refl")) as refl:
        dials.write_experiments(
            expt, experiments, frames=frames, stills=stills, processing=processing
        )
        dials.write_reflections(refl, table, experiments, arrays, stills=stills)


def _write_hkl(store: Store, step: str, path: Path, processing: Processing) -> None:
    crystals = store.experiments(step).crystals
    if not crystals:
        raise InputError(f"{step} has no crystal, which gives the Laue group: index the data first")
    group = space_group(crystals[0].space_group)
    crystfel_hkl.write_crystfel_hkl(path, _of_one_wavelength(store, step), group, processing)


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


def _default_step(store: Store, kind: Format, *, unmerged: bool) -> str:
    single = unmerged and kind in ("mtz", "mmcif")
    kinds = _STEPS.get("unmerged" if single else kind, _ANY)
    return next((name for name in kinds if store.has_step(name)), kinds[-1])
