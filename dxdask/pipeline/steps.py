"""How each step of a sweep ensemble is built; `dxdask.pipeline.catalogue` lists them.

A builder takes lazy inputs and returns a lazy `StepResult`; it computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask import analysis, indexing, masking, merging, refinement, scaling
from dxdask.analysis.bad_pixels import first_of_runs
from dxdask.graphs import bad_pixels as bad_pixels_graph
from dxdask.graphs import gain as gain_graph
from dxdask.graphs import integrate as integrate_graph
from dxdask.graphs import spots as spots_graph
from dxdask.models import ExperimentList
from dxdask.pipeline.frames import RunFrames
from dxdask.pipeline.parameters import StepParameters
from dxdask.results import StepResult
from dxdask.spotfinding.parameters import LookupParameters


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The runs to process: frames (image, slow, fast), masks (slow, fast), models.

    `incoming` are the frames as the first step reads them: from the raw files, written to the store
    on the way, where a run is not imported yet. `frames` are those in the store.

    What some steps take beside that: `lookup_mask` and `gain_map` (slow, fast) of all runs for
    find_spots, `to_apply`, masks (slow, fast) by run, for apply_mask. `contents` are the
    fingerprints of what each step takes so, by its name.
    """

    incoming: Mapping[str, RunFrames]
    frames: Mapping[str, RunFrames]
    masks: Mapping[str, NDArray[np.bool_]]
    experiments: ExperimentList
    lookup_mask: NDArray[np.bool_] | None = None
    gain_map: NDArray[np.float64] | None = None
    to_apply: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    contents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def spot_mask(self, run: str) -> NDArray[np.bool_]:
        """Return the mask (slow, fast) of a run for find_spots, with the one of its own."""
        good = self.masks[run]
        return good if self.lookup_mask is None else good & self.lookup_mask


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a builder may use: the runs, the lazy results of the steps before it, parameters."""

    ensemble: Ensemble
    results: Mapping[str, Delayed]
    parameters: StepParameters


def find_spots(inputs: Inputs) -> Delayed:
    """Return the spots of all runs; a run is folded on its own, then the runs are put together.

    What is around the spots, where it is asked for, is read from the store; what the files of
    `lookup` hold is in the ensemble.
    """
    parameters = inputs.parameters.spotfinder.model_copy(update={"lookup": LookupParameters()})
    runs = [
        spots_graph.find_spots(
            inputs.ensemble.incoming[experiment.run].array(),
            experiment,
            inputs.ensemble.spot_mask(experiment.run),
            parameters,
            gain_map=inputs.ensemble.gain_map,
            stored=inputs.ensemble.frames[experiment.run].array(),
            experiment_index=i,
        )
        for i, experiment in enumerate(inputs.ensemble.experiments)
    ]
    return spots_graph.combine(runs)


def index(inputs: Inputs) -> Delayed:
    """Return the spots with indices, and the models; takes all spots of the ensemble at once."""
    return _task(_index, inputs.results["find_spots"], inputs.parameters)


def refine_bravais_settings(inputs: Inputs) -> Delayed:
    """Return the table of Bravais settings for the lattice that was found."""
    return _task(_bravais, inputs.results["index"], inputs.parameters)


def refine(inputs: Inputs) -> Delayed:
    """Return the models refined against all indexed spots of the ensemble at once."""
    return _task(_refine, inputs.results["index"], inputs.parameters)


def integrate(inputs: Inputs) -> Delayed:
    """Return the integrated reflections of all runs; the frames are read once more."""
    parameters = inputs.parameters.integration
    spots = inputs.results["refine"], inputs.results["find_spots"]
    # lazy lists, that can be indexed, which the type of a Delayed does not say
    experiments: Any = integrate_graph.estimate_profile(*spots, parameters)
    local: Any = [None] * len(inputs.ensemble.frames)
    if parameters.profile.fitting:
        local = integrate_graph.local_profiles(*spots, experiments, parameters)
    runs = [
        integrate_graph.integrate(
            inputs.ensemble.frames[run].array(),
            inputs.ensemble.masks[run],
            experiments[i],
            parameters,
            experiment_index=i,
            local=local[i],
        )
        for i, run in enumerate(inputs.ensemble.frames)
    ]
    return integrate_graph.combine(runs, experiments)


def scale(inputs: Inputs) -> Delayed:
    """Return the reflections of all runs on one scale."""
    return _task(_scale, inputs.results["integrate"], inputs.parameters)


def merge(inputs: Inputs) -> Delayed:
    """Return the unique reflections and the statistics by shell."""
    return _task(_merge, inputs.results["scale"], inputs.parameters)


def histogram(inputs: Inputs) -> Delayed:
    """Return the pixel histogram of each run's indexed spots."""
    spots, indexed = inputs.results["find_spots"], inputs.results["index"]
    return _task(_histogram, spots, indexed, inputs.parameters)


