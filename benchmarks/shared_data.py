"""Folder of the shared test data: `../shared`, or what DXDASK_SHARED names."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(
    os.environ.get("DXDASK_SHARED", Path(__file__).resolve().parent.parent.parent / "shared")
)
