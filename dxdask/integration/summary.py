"""Tables and messages of integrated reflections, as those of DIALS."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.integration.calibration import Calibration
from dxdask.integration.context import IntegrationContext
from dxdask.models import Experiment
from dxdask.tables import Table

_N_SHELLS = 10
_FULL = 0.99
_FEW = 0.5  # of the predicted reflections
_STATISTICS = {
    "n_full": ("# full", ""),
    "n_partial": ("# part", ""),
    "n_overloaded": ("# over", ""),
    "n_integrated_sum": ("# sum", ""),
    "n_integrated_prf": ("# prf", ""),
    "mean_background": ("Ibg", ".2f"),
    "i_over_sigma": ("I/sigI\n(sum)", ".2f"),
    "i_over_sigma_prf": ("I/sigI\n(prf)", ".2f"),
}
_SUMMARY = {
    "run": ("Run", ""),
    "d_min": ("dmin", ".2f"),
    "d_max": ("dmax", ".2f"),
    "n_predicted": ("predicted", ""),
    "n_full": ("fully\nrecorded", ""),
    "n_partial": ("partially\nrecorded", ""),
    "n_overloaded": ("overloaded", ""),
    "n_integrated_sum": ("summed", ""),
    "n_integrated_prf": ("fitted", ""),
    "n_foreground_bad": ("invalid\nforeground", ""),
    "n_background_bad": ("invalid\nbackground", ""),
    "n_overlapped": ("overlapped", ""),
    "n_failed_background": ("failed in\nbackground", ""),
    "mean_background": ("Ibg", ".2f"),
    "i_over_sigma": ("I/sigI\n(sum)", ".2f"),
    "i_over_sigma_prf": ("I/sigI\n(prf)", ".2f"),
}


def integration_tables(r: Reflections, experiment: Experiment) -> tuple[Table, ...]:
    """Return the tables `summary`, `shells`, `images` and `profile` of one run."""
    run = {"run": experiment.run}
    return (
        Table(
            name="profile",
            title="Profile of the reflections",
            rows=(_profile(experiment),),
            headings=_PROFILE,
        ),
        Table(
            name="images",
            title="Summary vs image number",
            rows=[run | row for row in _by_image(r, experiment)],
            headings={"run": ("Run", ""), "image": ("Image", "")} | _STATISTICS,
        ),
        Table(
            name="shells",
            title="Summary vs resolution",
            rows=[run | row for row in _by_shell(r)],
            headings={
                "run": ("Run", ""),
                "d_max": ("d max", ".2f"),
                "d_min": ("d min", ".2f"),
                "n": ("#", ""),
            }
            | _STATISTICS,
        ),
        Table(
            name="summary",
            title="Summary of integration",
            rows=(run | _overall(r),),
            headings=_SUMMARY,
        ),
    )


def integration_messages(
    r: Reflections,
    experiment: Experiment,
    calibration: Calibration | None,
    context: IntegrationContext,
) -> tuple[str, ...]:
    """Return the messages of one run; calibration : None without profile fitting."""
    profile = _profile(experiment)
    n_sum = int(has_flag(r, Flag.INTEGRATED_SUM).sum())
    fits: tuple[str, ...] = ()
    if calibration is not None:
        n_prf = int(has_flag(r, Flag.INTEGRATED_PRF).sum())
        fits = (f" Integrated {n_prf} reflections by profile fitting",)
        if context.note:
            fits += (context.note,)
        if calibration.is_determined:
            fits += (f" Profiles differ from those fitted by {100 * calibration.error:.1f} %",)
        else:
            fits += (
                f" Fitted intensities are calibrated by one factor: only {calibration.n_strong} "
                "reflections are strong enough for one a region",
            )
    return (
        f"Run {experiment.run}:",
        f" sigma b: {profile['sigma_b_deg']:.6f} degrees",
        f" sigma m: {profile['sigma_m_deg']:.6f} degrees",
        f" radius of lattice points: {profile['rlp_radius']:.2e} 1/A",
        *_widths_along_scan(experiment, context),
        *_along_scan(experiment),
        f" Predicted {len(r['flags'])} reflections",
        f" Integrated {n_sum} reflections by summation",
        *fits,
        f" Corrected for: {_corrections(context)}",
        f" {context.count_rate[:1].upper()}{context.count_rate[1:]}",
        *_few(r),
    )


def _corrections(context: IntegrationContext) -> str:
    given = context.corrections
    names = {
        "Lorentz": given.lorentz,
        "polarisation": given.polarisation,
        "absorption in the sensor": given.absorption,
        "absorption in air": given.air,
        f"absorption in the window {given.window} mm": given.window is not None,
    }
    return ", ".join(name for name, on in names.items() if on) or "nothing"


def _widths_along_scan(experiment: Experiment, context: IntegrationContext) -> tuple[str, ...]:
    """Return the ranges of the widths along the scan; nothing where they were not asked for."""
    p = experiment.profile
    if p is None or not (p.is_scan_varying or context.fit.scan_varying):
        return ()
    ranges = []
    for name, values in (("sigma b", p.sigma_b_by_image), ("sigma m", p.sigma_m_by_image)):
        if not values:
            ranges.append(f"{name} constant")
            continue
        low, high = np.rad2deg([min(values), max(values)])
        ranges.append(f"{name} {low:.4f} to {high:.4f} degrees")
    return (f" Along the scan: {', '.join(ranges)}",)


def _along_scan(experiment: Experiment) -> tuple[str, ...]:
    crystal = experiment.crystal
    if crystal is None or crystal.scan_points is None:
        return ()
    return (" The crystal varies along the scan: a static one does not predict the spots well",)


def _few(r: Reflections) -> tuple[str, ...]:
    """Return a warning if less than half of the predictions were integrated."""
    n, done = len(r["flags"]), int(has_flag(r, Flag.INTEGRATED).sum())
    if done >= _FEW * n:
        return ()
    return (
        f" Warning: only {done} of {n} predicted reflections were integrated: see the columns of "
        "bad pixels, overloads and backgrounds in the summary",
    )


_PROFILE = {
    "run": ("Run", ""),
    "sigma_b_deg": ("sigma b\ndegrees", ".6f"),
    "sigma_m_deg": ("sigma m\ndegrees", ".6f"),
    "rlp_radius": ("radius\n1/A", ".2e"),
}


def _profile(experiment: Experiment) -> dict[str, Any]:
    p = experiment.profile
    return {
        "run": experiment.run,
        "sigma_b_deg": None if p is None else float(np.rad2deg(p.sigma_b)),
        "sigma_m_deg": None if p is None else float(np.rad2deg(p.sigma_m)),
        "rlp_radius": None if p is None else p.rlp_radius,
    }


def _statistics(r: Reflections, groups: NDArray[np.int64], n_groups: int) -> list[dict[str, Any]]:
    """Return the statistics of each group; groups : (n,) group of each row, 0 .. n_groups - 1."""
    done, fits = has_flag(r, Flag.INTEGRATED_SUM), has_flag(r, Flag.INTEGRATED_PRF)

    def count(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.bincount(groups[rows], minlength=n_groups)

    def mean(values: NDArray[np.float64], rows: NDArray[np.bool_]) -> list[float | None]:
        total = np.bincount(groups[rows], weights=values[rows], minlength=n_groups)
        return [
            float(t / c) if c else None for t, c in zip(total, count(rows).tolist(), strict=True)
        ]

    def ratio(kind: str, rows: NDArray[np.bool_]) -> list[float | None]:
        variance = r[f"intensity_{kind}_variance"]
        sigma = np.sqrt(np.where(variance > 0, variance, 1.0))
        return mean(r[f"intensity_{kind}"] / sigma, rows & (variance > 0))

    columns = {
        "n_full": count(r["partiality"] > _FULL).tolist(),
        "n_partial": count(r["partiality"] <= _FULL).tolist(),
        "n_overloaded": count(has_flag(r, Flag.OVERLOADED)).tolist(),
        "n_integrated_sum": count(done).tolist(),
        "n_integrated_prf": count(fits).tolist(),
        "mean_background": mean(r["background_mean"], done),
        "i_over_sigma": ratio("sum", done),
        "i_over_sigma_prf": ratio("prf", fits) if "intensity_prf" in r else [None] * n_groups,
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _by_image(r: Reflections, experiment: Experiment) -> list[dict[str, Any]]:
    first, last = (0, 1) if experiment.scan is None else experiment.scan.array_range
    image = np.clip(np.floor(r["z_cal"]).astype(np.int64) - first, 0, last - first - 1)
    rows = _statistics(r, image, last - first)
    return [{"image": first + 1 + i} | row for i, row in enumerate(rows)]


def _by_shell(r: Reflections) -> list[dict[str, Any]]:
    n = len(r["d"])
    shells = min(_N_SHELLS, n)
    if not shells:
        return []
    order = np.argsort(-r["d"], kind="stable")
    shell = np.empty(n, dtype=np.int64)
    shell[order] = np.arange(n) * shells // n
    limits = [
        {"d_max": float(d.max()), "d_min": float(d.min()), "n": len(d)}
        for d in (r["d"][shell == i] for i in range(shells))
    ]
    return [a | b for a, b in zip(limits, _statistics(r, shell, shells), strict=True)]


def _overall(r: Reflections) -> dict[str, Any]:
    n = len(r["d"])
    row = _statistics(r, np.zeros(n, dtype=np.int64), 1)[0]
    return {
        "d_min": float(r["d"].min()) if n else None,
        "d_max": float(r["d"].max()) if n else None,
        "n_predicted": n,
        "n_full": row["n_full"],
        "n_partial": row["n_partial"],
        "n_overloaded": row["n_overloaded"],
        "n_integrated_sum": row["n_integrated_sum"],
        "n_integrated_prf": row["n_integrated_prf"],
        "n_foreground_bad": int(has_flag(r, Flag.FOREGROUND_INCLUDES_BAD_PIXELS).sum()),
        "n_background_bad": int(has_flag(r, Flag.BACKGROUND_INCLUDES_BAD_PIXELS).sum()),
        "n_overlapped": int(has_flag(r, Flag.OVERLAPPED_FG).sum()),
        "n_failed_background": int(has_flag(r, Flag.FAILED_DURING_BACKGROUND_MODELLING).sum()),
        "mean_background": row["mean_background"],
        "i_over_sigma": row["i_over_sigma"],
        "i_over_sigma_prf": row["i_over_sigma_prf"],
    }
