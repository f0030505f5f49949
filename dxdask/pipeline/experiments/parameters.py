"""Parameters of the commands on sets of experiments; names and meaning as in DIALS."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class ReferenceFromExperiment(Parameters):
    """Models that all experiments are given; experiments are counted from 0."""

    beam: int | None = parameter(None, "Experiment whose beam all are given.", ge=0)
    detector: int | None = parameter(None, "Experiment whose detector all are given.", ge=0)
    goniometer: int | None = parameter(None, "Experiment whose goniometer all are given.", ge=0)
    crystal: int | None = parameter(None, "Experiment whose crystal all are given.", ge=0)
    average_detector: bool = parameter(
        False, "Give all experiments the average of their detectors; not beside `detector`."
    )
    compare_models: bool = parameter(
        True, "Refuse to replace a model that differs by more than DIALS's tolerances."
    )


class Placing(Parameters):
    """Place where a command writes, and the branch it reads."""

    overwrite: bool = parameter(False, "Replace stores that are there.")
    branch: str = parameter("main", "Branch of the stores that results are taken from.")


class CombineParameters(Placing):
    """Parameters of `dxdask combine_experiments`."""

    reference_from_experiment: ReferenceFromExperiment = ReferenceFromExperiment()


class SplitOutput(Parameters):
    """Names of the stores that are made."""

    experiments_prefix: str = parameter("split", "The stores are PREFIX_0.zarr, PREFIX_1.zarr, ...")


class SplitParameters(Placing):
    """Parameters of `dxdask split_experiments`."""

    by_run: bool = parameter(True, "One store for each run; else by one of those below.")
    by_detector: bool = parameter(False, "One store for each detector.")
    by_wavelength: bool = parameter(
        False, "One store for each wavelength, from low to high; equal within 1 part in 10 000."
    )
    output: SplitOutput = SplitOutput()


class SliceParameters(Placing):
    """Parameters of `dxdask slice_sequence`."""

    image_range: tuple[tuple[int, int], ...] = parameter(
        (), "First and last image: one pair for all runs, or one for each."
    )
    runs: tuple[str, ...] = parameter((), "Names of the runs to take; none: all.")
