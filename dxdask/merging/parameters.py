"""Parameters of merging, with the names of dials.merge."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter


class BinningParameters(Parameters):
    """Resolution shells of the tables."""

    nbins: int = parameter(
        10, "Number of resolution shells, of equal volume in reciprocal space.", ge=1
    )


class ResolutionParameters(Parameters):
    """Proposed resolution limits, with the names of dials.estimate_resolution."""

    cc_half: float = parameter(0.3, "Least CC1/2 at the limit.", gt=0, lt=1)
    misigma: float = parameter(1.0, "Least mean I/sigma at the limit.", gt=0)
    bins: int = parameter(20, "Bins of equal numbers of reflections.", ge=5)
    apply: bool = parameter(
        False, "Merge again to the limit by CC1/2 that is proposed, unless d_min is given."
    )


class FrenchWilsonParameters(Parameters):
    """Amplitudes, with the name of dials.merge."""

    min_reflections: int = parameter(
        200,
        "Least number of reflections from which the mean intensities of Wilson's distribution are "
        "estimated; with fewer all positive intensities are taken as equally likely.",
        ge=1,
    )


class MergingParameters(Parameters):
    """Parameters of `merge`."""

    d_min: float | None = parameter(
        None, "High resolution limit. None: no limit.", unit="Angstrom", gt=0
    )
    d_max: float | None = parameter(
        None, "Low resolution limit. None: no limit.", unit="Angstrom", gt=0
    )
    anomalous: bool = parameter(True, "Output I(+) and I(-) too.")
    partiality_threshold: float = parameter(
        0.4, "Minimum partiality of the reflections that are merged.", ge=0, le=1
    )
    wavelength_tolerance: float = parameter(
        1e-4,
        "Largest difference of the wavelengths of runs that are merged together; others are merged "
        "apart.",
        unit="Angstrom",
        ge=0,
    )
    use_internal_variance: bool = parameter(
        False,
        "Use the internal variance of the equivalents where it is larger than the propagated one.",
        expert=1,
    )
    cc_one_half_method: Literal["sigma_tau", "half_dataset"] = parameter(
        "sigma_tau",
        "CC1/2 of the tables by shell and overall: from the scatter of the equivalents, or of two "
        "random half-sets.",
        expert=1,
    )
    truncate: bool = parameter(
        True, "Calculate amplitudes by the method of French & Wilson (1978)."
    )
    french_wilson: FrenchWilsonParameters = parameter(
        FrenchWilsonParameters(), "Amplitudes.", expert=1
    )
    half_datasets: bool = parameter(
        False, "Output the intensities of two random half-sets too.", expert=1
    )
    resolution: ResolutionParameters = parameter(
        ResolutionParameters(), "Resolution limits that are proposed."
    )
    merging: BinningParameters = parameter(BinningParameters(), "Resolution shells of the tables.")