def linearity(inputs: Inputs) -> Delayed:
    """Return the ratios of matched reflections between the runs."""
    return _task(_linearity, inputs.results["integrate"], inputs.parameters)


def generate_mask(inputs: Inputs) -> Delayed:
    """Return the mask of each run that the parameters make of its models."""
    experiments = delayed(inputs.ensemble.experiments, name=None, pure=True, traverse=False)
    shapes = [(int(f.shape[1]), int(f.shape[2])) for f in inputs.ensemble.frames.values()]
    return _task(_generate_mask, experiments, inputs.parameters, shapes)


def apply_mask(inputs: Inputs) -> Delayed:
    """Return the masks that are to be used from now on, with those of the imports."""
    ensemble = inputs.ensemble
    experiments = delayed(ensemble.experiments, name=None, pure=True, traverse=False)
    names = inputs.parameters.apply_mask.input.mask or ()
    return _task(
        masking.apply_mask, experiments, dict(ensemble.masks), dict(ensemble.to_apply), names
    )


def estimate_gain(inputs: Inputs) -> Delayed:
    """Return the gain of each run, by a sample of its images."""
    ensemble, parameters = inputs.ensemble, inputs.parameters.estimate_gain
    runs = [
        gain_graph.estimate_gain(
            ensemble.frames[e.run].array(), e, ensemble.masks[e.run], parameters
        )
        for e in first_of_runs(ensemble.experiments)
    ]
    return _task(_writing, gain_graph.combine(runs), "gain map", parameters.output.gain_map)


def find_bad_pixels(inputs: Inputs) -> Delayed:
    """Return the bad pixels of the runs; all frames are read once."""
    ensemble, parameters = inputs.ensemble, inputs.parameters.find_bad_pixels
    runs = ensemble.experiments.runs
    result = bad_pixels_graph.find_bad_pixels(
        [ensemble.frames[run].array() for run in runs],
        ensemble.experiments,
        [ensemble.masks[run] for run in runs],
        parameters,
    )
    return _task(_writing, result, "mask", parameters.output.mask)


def _task(function: Callable[..., StepResult], *args: Any) -> Delayed:
    call: Delayed = delayed(function, pure=True)(*args)
    return call


def _index(spots: StepResult, parameters: StepParameters) -> StepResult:
    return indexing.index(
        spots.reflections, spots.experiments, parameters.indexing, parameters.refinement
    )


def _bravais(indexed: StepResult, parameters: StepParameters) -> StepResult:
    return indexing.refine_bravais_settings(
        indexed.reflections, indexed.experiments, parameters.bravais, parameters.refinement
    )


def _refine(indexed: StepResult, parameters: StepParameters) -> StepResult:
    return refinement.refine(indexed.reflections, indexed.experiments, parameters.refinement)


def _scale(integrated: StepResult, parameters: StepParameters) -> StepResult:
    return scaling.scale(integrated.reflections, integrated.experiments, parameters.scaling)


def _merge(scaled: StepResult, parameters: StepParameters) -> StepResult:
    return merging.merge(scaled.reflections, scaled.experiments, parameters.merging)


def _generate_mask(
    experiments: ExperimentList, parameters: StepParameters, shapes: Sequence[tuple[int, int]]
) -> StepResult:
    result = masking.generate_mask(experiments, parameters.generate_mask, shapes)
    return _writing(result, "mask", parameters.generate_mask.output.mask)


def _writing(result: StepResult, what: str, file: Path | None) -> StepResult:
    """Return the result with a line that tells of the file to be written, if any."""
    if file is None:
        return result
    return replace(result, messages=(*result.messages, f"Writing {what} to {file}"))


def _histogram(spots: StepResult, indexed: StepResult, parameters: StepParameters) -> StepResult:
    return analysis.histogram(
        indexed.reflections, spots.arrays, indexed.experiments, parameters.histogram
    )


def _linearity(integrated: StepResult, parameters: StepParameters) -> StepResult:
    return analysis.linearity(integrated.reflections, integrated.experiments, parameters.linearity)


BUILDERS: Mapping[str, Callable[[Inputs], Delayed]] = {
    "find_spots": find_spots,
    "index": index,
    "refine_bravais_settings": refine_bravais_settings,
    "histogram": histogram,
    "refine": refine,
    "integrate": integrate,
    "linearity": linearity,
    "scale": scale,
    "merge": merge,
    "generate_mask": generate_mask,
    "apply_mask": apply_mask,
    "estimate_gain": estimate_gain,
    "find_bad_pixels": find_bad_pixels,
}
