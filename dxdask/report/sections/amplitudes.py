"""Amplitudes by the method of French & Wilson (1978), and their moments."""

from __future__ import annotations

import numpy as np

from dxdask.models.symmetry import epsilon, is_absent, is_centric
from dxdask.report.page.curves import shells
from dxdask.report.page.normalised import FEWEST, N_SHELLS, merged_group
from dxdask.report.page.plots import Lines, Plot, Series, grid
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table

_NEEDED = ["hkl", "d", "intensity", "sigma", "amplitude", "amplitude_sigma"]
_EXPECTED = {"acentric": np.pi / 4, "centric": 2 / np.pi}
"""<|E|>^2 / <E^2> of Wilson's distributions."""


def make(tables: StepTables) -> Section | None:
    """Return what truncation made of weak and negative intensities."""
    group = merged_group(tables)
    if tables.present("merge", _NEEDED) != _NEEDED or group is None:
        return None
    table = tables.columns("merge", _NEEDED)
    good = np.isfinite(table["intensity"]) & ~is_absent(table["hkl"], group)
    good &= table["sigma"] > 0
    if good.sum() < FEWEST:
        return None
    own = {name: values[good] for name, values in table.items()}
    s2 = own["d"] ** -2.0
    edges = np.quantile(s2, np.linspace(0, 1, N_SHELLS + 1))
    shell = np.clip(np.searchsorted(edges, s2, side="right") - 1, 0, N_SHELLS - 1)
    n = np.bincount(shell, minlength=N_SHELLS)
    middle = np.bincount(shell, s2, N_SHELLS) / n
    has = np.isfinite(own["amplitude"])
    ratio = own["intensity"] / own["sigma"]
    negative = 100.0 * np.bincount(shell, ratio < 0, N_SHELLS) / n
    without = 100.0 * np.bincount(shell, ~has, N_SHELLS) / n
    plots: list[Plot] = [
        *shells(
            "Intensities below zero by resolution", "% of the reflections",
            [Series("I < 0", middle, negative),
             Series("no amplitude (I < -4 sigma)", middle, without)],
        )
    ]  # fmt: skip
    f = own["amplitude"] / np.sqrt(epsilon(own["hkl"], group))
    centric, rows, curves = is_centric(own["hkl"], group), [], []
    for name, mine in (("acentric", has & ~centric), ("centric", has & centric)):
        if mine.sum() < FEWEST:
            continue
        count = np.maximum(np.bincount(shell[mine], minlength=N_SHELLS), 1)
        mean = np.bincount(shell[mine], f[mine], N_SHELLS) / count
        square = np.bincount(shell[mine], f[mine] ** 2, N_SHELLS) / count
        with np.errstate(invalid="ignore", divide="ignore"):
            moment = mean**2 / square
        flat = np.full(N_SHELLS, _EXPECTED[name])
        curves += [
            Series(name, middle, moment),
            Series(f"{name}, expected", middle, flat, "dashed"),
        ]
        rows.append(
            {"reflections": name, "n": int(mine.sum()),
             "<F>²/<F²>": float(np.nansum(moment * count) / count[np.isfinite(moment)].sum()),
             "expected": _EXPECTED[name]}
        )  # fmt: skip
    plots += shells("Moment of amplitudes by resolution", "<F>² / <F²>", curves)
    weak = has & (ratio < 10.0)
    plots.append(
        grid(
            "Amplitudes of weak reflections", ratio[weak],
            (own["amplitude"] / own["amplitude_sigma"])[weak], ("I / sigma", "F / sigma"),
            x_range=(-4.0, 10.0),
        )
    )  # fmt: skip
    lines = [f"{int((ratio < 0).sum())} of {len(ratio)} intensities are negative"]
    return Section(
        lines=lines, plots=[p for p in plots if not isinstance(p, Lines) or p.series],
        tables=[Table(name="amplitudes", title="Moments of amplitudes", rows=rows)],
    )  # fmt: skip


SECTION = SectionMaker(
    name="amplitudes", title="Amplitudes", order=15.7, make=make, needs=("merge",)
)
