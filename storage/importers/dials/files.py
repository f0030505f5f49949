"""Experiment lists as DIALS writes them (`.expt`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.models import ExperimentList, Member
from dxdask.storage.importers.dials.models import (
    beam_from_dials,
    crystal_from_dials,
    detector_from_dials,
    goniometer_from_dials,
    profile_from_dials,
    scan_from_dials,
)
from dxdask.storage.importers.dials.possible import require_possible

_LOOKUPS = ("mask", "gain", "pedestal")


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """The images of a run, by their names in an experiment list.

    Attributes
    ----------
    template : path with the number as '#', or of a file of many images; "" where there is none.
    indices : places of the images in such a file, from 0; empty: as the scan numbers them.
    mask, gain, pedestal : paths of values of pixels, None where there are none.
    dynamic_shadowing : the shadow of the goniometer is to be masked on each image.
    """

    template: str = ""
    indices: tuple[int, ...] = ()
    mask: str | None = None
    gain: str | None = None
    pedestal: str | None = None
    dynamic_shadowing: bool = False


@dataclass(frozen=True, kw_only=True)
class DialsModels:
    """The content of an experiment list.

    Attributes
    ----------
    experiments : the models.
    imagesets : of each run, by name.
    changes : of each experiment, the change of basis (3, 3) of Miller indices to the setting of its
        crystal, None where the file has that setting.
    identifiers : of each experiment as in the file, "" where it has none.
    imageset_runs : name of the first run of each imageset, in the order of the file.
    """

    experiments: ExperimentList
    imagesets: Mapping[str, ImageSet]
    changes: tuple[NDArray[np.int64] | None, ...]
    identifiers: tuple[str, ...]
    imageset_runs: tuple[str | None, ...]


def read_experiments(path: str | Path) -> ExperimentList:
    """Return the models of a DIALS experiment list (`.expt`), of any version since 1.0.

    Experiments of one imageset and one scan are one run, named after its file; models shared stay
    shared.

    Raises
    ------
    FormatError
        Not JSON, not an experiment list, or a model is of an unknown kind.
    """
    return read_models(path).experiments


def read_models(path: str | Path) -> DialsModels:
    """Return the models of a DIALS experiment list and the images that they are of.

    Raises
    ------
    FormatError
        As `read_experiments`.
    """
    try:
        values = json.loads(Path(path).read_text())
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON ({error}); give a .expt file of DIALS") from error
    if not isinstance(values, dict) or values.get("__id__") != "ExperimentList":
        raise FormatError(
            f"{path} is not an experiment list of DIALS: it has no ExperimentList mark"
        )
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            models = _models(values)
            require_possible(models.experiments)
            return models
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (
        KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError,
        RecursionError, np.linalg.LinAlgError,
    ) as error:  # fmt: skip
        raise FormatError(
            f"{path}: a model in it is incomplete or ill-formed ({type(error).__name__}: {error}); "
            "write the file again with DIALS"
        ) from error


def _models(values: Mapping[str, Any]) -> DialsModels:
    goniometers, to_goniometer = _present(values.get("goniometer", ()), goniometer_from_dials)
    scans, to_scan = _present(values.get("scan", ()), scan_from_dials)
    profiles = [profile_from_dials(p) for p in values.get("profile", ())]
    crystals = [crystal_from_dials(c) for c in values.get("crystal", ())]
    imagesets = [_imageset(s) for s in values.get("imageset", ())]
    runs = _runs(values["experiment"], [s.template for s in imagesets])
    members = tuple(
        Member(
            identifier=e.get("identifier") or str(i),
            run=runs[i],
            beam=_place(e["beam"], values["beam"]),
            detector=_place(e["detector"], values["detector"]),
            goniometer=to_goniometer.get(e.get("goniometer")),
            scan=to_scan.get(e.get("scan")),
            crystal=_place(e["crystal"], crystals) if "crystal" in e else None,
            profile=profiles[_place(e["profile"], profiles)] if "profile" in e else None,
        )
        for i, e in enumerate(values["experiment"])
    )
    of = {run: e.get("imageset") for run, e in zip(runs, values["experiment"], strict=True)}
    first = {place: run for run, place in reversed(of.items())}
    return DialsModels(
        experiments=ExperimentList(
            beams=tuple(beam_from_dials(b) for b in values["beam"]),
            detectors=tuple(detector_from_dials(d) for d in values["detector"]),
            goniometers=goniometers,
            scans=scans,
            crystals=tuple(crystal for crystal, _ in crystals),
            members=members,
        ),
        imagesets={run: ImageSet() if i is None else imagesets[i] for run, i in of.items()},
        changes=tuple(None if m.crystal is None else crystals[m.crystal][1] for m in members),
        identifiers=tuple(str(e.get("identifier") or "") for e in values["experiment"]),
        imageset_runs=tuple(first.get(i) for i in range(len(imagesets))),
    )


def _place(index: Any, models: Any) -> int:
    """Return the index of a model; negative ones, which Python takes, are no index."""
    if not isinstance(index, int) or not 0 <= index < len(models):
        raise IndexError(f"model {index!r} of {len(models)}")
    return index


def _runs(members: list[Any], templates: list[str]) -> list[str]:
    """Return the run of each experiment: those of one imageset with one scan are of one run."""
    names = _run_names(templates)
    found: dict[tuple[Any, Any], str] = {}
    taken: set[str] = set()
    for i, e in enumerate(members):
        place = e.get("imageset")
        key = (f"none {i}" if place is None else place, e.get("scan"))
        if key not in found:
            name = f"run{i + 1}" if place is None else names[_place(place, names)]
            found[key] = name if name not in taken else f"{name}_{i + 1}"
            taken.add(found[key])
    return [
        found[f"none {i}" if e.get("imageset") is None else e["imageset"], e.get("scan")]
        for i, e in enumerate(members)
    ]


def _present(
    given: list[Any], convert: Callable[[Any], Any]
) -> tuple[tuple[Any, ...], dict[Any, int]]:
    """Return the models that are not null, and the index of each of the file's among them."""
    models: list[Any] = []
    places: dict[Any, int] = {}
    for i, values in enumerate(given):
        model = convert(values)
        if model is not None:
            places[i] = len(models)
            models.append(model)
    return tuple(models), places


def _imageset(values: Mapping[str, Any]) -> ImageSet:
    images = values.get("images") or [""]
    params = values.get("params")
    lookups = {name: str(values[name]) for name in _LOOKUPS if values.get(name)}
    return ImageSet(
        template=str(values.get("template") or images[0]),
        indices=tuple(int(i) for i in values.get("single_file_indices") or ()),
        dynamic_shadowing=isinstance(params, Mapping) and params.get("dynamic_shadowing") is True,
        **lookups,
    )


def _run_names(templates: list[str]) -> list[str]:
    """Return a unique name for each run: the file's stem without its number."""
    names: list[str] = []
    for i, template in enumerate(templates):
        path = Path(template)
        stem = re.sub(r"[_.-]*#+$", "", re.sub(r"\.(gz|bz2)$", "", path.name).rsplit(".", 1)[0])
        name = stem or path.parent.name or f"run{i + 1}"
        names.append(name if name not in names else f"{name}_{i + 1}")
    return names
