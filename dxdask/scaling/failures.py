"""Why reflections are not integrated well, by their flags; without kernels, for the ledger."""

from __future__ import annotations

from dxdask.columns import Flag

FAILURES = (
    (Flag.OVERLOADED, "overloaded"),
    (Flag.FAILED_DURING_BACKGROUND_MODELLING, "no background"),
    (Flag.FOREGROUND_INCLUDES_BAD_PIXELS, "bad pixels in the foreground"),
    (Flag.FAILED_DURING_PROFILE_FITTING, "profile not fitted"),
    (Flag.FAILED_DURING_SUMMATION, "not summed"),
    (Flag.OVERLAPPED_FG, "overlapped"),
)
"""Flags of reflections that are not integrated well, and the reason that each is."""
