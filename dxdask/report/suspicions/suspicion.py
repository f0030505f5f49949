"""What is unlike good data."""

from __future__ import annotations

from typing import NamedTuple


class Suspicion(NamedTuple):
    """What is unlike good data.

    Attributes
    ----------
    text : with its figure. action : what to do. section : of the report that shows it.
    """

    text: str
    action: str
    section: str
