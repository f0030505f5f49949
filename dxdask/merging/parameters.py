"""Parameters of merging, with the names of dials.merge."""

from __future__ import annotations

from dxdask.parameters import Parameters, parameter


class BinningParameters(Parameters):
    """Resolution shells of the table."""

    nbins: int = parameter(10, "resolution shells, of equal volume in reciprocal space", ge=1)


class MergingParameters(Parameters):
    """Parameters of `merge`."""

    d_min: float | None = parameter(
        None, "leave out reflections beyond this resolution", unit="Angstrom", gt=0
    )
    d_max: float | None = parameter(
        None, "leave out reflections below this resolution", unit="Angstrom", gt=0
    )
    anomalous: bool = parameter(
        True, "whether Friedel mates are also merged apart, to I(+) and I(-)"
    )
    partiality_threshold: float = parameter(
        0.4, "leave out reflections less complete than this", ge=0, le=1
    )
    use_internal_variance: bool = parameter(
        False, "whether sigma is at least what the scatter of the equivalents gives", expert=1
    )
    merging: BinningParameters = parameter(BinningParameters(), "resolution shells of the table")
