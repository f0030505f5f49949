"""The same masks as dials.generate_mask, pixel for pixel, parallax and several panels included."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dxdask.masking import GenerateMaskParameters, generate_mask
from dxdask.models import Beam, Detector, Experiment, ExperimentList, Panel

DIALS_PYTHON = Path("/usr/bin/python3")
BEAM = Beam(wavelength=0.98)
TILTED = Panel(
    origin=(-21.0, 24.0, -60.0), fast_axis=(0.995, 0.0, 0.09987492177719089), pixel_size=(0.3, 0.3),
    image_size=(140, 160), thickness=0.45, material="Si", mu=3.6, use_parallax=True,
    parallax_law="dxtbx",
)  # fmt: skip
FLAT = replace(
    TILTED, origin=(23.1, 23.9, -61.0), fast_axis=(1.0, 0.0, 0.0), offset=(145, 0),
    image_size=(130, 150), thickness=1.0,
)  # fmt: skip
DETECTOR = Detector(panels=(TILTED, FLAT))

CASES: dict[str, tuple[dict[str, Any], str]] = {
    "border": ({"border": 7}, "border=7"),
    "limits": ({"d_min": 2.7, "d_max": 9.0}, "d_min=2.7 d_max=9"),
    "no parallax": (
        {"d_min": 2.2, "disable_parallax_correction": True},
        "d_min=2.2 disable_parallax_correction=True",
    ),
    "parallax": ({"d_min": 2.2}, "d_min=2.2"),
    "ranges": (
        {"resolution_range": ((3.0, 4.0), (2.2, 2.1), (2.15, 2.4))},
        "resolution_range=3,4 resolution_range=2.2,2.1 resolution_range=2.15,2.4",
    ),
    "ice": ({"ice_rings": {"filter": True}}, "ice_rings.filter=True"),
    "wide ice": (
        {
            "ice_rings": {
                "filter": True, "unit_cell": (6.358, 6.358, 6.358, 90, 90, 90),
                "space_group": "F d -3 m :1", "width": 0.01, "d_min": 2.0,
            }
        },
        "ice_rings.filter=True ice_rings.unit_cell=6.358,6.358,6.358,90,90,90 ice_rings.d_min=2 "
        "ice_rings.space_group=Fd-3m:1 ice_rings.width=0.01",
    ),
    "shapes": (
        {
            "untrusted": (
                {"circle": (20, 30, 11)}, {"rectangle": (50, 70, 0, 9)}, {"pixel": (100, 3)},
                {"circle": (139, 158, 25)}, {"polygon": (80, 80, 120, 85, 130, 140, 90, 100)},
                {"polygon": (10, 100, 60, 100, 20, 140, 35, 80, 50, 140)},
            )
        },
        "untrusted.circle=20,30,11 untrusted.rectangle=50,70,0,9 untrusted.pixel=100,3 "
        "untrusted.circle=139,158,25 untrusted.polygon=80,80,120,85,130,140,90,100 "
        "untrusted.polygon=10,100,60,100,20,140,35,80,50,140",
    ),
    "panel": ({"untrusted": ({"panel": 1},)}, "untrusted.panel=1"),
    "shapes of a panel": (
        {"untrusted": ({"panel": 1, "circle": (60, 60, 30), "rectangle": (0, 130, 149, 150)},)},
        "untrusted{panel=1\ncircle=60,60,30\nrectangle=0,130,149,150}",
    ),
}  # fmt: skip

SCRIPT = """
import json, sys
import numpy as np
from dials.util.masking import generate_mask, phil_scope
from dxtbx.model import Beam, Detector, ParallaxCorrectedPxMmStrategy, SimplePxMmStrategy
from iotbx.phil import parse
given = json.load(open(sys.argv[1]))
class ImageSet:
    def get_detector(self):
        return detector
    def get_beam(self):
        return beam
beam = Beam(given["direction"], given["wavelength"])
detector = Detector()
for p in given["panels"]:
    panel = detector.add_panel()
    panel.set_frame(p["fast_axis"], p["slow_axis"], p["origin"])
    panel.set_pixel_size(p["pixel_size"])
    panel.set_image_size(p["image_size"])
    panel.set_thickness(p["thickness"])
    panel.set_mu(p["mu"])
    panel.set_px_mm_strategy(ParallaxCorrectedPxMmStrategy(p["mu"], p["thickness"]))
found = {}
for name, text in given["cases"].items():
    interpreter = phil_scope.command_line_argument_interpreter()
    texts = [text] if "{" in text else text.split()
    sources = [parse(t) if "{" in t else interpreter.process_arg(t) for t in texts]
    masks = generate_mask(ImageSet(), phil_scope.fetch(sources=sources).extract())
    for i, mask in enumerate(masks):
        found[f"{name}/{i}"] = mask.as_numpy_array()
np.savez(sys.argv[2], **found)
"""


@pytest.fixture(scope="module")
def dials(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return DIALS's masks by case and panel."""
    found = DIALS_PYTHON.exists() and subprocess.run(
        [DIALS_PYTHON, "-c", "import dials"], capture_output=True, check=False
    )
    if not found or found.returncode:
        pytest.skip("no DIALS for /usr/bin/python3")
    folder = tmp_path_factory.mktemp("dials")
    given = {
        "direction": BEAM.direction,
        "wavelength": BEAM.wavelength,
        "panels": DETECTOR.to_dict()["panels"],
        "cases": {name: text for name, (_, text) in CASES.items()},
    }
    (folder / "given.json").write_text(json.dumps(given))
    files = [folder / "given.json", folder / "masks.npz"]
    done = subprocess.run(
        [DIALS_PYTHON, "-c", SCRIPT, *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.load(folder / "masks.npz")


@pytest.mark.dials
@pytest.mark.parametrize("case", CASES)
def test_masks_are_those_of_dials(case: str, dials: Any) -> None:
    experiment = Experiment(identifier="0", run="run1", beam=BEAM, detector=DETECTOR)
    parameters = GenerateMaskParameters.model_validate(CASES[case][0])
    mask = generate_mask(ExperimentList.of([experiment]), parameters).arrays["mask"][0]
    for i, panel in enumerate(DETECTOR.panels):
        np.testing.assert_array_equal(mask[panel.slices], dials[f"{case}/{i}"])
    assert not mask[DETECTOR.panel_map() >= 0].all()


@pytest.mark.dials
def test_parallax_makes_a_difference_here(dials: Any) -> None:
    assert (dials["parallax/1"] != dials["no parallax/1"]).sum() > 10
