"""Dead time of the pixels in an NXmx file."""

from __future__ import annotations

import h5py

from dxdask.errors import FormatError
from dxdask.models.count_rate import CountRate
from dxdask.storage.importers.nxmx.fields import Findings, first_number

_APPLIED = ("countrate_correction_applied", "detectorSpecific/countrate_correction_applied")


def count_rate_of(group: h5py.Group, found: Findings) -> CountRate:
    """Return the dead time of an NXdetector group, and whether counts are corrected for it.

    `countrate_correction_lookup_table` is no statement that it was applied. The time of the readout
    is not a dead time of pixels.
    """
    applied = dead_time = None
    try:
        applied = first_number(group, _APPLIED, "plain")
        dead_time = first_number(group, ("dead_time",), "time", "s")
    except FormatError as error:
        found.note(error)
    is_corrected = None if applied is None else applied != 0
    return CountRate(dead_time=max(dead_time or 0.0, 0.0), is_corrected=is_corrected)
