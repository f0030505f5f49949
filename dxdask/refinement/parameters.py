"""Parameters of refinement, with DIALS's names and defaults."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter

BeamFix = Literal["all", "in_spindle_plane", "out_spindle_plane", "wavelength"]
GoniometerFix = Literal["all", "in_beam_plane", "out_beam_plane"]
Freedom = Literal["shift", "distance", "rotation", "tilt"]
Share = Literal["equal", "each"]


class AutoReduction(Parameters):
    """Treatment of models that too few reflections determine."""

    min_nref_per_parameter: int = parameter(
        5, "Fewest reflections for each parameter of a model.", expert=1, ge=1
    )
    action: Literal["fail", "fix", "remove"] = parameter(
        "fail",
        "With fewer reflections: stop, fix the model, or also exclude its reflections.",
        expert=1,
    )


class BeamParameters(Parameters):
    """Refined parameters of the beam."""

    fix: tuple[BeamFix, ...] = parameter(
        ("in_spindle_plane", "wavelength"),
        "Fixed parameters: the rotation about the axis in the spindle-beam plane "
        "(in_spindle_plane, Mu1), that about the plane's normal (out_spindle_plane, Mu2), the "
        "wavelength, or all. Of a beam that varies, fixed rotations keep their mean.",
    )
    force_static: bool = parameter(
        True,
        "Keep the beam static. false: its direction varies along the scan, if scan_varying is not "
        "false and not all of it is fixed; each run has a beam of its own then.",
        expert=1,
    )
    interval_width_degrees: float = parameter(
        36.0,
        "Width of the intervals between the points of a beam that varies along the scan.",
        unit="degree",
        expert=1,
        gt=0.0,
    )


class CrystalParameters(Parameters):
    """Refined parameters of the crystals."""

    fix: Literal["all", "cell", "orientation"] | None = parameter(None, "Fixed parameters.")


class DetectorParameters(Parameters):
    """Refined parameters of the detectors, as a whole and by parts."""

    fix: Literal["all", "position", "orientation", "distance"] | None = parameter(
        None,
        "Fixed parameters of the whole; distance fixes the two tilts (Tau2, Tau3) too, which are "
        "badly determined with it.",
    )
    hierarchy_level: int | None = parameter(
        0,
        "Level of the smallest parts that move: 0 the whole as one rigid body, 1 its groups or "
        "panels, ...; none: panels.",
        ge=0,
    )
    parts: tuple[Freedom, ...] = parameter(
        ("shift", "rotation"),
        "Moves of the parts below the whole, against the first part of each group: shift and "
        "rotation in the plane, distance and tilt out of it.",
        expert=1,
    )


class GoniometerParameters(Parameters):
    """Refined parameters of the goniometers."""

    fix: tuple[GoniometerFix, ...] = parameter(
        ("all",),
        "Fixed parameters: the rotation of the axis within the spindle-beam plane "
        "(in_beam_plane, Gamma1), that out of it (out_beam_plane, Gamma2), or all.",
        expert=1,
    )


class Sharing(Parameters):
    """Models that runs share, each refined once."""

    detector: Share = parameter(
        "equal", "equal: runs with equal detectors share one; each: every run has its own."
    )
    beam: Share = parameter("equal", "The same for beams.")
    goniometer: Share = parameter("equal", "The same for goniometers.")


class Parameterisation(Parameters):
    """Parameterisation of the models."""

    scan_varying: bool | Literal["auto"] = parameter(
        "auto",
        "Let crystals vary along the scan after a static refinement. auto: where left-out "
        "reflections are predicted better so.",
    )
    interval_width_degrees: float | Literal["auto"] = parameter(
        "auto",
        "Width of the intervals between the points of crystals that vary along the scan. auto: "
        "that which predicts left-out reflections best.",
        unit="degree",
        expert=1,
    )
    trim_scan_to_observations: bool = parameter(
        True, "Place the points of a varying crystal from the first to the last reflection, not "
        "from the start to the end of the scan.", expert=1,
    )  # fmt: skip
    fix_gauge: bool = parameter(
        True,
        "While crystals vary, keep the direction of the beam and the rotation of the detector "
        "about it as the static refinement found them: a varying crystal can compensate for a "
        "rotation of both, so reflections do not determine them. DIALS: false.",
        expert=1,
    )
    auto_reduction: AutoReduction = AutoReduction()
    beam: BeamParameters = BeamParameters()
    crystal: CrystalParameters = CrystalParameters()
    detector: DetectorParameters = DetectorParameters()
    goniometer: GoniometerParameters = GoniometerParameters()


class Tukey(Parameters):
    """Tukey's rule, residual by residual."""

    iqr_multiplier: float = parameter(
        1.5,
        "Interquartile ranges outside the quartiles beyond which a residual is an outlier.",
        ge=0.0,
    )


