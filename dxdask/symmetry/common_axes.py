"""Several crystals in one setting: those of one form, with the axes that make them agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.symmetry.forms import Forms, find_forms
from dxdask.symmetry.intensities import Intensities
from dxdask.symmetry.operators import (
    Rotation,
    coset_representatives,
    matrix_of,
    normal_core,
    operator_text,
)
from dxdask.symmetry.pair_correlations import intensities_of_choices
from dxdask.symmetry.parameters import CosymParameters
from dxdask.tables import Table

SMALL_MARGIN = 0.1
MOST_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class OneSetting:
    """Observations in one setting.

    Attributes
    ----------
    data : of the crystals that are kept. operators : of each crystal (n,), after its change to the
        common reduced cell. kept : (n,) False for crystals of other forms.
    """

    data: Intensities
    operators: tuple[Rotation, ...]
    kept: NDArray[np.bool_]
    table: Table
    messages: tuple[str, ...]


def one_setting(
    data: Intensities,
    general: NDArray[np.bool_],
    runs: Sequence[str],
    laue: frozenset[Rotation],
    lattice: frozenset[Rotation],
    parameters: CosymParameters,
) -> OneSetting:
    """Return the observations of one crystal form, all crystals in the setting of the first.

    Parameters
    ----------
    data : normalised, in the common reduced cell. general : (n,) those that are on no axis.
    runs : name of each crystal. laue : rotations found within the crystals, of the `lattice`.

    Raises
    ------
    InputError
        There is no form of the number `parameters.form`.
    """
    core = normal_core(laue, lattice)
    cosets = coset_representatives(lattice, core)
    choices = intensities_of_choices(data.select(general), len(runs), cosets, core)
    forms = find_forms(
        choices, core, most=parameters.neighbours, min_pairs=parameters.min_pairs,
        min_form_cc=parameters.min_form_cc,
    )  # fmt: skip
    n_forms = int(forms.form.max()) + 1
    if parameters.form > n_forms:
        raise InputError(
            f"cosym.form={parameters.form}: the crystals are of {n_forms} forms; give one of them"
        )
    kept = forms.form == parameters.form - 1
    if len(cosets) == 1:
        # nothing is to be chosen for a crystal without common reflections
        kept = kept | (forms.form < 0)
    operators = tuple(cosets[c] for c in forms.choice)
    rows = kept[data.crystal]
    matrices = np.array([matrix_of(w) for w in operators])
    hkl = np.einsum("ni,nij->nj", data.hkl, matrices[data.crystal])
    return OneSetting(
        data=replace(data, hkl=hkl).select(rows),
        operators=operators,
        kept=kept,
        table=_forms_table(forms, operators, runs),
        messages=tuple(_messages(forms, kept, runs, len(cosets), parameters)),
    )


def _messages(
    forms: Forms, kept: NDArray[np.bool_], runs: Sequence[str], k: int, parameters: CosymParameters
) -> list[str]:
    sizes = np.bincount(forms.form[forms.form >= 0])
    lines = [
        f"{len(runs)} crystals in {len(sizes)} form{'s' * (len(sizes) > 1)} "
        f"({', '.join(map(str, sizes))} crystals), by {forms.n_pairs} pairs and {k} choice"
        f"{'s' * (k > 1)} of axes"
    ]
    if not forms.n_pairs:
        lines.append(
            f"the forms are ambiguous: no two crystals have {parameters.min_pairs} common "
            "reflections, and all are taken as one form; integrate wider wedges, or lower "
            "cosym.min_pairs"
        )
    if not kept.all():
        left = [run for run, is_kept in zip(runs, kept, strict=True) if not is_kept]
        more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
        lines.append(
            f"form {parameters.form} is kept; not used are {', '.join(left[:MOST_NAMED])}{more}: "
            "give cosym.form= for another form"
        )
    unsure = int((kept & (forms.margin < SMALL_MARGIN)).sum())
    if unsure:
        lines.append(
            f"the setting of {unsure} crystals is ambiguous: another choice of axes correlates "
            "almost as well with the others; see the table of forms"
        )
    return lines


def _forms_table(forms: Forms, operators: Sequence[Rotation], runs: Sequence[str]) -> Table:
    rows = [
        {
            "run": run, "form": int(f) + 1 if f >= 0 else None, "operator": operator_text(w),
            "correlation": float(c) if np.isfinite(c) else None,
            "margin": float(m) if np.isfinite(m) else None,
        }
        for run, f, w, c, m in zip(
            runs, forms.form, operators, forms.correlation, forms.margin, strict=True
        )
    ]  # fmt: skip
    headings = {"form": ("Form", ""), "operator": ("Operator (reduced axes)", ""),
                "correlation": ("CC with form", ".3f"), "margin": ("Margin", ".3f")}  # fmt: skip
    return Table(
        name="forms", title="Crystals by form and choice of axes", rows=rows, headings=headings,
        printed=len(rows) <= 20,
    )  # fmt: skip
