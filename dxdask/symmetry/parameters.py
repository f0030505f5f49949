"""Parameters of symmetry determination; names and defaults as in dials.symmetry and dials.cosym."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter
from dxdask.parameters.reference import ReferenceParameters


class SystematicAbsencesParameters(Parameters):
    """Parameters of the search for screw axes."""

    check: bool = parameter(True, "Determine screw axes by systematic absences.")
    error: float = parameter(
        0.02,
        "Error of an absent reflection beside its sigma, as a fraction of the mean intensity at "
        "its resolution: tails of neighbours, multiple diffraction.",
        expert=1,
        ge=0,
    )


class CosymParameters(Parameters):
    """Parameters of the common setting of several crystals."""

    min_pairs: int = parameter(
        3, "Fewest common reflections of two crystals that are compared.", ge=3
    )
    neighbours: int = parameter(
        24, "Crystals that each one is compared with; all of them where there are fewer.", ge=2
    )
    form: int = parameter(
        1,
        "Crystal form that is kept, by its number in the table of forms (1: of most crystals).",
        ge=1,
    )
    min_form_cc: float = parameter(
        0.5,
        "Least correlation with the mean of a form, as a fraction of the median of its crystals.",
        expert=1,
        gt=0,
        lt=1,
    )


class TwinningParameters(Parameters):
    """Parameters of the statistics of twinning and pseudo-translation."""

    min_i_over_sigma: float = parameter(
        3.0, "Least mean I/sigma of a resolution shell that is used.", ge=0
    )
    patterson_threshold: float = parameter(
        20.0,
        "Height of a Patterson peak, as a percentage of the origin, that is reported as "
        "pseudo-translation.",
        unit="%",
        gt=0,
    )


class SymmetryParameters(Parameters):
    """Parameters of `symmetry`."""

    known_space_group: str | None = parameter(
        None,
        "Space group, where it is known: not determined; its axes are chosen, of several crystals "
        "those that bring them to one setting. None in `process`: known_symmetry.space_group.",
    )
    reference: ReferenceParameters = ReferenceParameters()
    d_min: float | None = parameter(
        None,
        "High resolution limit. None: by min_i_mean_over_sigma_mean and min_cc_half.",
        unit="Angstrom",
        gt=0,
    )
    min_i_mean_over_sigma_mean: float = parameter(
        4.0, "Least mean I over mean sigma of a resolution shell.", ge=0
    )
    min_cc_half: float = parameter(
        0.6, "Least CC1/2 in P1 of a resolution shell with repeated reflections.", ge=0, le=1
    )
    normalisation: Literal["ml_aniso", "quasi", "None"] = parameter(
        "ml_aniso",
        "Normalisation of intensities: by shells of resolution and parts of the scan (quasi), and "
        "an anisotropic fall with resolution by maximum likelihood (ml_aniso).",
    )
    lattice_symmetry_max_delta: float = parameter(
        2.0, "Largest Le Page delta of a symmetry of the lattice.", unit="degree", ge=0
    )
    partiality_threshold: float = parameter(0.4, "Least partiality.", ge=0, le=1)
    chiral: bool = parameter(
        True,
        "Crystals of chiral molecules: only space groups without mirror, glide or inversion. "
        "False for small molecules that may be achiral: glide planes are looked for, too.",
    )
    systematic_absences: SystematicAbsencesParameters = SystematicAbsencesParameters()
    cosym: CosymParameters = CosymParameters()
    twinning: TwinningParameters = TwinningParameters()
