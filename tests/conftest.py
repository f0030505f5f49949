"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from paths import shared_folder

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the shared folder, or skip the test where it is absent."""
    folder = shared_folder()
    if not (folder / "data" / "README.md").exists():
        pytest.skip(f"needs the frames of {folder}; set DXDASK_SHARED to where they are")
    return folder
