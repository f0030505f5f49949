"""Models that a step requires: a rotation scan, a crystal, a profile."""

from __future__ import annotations

from typing import NamedTuple

from dxdask.errors import InputError
from dxdask.models import Crystal, Experiment, GaussianProfile, Goniometer, Scan


class Rotation(NamedTuple):
    """The goniometer and the scan of a rotation experiment."""

    goniometer: Goniometer
    scan: Scan


def require_rotation(experiment: Experiment) -> Rotation:
    """Return the goniometer and the scan, which must be a rotation scan.

    Raises
    ------
    InputError
        The run is a still: it has no scan or goniometer, or its images have no width.
    """
    goniometer, scan = experiment.goniometer, experiment.scan
    if scan is None or goniometer is None or scan.is_still:
        raise InputError(
            f"run {experiment.run} is a still: it has no rotation scan; exclude it, only "
            "rotation data can be processed here"
        )
    return Rotation(goniometer, scan)


def require_crystal(experiment: Experiment) -> Crystal:
    """Return the crystal.

    Raises
    ------
    InputError
        The experiment has no crystal.
    """
    if experiment.crystal is None:
        raise InputError(f"run {experiment.run} has no crystal; index it first, or exclude it")
    return experiment.crystal


def require_profile(experiment: Experiment) -> GaussianProfile:
    """Return the profile.

    Raises
    ------
    InputError
        The experiment has no profile.
    """
    if experiment.profile is None:
        raise InputError(
            f"run {experiment.run} has no profile; estimate it from strong spots, or give "
            "integration.profile.sigma_b and integration.profile.sigma_m"
        )
    return experiment.profile