class Mcd(Parameters):
    """Minimum covariance determinant (Rousseeuw & Van Driessen, 1999)."""

    alpha: float = parameter(
        0.5, "Fraction of the data whose covariance is made smallest.", expert=1, ge=0.5, le=1.0
    )
    n_trials: int = parameter(500, "Number of random subsets to start from.", expert=1, ge=1)
    threshold_probability: float = parameter(
        0.975,
        "Quantile of chi squared beyond which a robust squared distance is that of an outlier.",
        expert=1,
        gt=0.0,
        lt=1.0,
    )


class Outlier(Parameters):
    """Rejection of centroids that lie too far from their predictions."""

    algorithm: Literal["auto", "mcd", "tukey", "sauter_poon"] | None = parameter(
        "auto", "Method. auto: mcd for rotation data; none: reject nothing."
    )
    minimum_number_of_reflections: int = parameter(
        20, "All of a group with fewer are rejected.", expert=1, ge=0
    )
    separate_experiments: bool = parameter(True, "Treat each experiment separately.", expert=1)
    separate_panels: bool = parameter(False, "Treat each panel separately.", expert=1)
    separate_blocks: bool = parameter(True, "Treat each block of rotation separately.", expert=1)
    block_width: float = parameter(
        18.0,
        "Width of a block; a scan is divided into equal ones near to it.",
        unit="degree",
        expert=1,
        ge=1.0,
    )
    tukey: Tukey = Tukey()
    mcd: Mcd = Mcd()


class WeightingStrategy(Parameters):
    """Weights of the residuals."""

    override: Literal["statistical", "constant"] | None = parameter(
        None, "statistical: 1 / variance (the default); constant: the same for all.", expert=1
    )
    constants: tuple[float, float, float] = parameter(
        (1.0, 1.0, 1.0), "Weights of x, y (1/mm^2) and phi (1/rad^2) where constant.", expert=1
    )


class ReflectionSelection(Parameters):
    """Selection of the reflections to refine against."""

    reflections_per_degree: float | Literal["auto"] | None = parameter(
        "auto",
        "Centroids used for each degree of a scan. auto: all, but beyond 360 degrees as many as "
        "in 360 degrees, at least 100; none: all.",
        unit="1/degree",
        expert=1,
    )
    minimum_sample_size: int = parameter(1000, "Fewest centroids in a sample.", expert=1, ge=0)
    maximum_sample_size: int | None = parameter(
        None, "Most centroids used for each run.", expert=1, ge=1
    )
    random_seed: int = parameter(42, "Seed of the sampling.", expert=1, ge=0)
    close_to_spindle_cutoff: float = parameter(
        0.02,
        "Least |m2 . (s1 x s0)|; reflections nearer to the rotation axis are excluded. At most a "
        "tenth of the median |s1 x s0| of the run is taken, for small scattering angles.",
        unit="1/Angstrom^2", expert=1, ge=0.0,
    )  # fmt: skip
    min_zeta: float = parameter(
        0.1,
        "Least |zeta| = |m2 . e1|, e1 the unit vector along s1 x s0 (Kabsch 2010, Acta Cryst. D66, "
        "133); reflections that cross the sphere more slowly are excluded: small errors of the "
        "models are large ones of their angles. DIALS: 0.",
        expert=1,
        ge=0.0,
        le=1.0,
    )
    weighting_strategy: WeightingStrategy = WeightingStrategy()
    outlier: Outlier = Outlier()


class Refinery(Parameters):
    """The minimiser."""

    engine: Literal["LevMar", "GaussNewton"] = parameter(
        "LevMar", "Levenberg-Marquardt, or Gauss-Newton without damping.", expert=1
    )
    track_parameter_correlation: bool = parameter(
        False, "Make a table of the refined parameters, their standard uncertainties and the "
        "largest correlations between them.", expert=1,
    )  # fmt: skip

    max_iterations: int | None = parameter(
        None, "Largest number of steps. none: 100.", expert=1, ge=1
    )


class RefinementParameters(Parameters):
    """Parameters of refinement."""

    parameterisation: Parameterisation = Parameterisation()
    sharing: Sharing = Sharing()
    refinery: Refinery = Refinery()
    reflections: ReflectionSelection = ReflectionSelection()
