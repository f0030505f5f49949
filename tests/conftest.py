"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def shared_folder() -> Path:
    """Return the folder of real and simulated frames and of reference results."""
    return Path(os.environ.get("DXDASK_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the shared folder, or skip the test where it is absent."""
    folder = shared_folder()
    if not (folder / "data" / "README.md").exists():
        pytest.skip(f"needs the frames of {folder}; set DXDASK_SHARED to where they are")
    return folder
