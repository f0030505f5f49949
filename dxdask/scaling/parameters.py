"""Parameters of scaling, with the names and defaults of dials.scale."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter
from dxdask.parameters.reference import ReferenceParameters


class PhysicalParameters(Parameters):
    """Parameters of the physical model: a scale and a relative B factor, smooth along the scan."""

    scale_interval: float | None = parameter(
        None,
        "Rotation between the points of the scale. None: 15, or less for short scans.",
        unit="degree",
        gt=0,
    )
    decay_correction: bool = parameter(True, "Refine a relative B factor.")
    scale_restraint: float = parameter(
        0.1,
        "Weight of the restraint of the logarithms of the scales to the mean intensity of their "
        "run, for stretches without equivalents.",
        expert=1,
        ge=0,
    )
    decay_interval: float | None = parameter(
        None,
        "Rotation between the points of the B factor. None: 20, or less for short scans.",
        unit="degree",
        gt=0,
    )
    decay_restraint: float = parameter(
        0.1, "Weight of the restraint of the B factors to zero.", expert=1, ge=0
    )
    image_scales: bool = parameter(
        False,
        "A factor of each image beside the smooth scale, for intensities that jump: wedges of "
        "stills, pulsed sources. Also with the models KB and dose_decay.",
    )
    image_scale_restraint: float = parameter(
        0.1,
        "Weight of the restraint of the logarithms of the factors of images to zero, "
        "1/(spread expected)^2: 25 for a spread of 20 %.",
        expert=1,
        gt=0,
    )
    absorption: Literal["auto", "none", "low", "medium", "high"] = parameter(
        "auto",
        "Absorption by spherical harmonics of the directions of the rays in the crystal, for scans "
        "of 60 degrees or more (DIALS: absorption_level). low: order 4; medium: order 6; high: "
        "order 6, weakly restrained; auto: the level that improves the agreement of data left out.",
    )


class DoseShareParameters(Parameters):
    """Parameters that sweeps share."""

    decay: bool = parameter(
        True, "One rate of decay for all sweeps of a crystal; false: one for each sweep."
    )


class DoseDecayParameters(Parameters):
    """Parameters of the dose decay model: a B factor linear in dose beside the smooth scale."""

    share: DoseShareParameters = DoseShareParameters()
    resolution_dependence: Literal["quadratic", "linear"] = parameter(
        "quadratic", "Logarithm of the decay by 1/(2 d^2), a B factor, or by 1/d."
    )
    relative_B_correction: Literal["crystal", "sweep", "none"] = parameter(
        "crystal",
        "Relative B factor at no dose: of each crystal, of each sweep (DIALS: true), or none.",
    )
    starting_dose: tuple[float, ...] = parameter(
        (),
        "Dose that each sweep begins with: seconds of the full beam, images where exposure times "
        "are not known. None: sweeps of a crystal follow each other in the order of their names.",
    )


class ArrayParameters(Parameters):
    """Parameters of the array model: scales interpolated on grids."""

    decay_correction: bool = parameter(True, "Let the scale depend on resolution.")
    decay_interval: float = parameter(
        20.0, "Rotation between the points of the grids.", unit="degree", gt=0
    )
    n_resolution_bins: int = parameter(10, "Number of points along 1/d^2.", ge=2, expert=1)
    absorption_correction: bool = parameter(
        True, "Let the scale depend on the position on the detector, and on rotation."
    )
    n_absorption_bins: int = parameter(
        3, "Number of points along each side of the detector.", ge=2, expert=1
    )
    modulation_correction: bool = parameter(
        False, "Let the scale depend on the position on the detector at all rotations alike."
    )
    n_modulation_bins: int = parameter(
        20, "Number of points along each side of the detector.", ge=2, expert=1
    )


class KBParameters(Parameters):
    """Parameters of the KB model."""

    decay_correction: bool = parameter(
        True, "Refine a relative B factor of each experiment; without it, one factor only."
    )
    modulation_correction: bool = parameter(
        False,
        "Let the scale depend on the position on the detector, alike for all runs of a detector: "
        "the response that the runs of an ensemble share.",
    )
    n_modulation_bins: int = parameter(
        10, "Number of points along each side of the detector.", ge=2, expert=1
    )


class CutDataParameters(Parameters):
    """Limits of the reflections that are scaled."""

    d_min: float | None = parameter(
        None, "High resolution limit. None: no limit.", unit="Angstrom", gt=0
    )
    d_max: float | None = parameter(
        None, "Low resolution limit. None: no limit.", unit="Angstrom", gt=0
    )
    partiality_cutoff: float = parameter(0.4, "Minimum partiality.", ge=0, le=1)
    min_isigi: float = parameter(-5.0, "Minimum I/sigma.")
    small_scale_cutoff: float = parameter(
        0.07,
        "Minimum scale of an observation, relative to the median of its run: where a crystal "
        "hardly diffracts, dividing by its scale gives noise.",
        ge=0,
        lt=1,
    )


class ReflectionSelectionParameters(Parameters):
    """Intensities that are scaled, and reflections that determine the model."""

    min_partiality: float = parameter(
        0.95, "Minimum partiality of the reflections that determine the model.", ge=0, le=1
    )
    intensity_choice: Literal["combine", "sum", "profile"] = parameter(
        "combine",
        "Summed or profile-fitted intensities, or the best combination for the mean intensity of "
        "the equivalents.",
    )


class BasicErrorModelParameters(Parameters):
    """Parameters of the error model sigma'^2 = a^2 (sigma^2 + (b I)^2)."""

    a: float | None = parameter(None, "Fixed value of a. None: refined.", expert=1, gt=0)
    b: float | None = parameter(None, "Fixed value of b. None: refined.", expert=1, ge=0)
    min_Ih: float = parameter(
        25.0, "Minimum mean intensity of the reflections that determine the model.", expert=1
    )
    n_bins: int = parameter(10, "Number of intensity bins of the table.", expert=1, ge=1)


