"""Bad pixels, and values of pixels: a notch, saturation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.suspicion import Suspicion
from dxdask.tables import shortened

MEANING = {
    "dead": "have no counts",
    "hot": "have too many",
    "strong": "are often above their surroundings",
    "untrusted": "have no trusted count",
}
"""Of the reasons why a pixel is bad."""


def suspicious_pixels(tables: StepTables) -> Iterator[Suspicion]:
    """Yield what is suspicious of pixels."""
    for check in (_bad_pixels, _notch, _saturated):
        yield from check(tables)


def _bad_pixels(tables: StepTables) -> Iterator[Suspicion]:
    rows = tables.rows("find_bad_pixels", "summary")
    for name, text in (("n_hot", "hot"), ("n_dead", "dead"), ("n_strong", "always strong")):
        n = max((int(row.get(name) or 0) for row in rows), default=0)
        if n:
            yield Suspicion(
                f"{n} {text} pixels (dxdask show STORE find_bad_pixels)",
                "mask them: dxdask apply_mask STORE mask=find_bad_pixels",
                "bad_pixels",
            )
    found = tables.rows("find_spots", "bad_pixels")
    pixels = {(row["panel"], row["slow"], row["fast"]): row["reason"] for row in found}
    if pixels:
        counts = Counter(pixels.values()).most_common()
        several = ", ".join(f"{n} {reason}" for reason, n in counts)
        means = "; ".join(f"{r} ones {MEANING[r]}" for r, _ in counts if r in MEANING)
        yield Suspicion(
            f"bad pixels that no mask had: {several} ({means})",
            "they are excluded here; have them put in the mask of the detector (dxdask show STORE "
            "find_spots lists them)",
            "bad_pixels",
        )


def _notch(tables: StepTables) -> Iterator[Suspicion]:
    rows = [r for r in tables.rows("histogram", "runs") if _given(r.get("notch"))]
    if not rows:
        return
    values = shortened(sorted({str(r["notch"]) for r in rows}), 3)
    n = sum(int(r["n_pixels"]) for r in rows)
    text = f"counts of {values} are never recorded, in {n} pixels of spots of {len(rows)} runs: "
    known = _response(tables)
    yield Suspicion(
        f"{text}a notch in the histogram, as where a detector switches its gain{known}",
        "corrected here; data recorded otherwise need this correction too"
        if known
        else "measure it: dxdask calibrate_detector STORE; compare runs of several transmissions: "
        "dxdask linearity STORE",
        "response" if known else "pixels",
    )


def _response(tables: StepTables) -> str:
    """Return the response of the detector in words, "" where none was found."""
    for row in tables.rows("calibrate_detector", "detector_response"):
        if row.get("threshold") is not None and row.get("factor") is not None:
            offset = row.get("offset") or 0.0
            return (
                f"; from {row['threshold']:.0f} photons on it records {row['factor']:.4f} n "
                f"{'-' if offset < 0 else '+'} {abs(offset):.2f} counts for n photons"
            )
    return ""


def _given(value: object) -> bool:
    return value not in (None, "", "-", "none")


def _saturated(tables: StepTables) -> Iterator[Suspicion]:
    rows = [r for r in tables.rows("histogram", "runs") if int(r.get("n_saturated") or 0)]
    n = sum(int(r["n_saturated"]) for r in rows)
    if n:
        of_runs = shortened([f"{r['run']} {r['n_saturated']}" for r in rows], 4)
        yield Suspicion(
            f"{n} pixels of spots are at saturation or above ({of_runs}; largest count "
            f"{max(int(r['max']) for r in rows)})",
            "reflections with them are not used; record with less transmission",
            "pixels",
        )
