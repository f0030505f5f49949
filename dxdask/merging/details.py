"""What is reported of merged reflections beside the statistics by shell, and their amplitudes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Reflections
from dxdask.merging.by_run import run_tables
from dxdask.merging.equivalents import EquivalentSums
from dxdask.merging.half_sets import HalfSets
from dxdask.merging.limits import limits_table
from dxdask.merging.observed import observed
from dxdask.merging.parameters import MergingParameters
from dxdask.merging.summary import summary_tables
from dxdask.merging.tables import intensities_of
from dxdask.results import StepResult
from dxdask.scaling.observations import common_symmetry
from dxdask.tables import Table
from dxdask.truncation import Truncation, truncation_of
from dxdask.truncation.wilson import wilson_b, wilson_table


def with_details(
    result: StepResult,
    reflections: Reflections,
    second: EquivalentSums,
    parameters: MergingParameters,
) -> StepResult:
    """Return the result of merging with the summary, half-sets, limits and amplitudes.

    Parameters
    ----------
    result : merged reflections, tables `shells` and `overall`.
    reflections : scaled, of which it was made. second : sums of the second pass.
    """
    cell, group = common_symmetry(result.experiments)
    found = observed(reflections, cell, group, parameters)
    half_sets = HalfSets(found)
    table = dict(result.reflections)
    merged = intensities_of(table)
    shells, overall = result.table("shells"), result.table("overall")
    summary, halves = summary_tables(
        found, half_sets, merged, (shells, overall), second.values[:, 0], cell, group
    )
    if parameters.cc_one_half_method == "half_dataset":
        shells, overall = _with_half_sets(shells, halves), _with_half_sets(overall, halves)
    truncation = truncation_of(
        table["hkl"], merged.intensity, merged.sigma, cell=cell, group=group,
        min_reflections=parameters.french_wilson.min_reflections,
    )  # fmt: skip
    tensor = None
    if truncation is not None and truncation.prior is not None:
        tensor = truncation.prior.b_tensor
    limits = limits_table(
        half_sets, merged, table["hkl"], cell, group, parameters.resolution, tensor
    )
    runs = run_tables(found, result.experiments, cell, parameters.resolution)
    if parameters.half_datasets:
        table |= _half_columns(half_sets)
    if parameters.truncate:
        table |= amplitude_columns(table, truncation)
    return replace(
        result,
        reflections=table,
        # the summary has what `overall` holds: one of both is printed
        tables=(
            shells,
            replace(overall, printed=False),
            summary,
            halves,
            limits,
            wilson_table(truncation),
            *runs,
        ),
        messages=(*result.messages, *_messages(truncation, limits, table, parameters)),
    )


def _with_half_sets(table: Table, halves: Table) -> Table:
    """Return `shells` or `overall` with the CC1/2 of random half-sets.

    halves : a row for each shell, and the last one overall.
    """
    of = halves.rows[:-1] if table.name == "shells" else halves.rows[-1:]
    rows = [{**row, "cc_half": half["cc_half"]} for row, half in zip(table.rows, of, strict=True)]
    return replace(table, rows=rows)


def amplitude_columns(table: Reflections, truncation: Truncation | None) -> Reflections:
    """Return amplitudes of merged intensities, of Friedel mates too where they are merged apart.

    All nan without a prior.
    """
    out: Reflections = {}
    for name in ("", "_plus", "_minus"):
        if f"intensity{name}" not in table:
            continue
        f = sigma = np.full(len(table["hkl"]), np.nan)
        if truncation is not None:
            f, sigma = truncation.amplitudes(table[f"intensity{name}"], table[f"sigma{name}"])
        out[f"amplitude{name}"], out[f"amplitude_sigma{name}"] = f, sigma
    if "amplitude_plus" in out:
        out["dano"] = out["amplitude_plus"] - out["amplitude_minus"]
        out["dano_sigma"] = np.hypot(out["amplitude_sigma_plus"], out["amplitude_sigma_minus"])
    return out


def _half_columns(half_sets: HalfSets) -> Reflections:
    columns: Reflections = {}
    for k in range(2):
        columns[f"intensity_half{k + 1}"] = half_sets.halves[:, k]
        columns[f"sigma_half{k + 1}"] = half_sets.half_sigma[:, k]
        columns[f"n_half{k + 1}"] = half_sets.half_counts[:, k].astype(np.int32)
    return columns


def _messages(
    truncation: Truncation | None,
    limits: Table,
    table: Reflections,
    parameters: MergingParameters,
) -> list[str]:
    lines = []
    limit = limits.rows[0]["d_cc_half"]
    if limit is not None:
        lines.append(
            f"Resolution limit by CC1/2 of {parameters.resolution.cc_half:g}: {limit:.2f} A"
        )
    if truncation is None:
        if parameters.truncate:
            lines.append("No amplitudes: the intensities do not add up to more than zero")
        return lines
    if truncation.prior is None:
        lines.append(
            f"Fewer than {parameters.french_wilson.min_reflections} reflections: amplitudes by a "
            "flat prior, no Wilson B"
        )
    else:
        b = wilson_b(truncation.prior)
        spread = np.linalg.eigvalsh(truncation.prior.b_tensor)
        anisotropy = f"; anisotropic part {spread[0]:.1f} to {spread[-1]:.1f} A^2"
        known = "Wilson B not determined" if b is None else f"Wilson B {b:.1f} A^2"
        lines.append(known + anisotropy)
    if parameters.truncate:
        n = int(np.isnan(table["amplitude"]).sum())
        if n:
            lines.append(f"{n} reflections have no amplitude: below -4 sigma")
    return lines
