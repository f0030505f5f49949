"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from support.paths import shared_folder

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile(
    "ci", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("coverage", max_examples=5, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the shared folder, or skip the test where it is absent."""
    folder = shared_folder()
    if not (folder / "data" / "README.md").exists():
        pytest.skip(f"needs the frames of {folder}; set DXDASK_SHARED to where they are")
    return folder


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the files of three small runs of one simulated crystal; do not write to them."""
    from support.ensemble_example import write_frames

    return write_frames(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="session")
def processed(raw: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the store that `process` makes of them on threads; do not write to it."""
    from support.ensemble_example import QUICK

    import dxdask

    path = tmp_path_factory.mktemp("processed") / "threads.zarr"
    return dxdask.process(raw, path, show=dxdask.quiet, **QUICK)


@pytest.fixture(scope="session")
def stills_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the store of processed stills, beside its file; do not write to it."""
    from support.processed_stills import processed_stills

    return processed_stills(tmp_path_factory.mktemp("stills"))


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a Slurm that runs on this machine, or skip the test."""
    from support.slurm_here import running_slurm

    with running_slurm(tmp_path_factory.mktemp("slurm")) as folder:
        yield folder
