"""Parameters of scaling and merging, with DIALS's names and defaults (dials.scale, dials.merge)."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter


class PhysicalParameters(Parameters):
    """The physical model: a scale and a relative B, both smooth along the scan."""

    scale_interval: float | None = parameter(
        None,
        "rotation between the points of the scale; None: 15, or less for short scans",
        unit="degree",
        gt=0,
    )
    decay_correction: bool = parameter(True, "whether a relative B factor is refined")
    decay_interval: float | None = parameter(
        None,
        "rotation between the points of the B factor; None: 20, or less for short scans",
        unit="degree",
        gt=0,
    )
    decay_restraint: float = parameter(
        0.1, "weight of the restraint that pulls the B factors to zero", expert=1, ge=0
    )


class CutDataParameters(Parameters):
    """Which reflections are scaled at all."""

    d_min: float | None = parameter(
        None, "leave out reflections beyond this resolution", unit="Angstrom", gt=0
    )
    d_max: float | None = parameter(
        None, "leave out reflections below this resolution", unit="Angstrom", gt=0
    )
    partiality_cutoff: float = parameter(
        0.4, "leave out reflections less complete than this", ge=0, le=1
    )
    min_isigi: float = parameter(-5.0, "leave out reflections with a lower I/sigma")


class ReflectionSelectionParameters(Parameters):
    """Which intensities are scaled, and which reflections determine the model."""

    min_partiality: float = parameter(0.95, "use only reflections at least so complete", ge=0, le=1)
    intensity_choice: Literal["combine", "sum", "profile"] = parameter(
        "combine",
        "summed or fitted intensities, or of each reflection the combination that is best for the "
        "mean intensity of its equivalents",
    )


class BasicErrorModelParameters(Parameters):
    """The error model sigma'^2 = a^2 (sigma^2 + (b I)^2)."""

    a: float | None = parameter(None, "fix a at this value; None: determine it", expert=1, gt=0)
    b: float | None = parameter(None, "fix b at this value; None: determine it", expert=1, ge=0)
    min_Ih: float = parameter(25.0, "use only reflections whose mean intensity is larger", expert=1)
    n_bins: int = parameter(10, "intensity bins of the table", expert=1, ge=1)


class ErrorModelParameters(Parameters):
    """How errors are corrected by how well equivalents agree."""

    error_model: Literal["basic", "None"] = parameter(
        "basic", "the model, or None to keep the errors of integration"
    )
    basic: BasicErrorModelParameters = parameter(BasicErrorModelParameters(), "of the basic model")


class WeightingParameters(Parameters):
    """Errors and weights."""

    counting_variance: Literal["expected", "observed"] = parameter(
        "expected",
        "whether the variance of a reflection's own counts is what the mean of its equivalents "
        "makes expect, or what "
        "was counted (which makes the weighted mean of weak reflections too small)",
        expert=1,
    )
    error_model: ErrorModelParameters = parameter(ErrorModelParameters(), "of the error model")


class ScalingOptionsParameters(Parameters):
    """Outliers."""

    outlier_rejection: Literal["standard", "None"] = parameter(
        "standard",
        "compare each reflection with the mean of its equivalents without it, or reject none",
    )
    outlier_zmax: float = parameter(
        6.0, "reject reflections that deviate more, in standard deviations", gt=0
    )
    emax: float = parameter(
        10.0, "reject reflections with a larger normalised amplitude E; 0: none", ge=0
    )


class ScalingRefineryParameters(Parameters):
    """The minimiser."""

    max_iterations: int = parameter(20, "most steps of a round of minimisation", expert=1, ge=1)
    rmsd_tolerance: float = parameter(
        1e-4, "stop when the residual changes by a smaller fraction", expert=1, gt=0
    )


class ScalingParameters(Parameters):
    """Parameters of `scale`."""

    model: Literal["auto", "physical", "KB"] = parameter(
        "auto",
        "physical: smooth along the scan; KB: one scale and B per experiment; auto: KB below "
        "one degree",
    )
    physical: PhysicalParameters = parameter(PhysicalParameters(), "of the physical model")
    cut_data: CutDataParameters = parameter(CutDataParameters(), "which reflections are scaled")
    reflection_selection: ReflectionSelectionParameters = parameter(
        ReflectionSelectionParameters(), "which reflections determine the model"
    )
    weighting: WeightingParameters = parameter(WeightingParameters(), "errors and weights")
    scaling_options: ScalingOptionsParameters = parameter(ScalingOptionsParameters(), "outliers")
    scaling_refinery: ScalingRefineryParameters = parameter(
        ScalingRefineryParameters(), "the minimiser"
    )
    anomalous: bool = parameter(
        False, "whether Friedel mates are kept apart in scaling and in the error model"
    )