class ErrorModelParameters(Parameters):
    """Parameters of the error model, by the scatter of the equivalents."""

    grouping: Literal["combined", "individual"] = parameter(
        "combined",
        "One error model for all runs, or one for each (of those with too few equivalents, that of "
        "all).",
    )

    error_model: Literal["basic", "None"] = parameter(
        "basic", "Error model. None: keep the errors of integration."
    )
    basic: BasicErrorModelParameters = parameter(BasicErrorModelParameters(), "Basic error model.")


class WeightingParameters(Parameters):
    """Errors and weights."""

    counting_variance: Literal["expected", "observed"] = parameter(
        "expected",
        "Variance of a reflection's own counts: expected from the mean of its equivalents, or as "
        "observed (which makes the weighted mean of weak reflections too small).",
        expert=1,
    )
    error_model: ErrorModelParameters = parameter(ErrorModelParameters(), "Error model.")


class ScalingOptionsParameters(Parameters):
    """Outlier rejection."""

    outlier_rejection: Literal["standard", "None"] = parameter(
        "standard",
        "Outlier rejection. standard: by the deviation from the mean of the other equivalents.",
    )
    outlier_zmax: float = parameter(
        6.0, "Maximum deviation of a reflection, in standard deviations.", gt=0
    )
    emax: float = parameter(10.0, "Maximum normalised amplitude E. 0: no limit.", ge=0)
    use_free_set: bool = parameter(
        False, "Leave the free set out of the fits, and report how well it agrees."
    )
    free_set_percentage: float = parameter(
        10.0, "Unique reflections in the free set.", unit="percent", gt=0, le=50, expert=1
    )
    free_set_offset: int = parameter(0, "Which of the disjoint free sets is used.", ge=0, expert=1)


class DeltaCCHalfParameters(Parameters):
    """Parameters of the exclusion by delta CC1/2."""

    mode: Literal["dataset", "crystal", "image_group"] = parameter(
        "dataset",
        "Parts of the data that are judged, and excluded: runs; crystals, of which a run may have "
        "several and several runs one; or groups of images.",
    )
    group_size: int = parameter(10, "Number of images of a group.", ge=1)
    stdcutoff: float = parameter(
        4.0, "Standard deviations of delta CC1/2 below its mean, from which on a part is excluded."
    )
    max_cycles: int = parameter(6, "Maximum number of rounds of exclusion.", ge=1, expert=1)
    max_percent_removed: float = parameter(
        10.0, "Maximum part of the reflections that is excluded.", unit="percent", gt=0, expert=1
    )


class FilteringParameters(Parameters):
    """Exclusion of runs, crystals or images that disagree with the others."""

    method: Literal["None", "deltacchalf"] = parameter(
        "None", "deltacchalf: exclude parts of the data without which CC1/2 is higher."
    )
    deltacchalf: DeltaCCHalfParameters = parameter(DeltaCCHalfParameters(), "Delta CC1/2.")


class ScalingRefineryParameters(Parameters):
    """Parameters of the minimiser."""

    max_iterations: int = parameter(
        20, "Maximum number of steps of a round of minimisation.", expert=1, ge=1
    )
    rmsd_tolerance: float = parameter(
        1e-4,
        "Stop when the relative change of the residual is less than this.",
        expert=1,
        gt=0,
    )


class ScalingParameters(Parameters):
    """Parameters of `scale`."""

    model: Literal["auto", "physical", "KB", "array", "dose_decay"] = parameter(
        "auto",
        "Scaling model. physical: smooth along the scan, with absorption; dose_decay: physical, "
        "with a B factor linear in dose; KB: one scale and B factor per experiment; array: grids "
        "of resolution, detector and rotation; auto: physical, and KB for scans below one degree.",
    )
    physical: PhysicalParameters = parameter(PhysicalParameters(), "Physical model.")
    dose_decay: DoseDecayParameters = parameter(DoseDecayParameters(), "Dose decay model.")
    array: ArrayParameters = parameter(ArrayParameters(), "Array model.")
    KB: KBParameters = parameter(KBParameters(), "KB model.")
    reference: ReferenceParameters = parameter(
        ReferenceParameters(),
        "Reference intensities that are scaled against: overall scale and B factor are theirs.",
    )
    cut_data: CutDataParameters = parameter(CutDataParameters(), "Limits of the reflections.")
    reflection_selection: ReflectionSelectionParameters = parameter(
        ReflectionSelectionParameters(), "Reflections that determine the model."
    )
    weighting: WeightingParameters = parameter(WeightingParameters(), "Errors and weights.")
    scaling_options: ScalingOptionsParameters = parameter(
        ScalingOptionsParameters(), "Outlier rejection."
    )
    scaling_refinery: ScalingRefineryParameters = parameter(
        ScalingRefineryParameters(), "Minimiser."
    )
    filtering: FilteringParameters = parameter(
        FilteringParameters(), "Exclusion of runs or images that disagree."
    )
    exclude_images: tuple[str, ...] = parameter(
        (), "Images that are not scaled: RUN:FIRST:LAST, numbers as in the scan, both included."
    )
    anomalous: bool = parameter(
        False, "Keep Friedel mates separate in scaling and in the error model."
    )
