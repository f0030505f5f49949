"""Parameters of refinement, with DIALS's names and defaults."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter

BeamFix = Literal["all", "in_spindle_plane", "out_spindle_plane", "wavelength"]


class AutoReduction(Parameters):
    """What to do with a model that too few reflections determine."""

    min_nref_per_parameter: int = parameter(
        5, "fewest reflections for each parameter of a model", expert=1, ge=1
    )
    action: Literal["fail", "fix", "remove"] = parameter(
        "fail",
        "with fewer reflections: stop, keep the model as it is, or also leave its reflections out",
        expert=1,
    )


class BeamParameters(Parameters):
    """Which of the beam's parameters are refined."""

    fix: tuple[BeamFix, ...] = parameter(
        ("in_spindle_plane", "wavelength"),
        "kept as they are: the turn about the axis in the spindle-beam plane (in_spindle_plane, "
        "Mu1), that about the plane's normal (out_spindle_plane, Mu2), the wavelength, or all",
    )


class CrystalParameters(Parameters):
    """Which of the crystals' parameters are refined."""

    fix: Literal["all", "cell", "orientation"] | None = parameter(None, "what is kept as it is")


class DetectorParameters(Parameters):
    """Which of the detectors' parameters are refined; a detector moves as one rigid body."""

    fix: Literal["all", "position", "orientation", "distance"] | None = parameter(
        None,
        "what is kept as it is; distance keeps the two tilts (Tau2, Tau3) too, as they are "
        "badly determined where it is",
    )


class Parameterisation(Parameters):
    """Which parameters describe the models."""

    auto_reduction: AutoReduction = AutoReduction()
    beam: BeamParameters = BeamParameters()
    crystal: CrystalParameters = CrystalParameters()
    detector: DetectorParameters = DetectorParameters()


class Tukey(Parameters):
    """Tukey's rule, residual by residual."""

    iqr_multiplier: float = parameter(
        1.5,
        "outliers lie further than this many interquartile ranges outside the quartiles",
        ge=0.0,
    )


class Mcd(Parameters):
    """Minimum covariance determinant (Rousseeuw & Van Driessen, 1999)."""

    alpha: float = parameter(
        0.5, "fraction of the data whose covariance is made smallest", expert=1, ge=0.5, le=1.0
    )
    n_trials: int = parameter(500, "random subsets to start from", expert=1, ge=1)
    threshold_probability: float = parameter(
        0.975,
        "quantile of chi squared beyond which a robust squared distance marks an outlier",
        expert=1,
        gt=0.0,
        lt=1.0,
    )


class Outlier(Parameters):
    """Rejection of centroids that lie too far from their predictions."""

    algorithm: Literal["auto", "mcd", "tukey"] | None = parameter(
        "auto", "method; auto is mcd for rotation data, none keeps all"
    )
    minimum_number_of_reflections: int = parameter(
        20, "in a group with fewer all are rejected", expert=1, ge=0
    )
    separate_experiments: bool = parameter(True, "each experiment on its own", expert=1)
    separate_panels: bool = parameter(False, "each panel on its own", expert=1)
    separate_blocks: bool = parameter(True, "each block of rotation on its own", expert=1)
    block_width: float = parameter(
        18.0,
        "width of a block; a scan is cut into equal ones near to it",
        unit="degree",
        expert=1,
        ge=1.0,
    )
    tukey: Tukey = Tukey()
    mcd: Mcd = Mcd()


class WeightingStrategy(Parameters):
    """Weights of the residuals."""

    override: Literal["statistical", "constant"] | None = parameter(
        None, "statistical: 1 / variance (the default); constant: the same for all", expert=1
    )
    constants: tuple[float, float, float] = parameter(
        (1.0, 1.0, 1.0), "weights of x, y (1/mm^2) and phi (1/rad^2) where constant", expert=1
    )


class ReflectionSelection(Parameters):
    """Which reflections are refined against."""

    reflections_per_degree: float | Literal["auto"] | None = parameter(
        "auto",
        "centroids used for each degree of a scan; auto: all, but beyond one turn as many as in "
        "one turn, at least 100; none: all",
        unit="1/degree",
        expert=1,
    )
    minimum_sample_size: int = parameter(1000, "fewest centroids to sample down to", expert=1, ge=0)
    maximum_sample_size: int | None = parameter(
        None, "most centroids to use for each run", expert=1, ge=1
    )
    random_seed: int = parameter(42, "seed of the sampling", expert=1, ge=0)
    close_to_spindle_cutoff: float = parameter(
        0.02, "least |m2 . (s1 x s0)|; what is nearer to the rotation axis is left out",
        unit="1/Angstrom^2", expert=1, ge=0.0,
    )  # fmt: skip
    weighting_strategy: WeightingStrategy = WeightingStrategy()
    outlier: Outlier = Outlier()


class Refinery(Parameters):
    """The minimiser: Levenberg-Marquardt."""

    max_iterations: int | None = parameter(None, "most steps; none: 100", expert=1, ge=1)


class RefinementParameters(Parameters):
    """Parameters of refinement."""

    parameterisation: Parameterisation = Parameterisation()
    refinery: Refinery = Refinery()
    reflections: ReflectionSelection = ReflectionSelection()
