"""Plausibility of a geometry: each fault has a line that names its parameter, good ones none."""

from dataclasses import replace

import numpy as np
import pytest

from dxdask.models import Beam, Detector, Experiment, Goniometer, Panel, Scan
from dxdask.storage.importers.geometry_check import geometry_problems

PANEL = Panel(origin=(-50.0, 60.0, -150.0), pixel_size=(0.1, 0.1), image_size=(1000, 1200))
GOOD = Experiment(
    identifier="",
    run="a",
    beam=Beam(wavelength=1.0),
    detector=Detector(panels=(PANEL,)),
    goniometer=Goniometer(),
    scan=Scan(image_range=(1, 100), oscillation=(0.0, 0.1)),
)


def with_panel(**changes):
    return replace(GOOD, detector=Detector(panels=(replace(PANEL, **changes),)))


def with_beam(**changes):
    return replace(GOOD, beam=replace(GOOD.beam, **changes))


def with_width(width, n_images=100):
    scan = Scan(image_range=(1, n_images), oscillation=(0.0, width))
    return replace(GOOD, scan=scan)


@pytest.mark.parametrize(
    "experiment",
    [
        GOOD,
        with_beam(wavelength=0.0251, probe="electron"),
        with_beam(wavelength=0.0251),
        with_beam(wavelengths=(1.0, 0.0, 1.1)),
        with_panel(origin=(-150.0, 60.0, -150.0)),  # beside the beam, by less than its size
        with_panel(  # two theta of 90 degrees: the beam passes it
            origin=(150.0, 60.0, 50.0), fast_axis=(0.0, 0.0, -1.0), slow_axis=(0.0, -1.0, 0.0)
        ),
        with_width(-0.5),
        replace(with_width(0.0), goniometer=None),
    ],
)
def test_plausible_geometries(experiment):
    assert geometry_problems(experiment) == ()


@pytest.mark.parametrize(
    ("experiment", "names"),
    [
        (with_beam(wavelength=9e-11), "beam.wavelength"),
        (with_beam(wavelength=900.0), "beam.wavelength"),
        (with_beam(wavelengths=(1.0, 12000.0)), "beam.wavelength"),
        (with_panel(origin=(-50.0, 60.0, -110000.0)), "detector.distance"),
        (with_panel(origin=(-50.0, 60.0, -0.15)), "detector.distance"),
        (with_panel(origin=(-50.0, 60.0, 150.0)), "between the source and the sample"),
        (with_panel(origin=(-500.0, 60.0, -150.0)), "fast_slow_beam_centre"),
        (with_panel(origin=(0.0, 0.0, -150.0)), "first corner"),
        (with_panel(origin=(np.nan, 0.0, -150.0)), "not finite"),
        (with_panel(pixel_size=(172.0, 172.0)), "pixel_size"),
        (with_width(90.0), "scan.oscillation"),
        (with_width(1e-6), "scan.oscillation"),
        (with_width(18.0, 3600), "turns"),
    ],
)
def test_one_line_names_the_fault(experiment, names):
    lines = geometry_problems(experiment)
    assert any(names in line for line in lines), lines


def test_modules_are_judged_together():
    """The beam meets one of the modules, the others are beside it."""
    panels = tuple(
        replace(PANEL, origin=(-50.0 + 110.0 * i, 60.0, -150.0), offset=(1000 * i, 0))
        for i in range(-4, 5)
    )
    assert geometry_problems(replace(GOOD, detector=Detector(panels=panels))) == ()
