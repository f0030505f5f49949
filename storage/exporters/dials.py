"""Experiment lists and reflection tables that DIALS opens (`.expt`, `.refl`)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import COLUMNS, Reflections, n_rows
from dxdask.models import ExperimentList, Member
from dxdask.storage.exporters.dials_models import (
    beam_to_dials,
    crystal_to_dials,
    detector_to_dials,
    goniometer_to_dials,
    profile_to_dials,
    scan_to_dials,
)
from dxdask.storage.exporters.forward import with_forward_angles, with_forward_scans
from dxdask.storage.exporters.indexed_stills import (
    Stills,
    indexed_stills,
    reflections_of_stills,
)
from dxdask.storage.exporters.processing import Processing, StepRecord
from dxdask.storage.exporters.shoeboxes import SHOEBOX_ARRAYS, encode_shoeboxes
from dxdask.storage.exporters.source_images import SourceImages
from dxdask.storage.exporters.stills import split_stills, with_stills_apart
from dxdask.storage.exporters.whole_file import whole_file
from dxdask.storage.importers.dials.parallax import mm_for_dials

log = logging.getLogger("dxdask")

_KINDS: Mapping[tuple[str, int], tuple[str, str]] = {
    ("bool", 1): ("bool", "<?"),
    ("int32", 1): ("int", "<i4"),
    ("float64", 1): ("double", "<f8"),
    ("float64", 3): ("vec3<double>", "<f8"),
    ("int32", 3): ("cctbx::miller::index<>", "<i4"),
    ("int32", 6): ("int6", "<i4"),
}
_UNSIGNED = ("panel", "flags")


def write_experiments(
    path: str | Path,
    experiments: ExperimentList,
    frames: Mapping[str, SourceImages] | None = None,
    stills: Stills | None = None,
    *,
    refined: bool | None = None,
    processing: Processing | None = None,
) -> None:
    """Write an experiment list as DIALS 3 reads it (`.expt`, JSON).

    Parameters
    ----------
    path : of the file to write.
    experiments : the models; a run of stills becomes one experiment an image, as in DIALS.
    frames : the files of each run's images, for DIALS to open; of a run without them DIALS
        opens the models (`dials.scale`, `dials.refine`), but nothing that reads frames.
    stills : the table of stills: then those indexed are written, each with its own crystal.
    refined : whether detectors were refined, see `detector_to_dials`; None: those with crystals.
    processing : for the history of the file, of which newer versions of dxtbx have a list.

    Raises
    ------
    InputError
        None of the stills is indexed.
    """
    apart = split_stills(experiments) if stills is None else indexed_stills(experiments, stills)
    list_ = with_forward_scans(apart.experiments)
    _note_uneven(list_)
    imagesets = [_imageset(list_, i, apart.image[i], frames or {}) for i in range(len(list_))]
    unique: dict[str, int] = {}
    places = [unique.setdefault(json.dumps(s), len(unique)) for s in imagesets]
    profiles = [profile_to_dials(m.profile) for m in list_.members if m.profile is not None]
    members: list[dict[str, Any]] = []
    n_profiles = 0
    for i, m in enumerate(list_.members):
        entry: dict[str, Any] = {"__id__": "Experiment", "identifier": _identifier(m, i)}
        for kind in ("beam", "detector", "goniometer", "scan", "crystal"):
            if getattr(m, kind) is not None:
                entry[kind] = getattr(m, kind)
        if m.profile is not None:
            entry["profile"] = n_profiles
            n_profiles += 1
        members.append({**entry, "imageset": places[i]})
    with_crystal = {
        m.detector for m in list_.members if stills is not None or m.crystal is not None
    }
    content = {
        "__id__": "ExperimentList",
        "experiment": members,
        "imageset": [json.loads(text) for text in unique],
        "beam": [beam_to_dials(b) for b in list_.beams],
        "detector": [
            detector_to_dials(d, refined=k in with_crystal if refined is None else refined)
            for k, d in enumerate(list_.detectors)
        ],
        "goniometer": [goniometer_to_dials(g) for g in list_.goniometers],
        "scan": [scan_to_dials(s) for s in list_.scans],
        "crystal": _crystals(list_, stills),
        "profile": profiles,
        "scaling_model": [],
        "history": [] if processing is None else [_step_of_history(s) for s in processing.steps],
    }
    with whole_file(path) as aside:
        aside.write_text(json.dumps(content, indent=2))


def _step_of_history(step: StepRecord) -> str:
    """Return time, program, version and parameters, as dxtbx separates them."""
    words = ", ".join(step.parameters).replace("|", "/")
    return f"{step.created[:19]}Z|dxdask.{step.name}|v{step.version}|{words}"


def _note_uneven(experiments: ExperimentList) -> None:
    """Warn of scans whose images are not evenly spaced, which DIALS takes as if they were."""
    scans = [experiments[i].scan for i in range(len(experiments))]
    uneven = {m.run for m, s in zip(experiments.members, scans, strict=True) if s and s.angles}
    if uneven:
        log.warning(
            "images of %s are not evenly spaced: DIALS will take the angles in its .expt as even",
            ", ".join(sorted(uneven)),
        )


def _crystals(experiments: ExperimentList, stills: Stills | None) -> list[dict[str, Any]]:
    out = [crystal_to_dials(c) for c in experiments.crystals]
    if stills is None or "domain_size" not in stills or "half_mosaicity" not in stills:
        return out
    indexed = np.flatnonzero(stills["indexed"])
    sizes, spreads = stills["domain_size"][indexed], stills["half_mosaicity"][indexed]
    for crystal, size, spread in zip(out, sizes.tolist(), spreads.tolist(), strict=True):
        if np.isfinite(size) and np.isfinite(spread):
            crystal |= {"ML_domain_size_ang": size, "ML_half_mosaicity_deg": spread}
    return out


def _identifier(member: Member, index: int) -> str:
    return member.identifier or str(index)


def _imageset(
    experiments: ExperimentList,
    index: int,
    image: int | None,
    frames: Mapping[str, SourceImages],
) -> dict[str, Any]:
    """Return the imageset of a member: a sequence for a sweep, one image for a still."""
    run = experiments.members[index].run
    source = frames.get(run)
    files = source.files if source else ()
    lookups: dict[str, Any] = {"mask": None, "gain": None, "pedestal": None, "dx": None, "dy": None}
    scan = experiments[index].scan
    is_container = source is not None and source.is_container
    if scan is not None and image is None:
        out: dict[str, Any] = {"__id__": "ImageSequence", "template": _template(files, run)}
        if is_container:
            first, last = scan.array_range
            out |= {"template": files[0], "single_file_indices": list(range(first, last))}
        return {**out, **lookups, "params": {}}
    number = image or 0
    out = {"__id__": "ImageSet", "images": [source.name(number) if source else run]}
    if is_container or source is None:
        out["single_file_indices"] = [source.place(number) if source else number]
    return {**out, **lookups, "params": {}}


def _template(files: Sequence[str], run: str) -> str:
    if not files:
        # DIALS assumes that a name without a number is a file of one image, and asserts.
        return f"{run}_#####"
    match = re.match(r"^(.*?)(\d+)(\.[A-Za-z]+(?:\.(?:gz|bz2))?)?$", files[0])
    if match is None:
        return files[0]
    return f"{match[1]}{'#' * len(match[2])}{match[3] or ''}"


def write_reflections(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    stills: Stills | None = None,
) -> None:
    """Write a table as DIALS 3 reads it (`.refl`, msgpack), with the columns DIALS has.

    Stills are numbered as `write_experiments` splits them: an experiment an image, z in 0..1.

    arrays : of the step that made the table; where they hold shoeboxes these are written too.
    stills : the table of stills: then reflections of those indexed are written, without shoeboxes.

    Raises
    ------
    InputError
        The table refers to experiments that do not exist, the shoeboxes are not of its rows, or
        none of the stills is indexed.
    """
    if stills is None:
        apart = split_stills(experiments)
        written = apart.experiments
        table = with_stills_apart(reflections, experiments, apart)
        table = with_forward_angles(table, apart.experiments)
    else:
        found = indexed_stills(experiments, stills)
        written = found.experiments
        table, arrays = reflections_of_stills(reflections, stills, found), None
    table = mm_for_dials(table, [written.detectors[m.detector] for m in written.members])
    rows = n_rows(table)
    data: dict[str, Any] = {}
    for name, values in to_dials_columns(table).items():
        width = values.shape[1] if values.ndim == 2 else 1
        kind, dtype = (
            _KINDS[values.dtype.name, width]
            if values.dtype != np.uint64
            else ("std::size_t", "<u8")
        )
        data[name] = [kind, [rows, np.ascontiguousarray(values, dtype=dtype).tobytes()]]
    if arrays is not None and all(name in arrays for name in SHOEBOX_ARRAYS):
        encoded = encode_shoeboxes(table["panel"], table["bbox"], arrays)
        data["shoebox"] = ["Shoebox<>", [rows, encoded]]
    names = {i: _identifier(m, i) for i, m in enumerate(written.members)}
    content = {"identifiers": names, "nrows": rows, "data": data}
    with whole_file(path) as aside:
        aside.write_bytes(_pack(["dials::af::reflection_table", 1, content]))


_pack: Callable[[Any], bytes] = msgpack.packb


def to_dials_columns(table: Reflections) -> dict[str, NDArray[Any]]:
    """Return the columns under DIALS's names; those unknown to DIALS are dropped.

    A column of DIALS with several parts is written where the table has all of them. dxdask's is the
    scaled intensity; `intensity.scale.value` is before division by the scale.
    """
    if {"scale", "intensity", "intensity_variance"} <= table.keys():
        scale = table["scale"]
        table = table | {
            "intensity": table["intensity"] * scale,
            "intensity_variance": table["intensity_variance"] * scale**2,
        }
    parts: dict[str, dict[int, NDArray[Any]]] = {}
    wanted: dict[str, int] = {}
    for name, spec in COLUMNS.items():
        if spec.dials is None:
            continue
        source, _, part = spec.dials.partition("/")
        wanted[source] = wanted.get(source, 0) + 1
        if name in table:
            values = table[name]
            if source in _UNSIGNED:
                values = values.astype(np.uint64)
            parts.setdefault(source, {})[int(part) if part else 0] = values
    columns = {
        source: found[0]
        if wanted[source] == 1
        else np.column_stack([found[i] for i in sorted(found)])
        for source, found in parts.items()
        if len(found) == wanted[source]
    }
    if "inverse_scale_factor" in columns:
        # dials.export requires it; errors of the scales are not propagated.
        columns["inverse_scale_factor_variance"] = np.zeros(n_rows(table))
    return columns
