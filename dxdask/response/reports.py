"""Tables and messages of `calibrate_detector`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dxdask.response.by_transmissions import law_of, linear_law
from dxdask.response.linear import deviations, largest_deviation
from dxdask.response.model import DetectorResponse
from dxdask.response.ratios import Law, PairedCounts
from dxdask.tables import Table

_RESPONSE = {
    "factor": ("factor", ".6f"),
    "factor_su": ("su", ".6f"),
    "offset": ("offset", ".4f"),
    "offset_su": ("su", ".4f"),
    "saturation": ("saturation", "g"),
    "examined": ("examined\nbelow", "d"),
    "n_skipped": ("skipped\ncounts", "d"),
    "n_pixels": ("pixels\ncompared", "d"),
    "chi2_linear": ("chi2/n\nlinear", ".2f"),
    "chi2": ("chi2/n", ".2f"),
}
_LINEARITY = {
    "from": ("from\nphotons", "g"),
    "to": ("to", "g"),
    "n": ("pixels", "d"),
    "counts": ("counts\n(%)", ".2f"),
    "photons": ("photons\n(%)", ".2f"),
    "su": ("su (%)", ".2f"),
}


class Found(NamedTuple):
    """The response of a detector, or why there is none, and what it was found by.

    examined : counts below this one were examined for skipped ones. n_pixels : that were compared
    at several transmissions. chi2_linear, chi2 : of their ratios by degrees of freedom.
    """

    response: DetectorResponse | None = None
    method: str | None = None
    reason: str = ""
    examined: int | None = None
    n_skipped: int | None = None
    n_pixels: int | None = None
    chi2_linear: float | None = None
    chi2: float | None = None


def response_row(run: str, found: Found, saturation: float) -> dict[str, Any]:
    """Return the row of a run; saturation : upper end of the trusted range, counts."""
    given = dict.fromkeys(DetectorResponse.__dataclass_fields__)
    if found.response is not None:
        given = found.response.to_dict()
    return {
        "run": run,
        **given,
        "method": found.method if found.response is not None else None,
        "saturation": saturation if np.isfinite(saturation) else None,
        "examined": found.examined,
        "n_skipped": found.n_skipped,
        "n_pixels": found.n_pixels,
        "chi2_linear": found.chi2_linear,
        "chi2": found.chi2,
        "note": found.reason,
    }


def response_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the table `detector_response`."""
    title = "Counts recorded for n photons: factor n + offset from the threshold on"
    return Table(name="detector_response", title=title, rows=rows, headings=_RESPONSE)


def verdict(found: Found) -> str:
    """Return the response and its method, or the reason why there is none, in words."""
    r = found.response
    if r is None:
        below = "" if found.examined is None else f" below {found.examined} counts"
        return f"no second law{below}: {found.reason}"
    by = "counts that are skipped" if found.method == "skipped counts" else (
        f"the ratios of runs of {found.n_pixels} pairs of pixels"
    )  # fmt: skip
    return (
        f"from {r.threshold} photons on counts are {r.factor:.5f} n + {r.offset:.3f} "
        f"(su {r.factor_su:.5f}, {r.offset_su:.3f}), by {by}"
    )


def linearity_rows(
    pairs: PairedCounts, response: DetectorResponse | None
) -> tuple[list[dict[str, Any]], tuple[Law, Law]]:
    """Return rows of deviations (%) of ratios, of counts and of photons; and the laws of these."""
    linear = linear_law(pairs)
    right = linear if response is None else law_of(pairs, response)
    before, after = deviations(pairs, linear), deviations(pairs, right)
    both = {row["from"]: row for row in before}
    rows = [
        {
            "from": row["from"], "to": row["to"], "n": row["n"],
            "counts": 100.0 * both[row["from"]]["deviation"],
            "photons": 100.0 * row["deviation"], "su": 100.0 * row["su"],
        }
        for row in after if row["from"] in both
    ]  # fmt: skip
    return rows, (linear, right)


def linearity_message(
    rows: Sequence[dict[str, Any]], laws: tuple[Law, Law], compared: Sequence[str]
) -> str:
    """Return in words how linear the detector is, and the ratios of the runs (ascending)."""
    before, after = largest_deviation(rows, "counts"), largest_deviation(rows, "photons")
    ratios = ", ".join(f"{s:.4f}" for s in np.exp(laws[1].log_s))
    text = f"ratios of {', '.join(compared)} are {ratios}"
    if before is None or after is None:
        return f"{text}; too few pixels tell how linear the detector is"
    if laws[0].cut == laws[1].cut:
        return f"linear within {before:.1f} %; {text}"
    return f"linear within {before:.1f} % as recorded, {after:.1f} % as photons; {text}"


def linearity_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return the table `detector_linearity`."""
    title = "Deviations of the ratios of runs from their means, by photons of the weaker run"
    return Table(name="detector_linearity", title=title, rows=rows, headings=_LINEARITY)
