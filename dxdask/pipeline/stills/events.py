"""The pass over the frames of stills: spots, hits, crystals and observations of each event.

Events are taken from where the store has them: from their frames, from their spots, or from their
crystals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dask.delayed import Delayed, delayed

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.graphs.literal import literal
from dxdask.graphs.sampled_bad_pixels import sampled_bad_pixels
from dxdask.graphs.stills import process as graph
from dxdask.graphs.stills import results
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.process import RunOfFrames
from dxdask.graphs.stills.run import StillsRun, stills_run
from dxdask.graphs.stills.stored import part_of_index, spots_of_hits
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.consensus import ProposedCell
from dxdask.indexing.stills.index_stills import known_cell
from dxdask.models import ExperimentList
from dxdask.models.pixel_maps import PixelMaps
from dxdask.pipeline.declaration import Pass, PassInputs, Values
from dxdask.pipeline.inputs import RunInput
from dxdask.pipeline.lookup import maps_of
from dxdask.pipeline.stills.counter import STILLS_COUNTER
from dxdask.pipeline.stills.peaks import require_peaks
from dxdask.pipeline.stored_result import StoredResult
from dxdask.results import StepResult
from dxdask.spotfinding.parameters import LookupParameters, SpotfinderParameters
from dxdask.spotfinding.sampled_bad_pixels import SampledBadPixels, is_sampled, sampled_images
from dxdask.storage.store.provenance import fingerprint

STEPS = ("find_spots", "hits", "index", "integrate")


def geometry_contents(runs: Sequence[RunInput]) -> dict[str, dict[str, Any]]:
    """Return the fingerprint of the geometry of each run that has a better one than its own."""
    return {
        run.name: {"geometry": fingerprint("geometry", _models(run.geometry), [], "1")}
        for run in runs
        if run.geometry is not None
    }


def _models(experiment: Any) -> dict[str, Any]:
    return ExperimentList.of([experiment]).to_dict()


def build_events(inputs: PassInputs) -> dict[str, dict[str, Delayed]]:
    """Return the lazy results of the steps and runs that are missing."""
    steps = set(inputs.requested)
    if "hits" in steps and "find_spots" not in steps:
        require_peaks(inputs.store, inputs.parameters.hits)
    known = known_cell(inputs.parameters.indexing) if steps & {"index", "integrate"} else None
    runs = {run.name: _stills_run(inputs, run) for run in inputs.runs}
    bad: dict[str, Delayed] = {}
    parts: dict[str, Delayed] = {}
    cells = None
    begins = {name: absent[0] for name, absent in inputs.missing.items()}
    if known is None and "index" in steps and "find_spots" in begins.values():
        # the cell is that of all runs, whose lattices are found in one pass
        begins = dict.fromkeys(begins, "find_spots")
    for run in inputs.runs:
        if begins[run.name] == "find_spots" and is_sampled(run.experiment, _spotfinder(inputs)):
            bad[run.name] = _bad_pixels(inputs, run, runs[run.name])
    for first in STEPS:
        names = [name for name, begin in begins.items() if begin == first]
        if names:
            found, proposed = _events(inputs, first, names, runs, known, bad)
            parts |= dict(zip(names, found, strict=True))
            cells = cells if proposed is None else proposed
    return _results(inputs, parts, runs, known, cells, bad)


def _spotfinder(inputs: PassInputs) -> SpotfinderParameters:
    given: SpotfinderParameters = inputs.parameters.spotfinder
    return given


def _bad_pixels(inputs: PassInputs, run: RunInput, shared: StillsRun) -> Delayed:
    """Return the bad pixels of a run, by a sample of its events; an import does not write these."""
    settings = shared.parameters.spotfinder
    images = sampled_images(shared.as_imported, settings, run.shape[0])
    frames = (run.incoming if inputs.importing else run.frames).of_sample(images)
    return sampled_bad_pixels(
        frames.array(), literal(shared.as_imported), literal(shared.spot_masks), literal(settings),
        maps=literal(shared.maps) if shared.maps.are_given else None,
    )  # fmt: skip


def _good(inputs: PassInputs, run: str, bad: Mapping[str, Delayed]) -> Delayed | None:
    """Return the lazy mask without the bad pixels of a run: found now, else with its spots."""
    mask: Delayed | None = None
    if run in bad:
        mask = delayed(_mask_of_sample, pure=True)(bad[run])
    elif inputs.missing[run][0] != "find_spots" and "find_spots" in inputs.results:
        mask = delayed(_stored_mask, pure=True)(inputs.results["find_spots"], run)
    return mask


def _mask_of_sample(bad: SampledBadPixels) -> Mask:
    return bad.mask


def _stored_mask(spots: StoredResult, run: str) -> Mask | None:
    return spots.pixel_map("bad_pixel_mask", run=run)


def _events(
    inputs: PassInputs,
    first: str,
    names: Sequence[str],
    runs: Mapping[str, StillsRun],
    known: KnownCell | None,
    bad: Mapping[str, Delayed],
) -> tuple[list[Delayed], Delayed | None]:
    """Return the events of runs of which `first` is the first step to be computed."""
    integrate = "integrate" in inputs.requested
    given = {run.name: run for run in inputs.runs}
    good = {n: _good(inputs, n, bad) for n in names}

    def stored_frames() -> list[RunOfFrames]:
        return [RunOfFrames(given[n].frames.array(), runs[n], good[n]) for n in names]

    frames = stored_frames() if integrate else []
    if first == "find_spots":
        read = [given[n].incoming if inputs.importing else given[n].frames for n in names]
        incoming = [
            RunOfFrames(f.array(), runs[n], good[n]) for f, n in zip(read, names, strict=True)
        ]
        again = [r.frames for r in frames] or None
        return graph.process_stills(incoming, known, integrate=integrate, again=again)
    if first == "integrate":
        stored = [
            delayed(_from_index, pure=True)(inputs.results["index"], literal(runs[n]))
            for n in names
        ]
        cell = delayed(_cell_of, pure=True)(inputs.results["index"], names[0])
        return graph.resume_stills(frames, stored, cell, integrate=True)
    stored = [
        delayed(_from_spots, pure=True)(inputs.results["find_spots"], literal(runs[n]))
        for n in names
    ]
    if "index" not in inputs.requested:
        return stored, None
    return graph.resume_stills(frames or stored_frames(), stored, known, integrate=integrate)


def _results(
    inputs: PassInputs,
    parts: Mapping[str, Delayed],
    runs: Mapping[str, StillsRun],
    known: KnownCell | None,
    cells: Delayed | None,
    bad: Mapping[str, Delayed],
) -> dict[str, dict[str, Delayed]]:
    built: dict[str, dict[str, Delayed]] = {name: {} for name in inputs.requested}
    for name, absent in inputs.missing.items():
        part, run = parts[name], literal(runs[name])
        if "find_spots" in absent:
            built["find_spots"][name] = delayed(results.spots_result, pure=True)(
                part, run, bad.get(name)
            )
        if "hits" in absent:
            built["hits"][name] = delayed(results.hits_result, pure=True)([part], [run])
        if "index" in absent:
            built["index"][name] = delayed(_index, pure=True)(part, run, known, cells)
        if "integrate" in absent:
            indexed = built["index"].get(name) if "index" in absent else inputs.results["index"]
            built["integrate"][name] = delayed(_integrate, pure=True)(part, indexed, name)
    return built


def _stills_run(inputs: PassInputs, run: RunInput) -> StillsRun:
    """Return the models, masks and parameters that the events of a run share."""
    lookup: Mapping[str, Any] = {}
    if "find_spots" in inputs.requested:
        lookup = inputs.requested["find_spots"].extras.values
    mask, spot_mask = run.mask, lookup.get("mask")
    return stills_run(
        run.experiment,
        run.shape,
        _parameters(inputs),
        mask=mask,
        spot_mask=mask if spot_mask is None else mask & spot_mask,
        geometry=run.geometry,
        event_ids=run.event_ids,
        maps=_maps(inputs),
    )


def _maps(inputs: PassInputs) -> PixelMaps:
    """Return gain and pedestal of single pixels, of whichever step is requested."""
    for name in ("find_spots", "integrate"):
        if name in inputs.requested:
            return maps_of(inputs.requested[name].extras)
    return PixelMaps()


def _parameters(inputs: PassInputs) -> Values:
    """Return the parameters for tasks: with files read, and the requested steps dispatched."""
    values = inputs.parameters
    dispatch = values.dispatch.model_copy(
        update={
            "index": bool({"index", "integrate"} & set(inputs.requested)),
            "integrate": "integrate" in inputs.requested,
        }
    )
    spotfinder = values.spotfinder.model_copy(update={"lookup": LookupParameters()})
    return values.model_copy(update={"spotfinder": spotfinder, "dispatch": dispatch})


def _from_spots(spots: StoredResult, run: StillsRun) -> StillsPart:
    return _of_images(spots_of_hits(spots.result(run=run.experiment.run), run), run)


def _from_index(indexed: StoredResult, run: StillsRun) -> StillsPart:
    return _of_images(part_of_index(indexed.result(run=run.experiment.run), run), run)


def _of_images(part: StillsPart, run: StillsRun) -> StillsPart:
    return part.of_images(run.first_z, run.first_z + len(run.wavelengths))


def _cell_of(indexed: StoredResult, run: str) -> KnownCell:
    crystal = indexed.experiments(run=run).crystals[0]
    return KnownCell.of(crystal.unit_cell, crystal.space_group)


def _index(
    part: StillsPart,
    run: StillsRun,
    known: KnownCell | None,
    cells: Sequence[ProposedCell] | None,
) -> StepResult:
    if known is None and cells:
        known = cells[0].known
    if known is None:
        raise InputError("no cell is known; give indexing.known_symmetry.unit_cell")
    return results.index_result([part], [run], known, cells)


def _integrate(part: StillsPart, indexed: StepResult | StoredResult, run: str) -> StepResult:
    models = (
        indexed.experiments(run=run) if isinstance(indexed, StoredResult) else indexed.experiments
    )
    return results.integrate_result([part], models)


EVENTS = Pass(steps=STEPS, build=build_events, counts=STILLS_COUNTER)
