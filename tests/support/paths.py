"""Paths of the repository and the shared frames."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def shared_folder() -> Path:
    """Return the folder of real and simulated frames and of reference results."""
    return Path(os.environ.get("DXDASK_SHARED", ROOT.parent / "shared"))
