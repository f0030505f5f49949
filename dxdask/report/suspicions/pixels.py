"""Bad pixels, and values of pixels: a notch, saturation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dxdask.report.step_tables import StepTables
from dxdask.report.suspicions.suspicion import Suspicion
from dxdask.tables import shortened


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
        yield Suspicion(
            f"bad pixels that no mask had: {several} (dxdask show STORE find_spots)",
            "they are excluded here; have them put in the mask of the detector",
            "bad_pixels",
        )


def _notch(tables: StepTables) -> Iterator[Suspicion]:
    notches = {str(r["notch"]) for r in tables.rows("histogram", "runs") if _given(r.get("notch"))}
    if notches:
        yield Suspicion(
            f"no pixel of a spot has the value {shortened(sorted(notches), 3)}: a notch in the "
            "histogram, as where a detector switches its gain",
            "compare runs of several transmissions: dxdask linearity STORE",
            "pixels",
        )


def _given(value: object) -> bool:
    return value not in (None, "", "-", "none")


def _saturated(tables: StepTables) -> Iterator[Suspicion]:
    n = sum(int(v) for v in tables.values("histogram", "runs", "n_saturated"))
    if n:
        yield Suspicion(
            f"{n} pixels of spots are at saturation or above",
            "reflections with them are not used; record with less transmission",
            "pixels",
        )
