"""Tables and messages of scaling, as those of DIALS."""

from __future__ import annotations

from typing import Any

import numpy as np

from dxdask.models import ExperimentList
from dxdask.scaling.absorption_surface import absorption_table
from dxdask.scaling.dose_table import dose_table
from dxdask.scaling.image_scales_table import image_scales_table
from dxdask.scaling.observations import Observations
from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.scaled import Scaled
from dxdask.tables import Table


def scaling_messages(
    group: str, cell: tuple[float, ...], scaled: Scaled, parameters: ScalingParameters
) -> tuple[str, ...]:
    """Return the messages; group, cell : that are used."""
    errors, options = scaled.error_model, parameters.scaling_options
    lines = [
        f"Space group being used during scaling is {group}",
        f"Using median unit cell across experiments : ({', '.join(f'{x:.4f}' for x in cell)})",
        "Parameters refined: "
        + ", ".join(f"{n} of {name}" for name, n in scaled.model.counts.items())
        + f", in {len(scaled.costs)} rounds",
    ]
    both = scaled.observations.estimates
    if both.has_fit.any():
        lines.append(
            f"Intensities: {int((both.has_sum & both.has_fit).sum())} combined of summed and "
            f"fitted ones, {int((~both.has_sum).sum())} fitted only, "
            f"{int((~both.has_fit).sum())} summed only"
        )
    if options.outlier_rejection != "None":
        lines.append(
            f"{int(scaled.outlier.sum())} outliers have been identified "
            f"(z > {options.outlier_zmax:g} or E² > {options.emax**2:g})"
        )
    if parameters.weighting.error_model.error_model == "basic":
        lines.append(f"Error model: σ'² = a²(σ² + (bI)²), a = {errors.a:.5f}, b = {errors.b:.5f}")
    return tuple(lines)


def scaling_tables(
    n_all: int,
    n_excluded: int,
    experiments: ExperimentList,
    scaled: Scaled,
) -> tuple[Table, ...]:
    """Return the tables `summary`, `runs`, `error_model`, `error_model_bins`, and those of options.

    n_all, n_excluded : numbers of reflections, of them not among the observations.
    """
    return (
        _summary_table(n_all, n_excluded, scaled),
        _runs_table(experiments, scaled),
        *_error_tables(scaled),
        *dose_table(scaled, experiments),
        *image_scales_table(scaled, experiments),
        *(_validation_table(scaled) if scaled.validation else ()),
        *(_free_set_table(scaled) if scaled.free_set else ()),
        *(_delta_table(scaled) if len(scaled.delta_rows) > 1 else ()),
        *absorption_table(scaled, experiments),
    )


def _summary_table(n_all: int, n_excluded: int, scaled: Scaled) -> Table:
    obs = scaled.observations
    sizes = np.diff(obs.offsets)
    outliers = int(scaled.outlier.sum())
    left_out = int(scaled.faint.sum()) + int(scaled.removed.sum())
    row = {
        "n_reflections": n_all,
        "n_excluded": n_excluded + left_out,
        "n_outliers": outliers,
        "n_scaled": len(obs) - outliers - left_out,
        "n_groups": len(sizes),
        "n_groups_seen_once": int((sizes == 1).sum()),
    }
    return Table(name="summary", title="Summary of scaling", rows=[row])


def _error_tables(scaled: Scaled) -> tuple[Table, Table]:
    errors = scaled.error_model
    limit = 1.0 / (errors.a * errors.b) if errors.b > 0 else None
    model = {
        "a": ("a", ".5f"),
        "b": ("b", ".5f"),
        "i_over_sigma_limit": ("I/sigma\nlimit", ".2f"),
    }
    bins = {
        "i_max": ("<Ih>\nmax", ".2f"),
        "i_min": ("<Ih>\nmin", ".2f"),
        "n": ("n_refl", "d"),
        "uncorrected_variance": ("Uncorrected\nvariance", ".3f"),
        "corrected_variance": ("Corrected\nvariance", ".3f"),
    }
    return (
        Table(
            name="error_model",
            title="Error model σ'² = a²(σ² + (bI)²)",
            rows=[{"a": errors.a, "b": errors.b, "i_over_sigma_limit": limit}],
            headings=model,
        ),
        Table(
            name="error_model_bins",
            title="Variances of normalised deviations by mean intensity",
            rows=scaled.error_rows,
            headings=bins,
        ),
    )


def _runs_table(experiments: ExperimentList, scaled: Scaled) -> Table:
    headings = {
        "transmission": ("transmission", ".4g"),
        "scale": ("mean\nscale", ".5f"),
        "scale_min": ("least\nscale", ".5f"),
        "scale_max": ("largest\nscale", ".5f"),
        "b_min": ("least B", ".3f"),
        "b_max": ("largest B", ".3f"),
    }
    rows = _run_rows(scaled.observations, experiments, scaled)
    return Table(name="runs", title="Scales by run", rows=rows, headings=headings)


def _free_set_table(scaled: Scaled) -> tuple[Table]:
    title = "Agreement of the work set, and of the free set that was left out of the fits"
    headings = {"r_meas": ("r_meas", ".4f"), "cc_half": ("cc1/2", ".4f")}
    return (Table(name="free_set", title=title, rows=scaled.free_set, headings=headings),)


def _delta_table(scaled: Scaled) -> tuple[Table]:
    title = "CC1/2 of all less that without each part: negative where a part is harmful"
    headings = {"delta_cc_half": ("delta CC1/2", ".5f"), "excluded_in_cycle": ("cycle", "d")}
    table = Table(
        name="delta_cc_half",
        title=title,
        rows=scaled.delta_rows,
        headings=headings,
        printed=bool(scaled.removed.any()),
    )
    return (table,)


def _validation_table(scaled: Scaled) -> tuple[Table]:
    headings = {
        "absorption": ("absorption", ""),
        "n_parameters": ("parameters", "d"),
        "n_free": ("n_free", "d"),
        "r_meas_work": ("Rmeas\nwork", ".4f"),
        "r_meas_free": ("Rmeas\nfree", ".4f"),
        "gain": ("gain\n(sigma)", ".1f"),
    }
    title = "Agreement of unique reflections left out of the fit"
    return (Table(name="validation", title=title, rows=scaled.validation, headings=headings),)


def _run_rows(
    obs: Observations, experiments: ExperimentList, scaled: Scaled
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    b_factors = [
        (float(b.min()), float(b.max())) for b in scaled.model.of("decay", scaled.parameters)
    ]
    by_run = scaled.error_model.by_experiment
    order = np.argsort(obs.experiment, kind="stable")
    bounds = np.searchsorted(obs.experiment[order], np.arange(len(experiments) + 1))
    for i, experiment in enumerate(experiments):
        own = order[bounds[i] : bounds[i + 1]]
        g = scaled.g[own]
        rows.append(
            {
                "run": experiment.run,
                "transmission": float(experiment.beam.transmission),
                "scale": float(g.mean()) if len(g) else None,
                "scale_min": float(g.min()) if len(g) else None,
                "scale_max": float(g.max()) if len(g) else None,
                "b_min": b_factors[i][0] if b_factors else None,
                "b_max": b_factors[i][1] if b_factors else None,
                "n": len(own),
                "n_outliers": int(scaled.outlier[own].sum()),
                **({} if by_run is None else {"a": float(by_run[i, 0]), "b": float(by_run[i, 1])}),
            }
        )
    return rows
