"""Strong pixels above the radial profile: those of DIALS on real frames, and as many spots."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.dxtbx_parallax import as_in_dxtbx

from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.thresholds.radial_profile import RadialProfileThreshold
from dxdask.spotfinding.thresholds.rings import rings_of
from dxdask.storage.importers import read_runs

DIALS_PYTHON = Path("/usr/bin/python3")

SCRIPT = """
import json, sys
import numpy as np
from dials.extensions.radial_profile_spotfinder_threshold_ext import (
    RadialProfileSpotFinderThresholdExt, phil_str,
)
from dxtbx.model.experiment_list import ExperimentListFactory
from libtbx.phil import parse
path, cases, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
experiment = ExperimentListFactory.from_filenames([path])[0]
images, panel = experiment.imageset, experiment.detector[0]
found = {}
for i, case in enumerate(cases):
    panel.set_gain(case.get("gain", 1.0))
    image, mask = images.get_corrected_data(0)[0], images.get_mask(0)[0]
    if "region" in case:
        x0, x1, y0, y1 = case["region"]
        image, mask = image[y0:y1, x0:x1], mask[y0:y1, x0:x1]
    scope = parse("spotfinder { threshold { radial_profile { %s } } }" % phil_str)
    parameters = scope.extract()
    for name in ("n_iqr", "n_bins", "blur"):
        if name in case:
            setattr(parameters.spotfinder.threshold.radial_profile, name, case[name])
    if "blur" not in case:
        parameters.spotfinder.threshold.radial_profile.blur = None
    strong = RadialProfileSpotFinderThresholdExt(parameters).compute_threshold(
        image, mask, imageset=images, i_panel=0, region_of_interest=case.get("region")
    )
    found["%d" % i] = strong.as_numpy_array()
    found["%d/mask" % i] = mask.as_numpy_array()
np.savez(out, **found)
"""

CASES: tuple[dict[str, Any], ...] = (
    {},
    {"blur": "narrow"},
    {"blur": "wide"},
    {"n_iqr": 3, "n_bins": 17},
    {"n_iqr": 2, "n_bins": 400, "blur": "wide"},
    {"region": [100, 391, 57, 500], "n_iqr": 4},
    {"gain": 2.0},
    {"gain": 0.5, "blur": "narrow", "n_iqr": 2},
)


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("lysozyme_ed/00001.img.bz2", CASES),
        ("lysozyme_ed/00040.img.bz2", CASES[:3]),
        ("nuclease_xray/snc_reindex_001.img.bz2", CASES),
        ("thaumatin_grid/thau_3_2_0002.cbf.bz2", CASES[:1]),
        ("thaumatin_grid/thau_3_2_0014.cbf.bz2", CASES[2:3]),
    ],
)
def test_strong_pixels_are_those_of_dials(
    shared: Path, tmp_path: Path, name: str, cases: tuple[dict[str, Any], ...]
) -> None:
    path, out = shared / "data/real" / name, tmp_path / "strong.npz"
    if not DIALS_PYTHON.exists():
        pytest.skip(f"no {DIALS_PYTHON}, which would have DIALS")
    done = subprocess.run(
        [DIALS_PYTHON, "-c", SCRIPT, path, json.dumps(cases), out],
        capture_output=True,
        text=True,
        check=False,
    )
    if "No module named 'dials'" in done.stderr:
        pytest.skip(f"no DIALS for {DIALS_PYTHON}")
    assert done.returncode == 0, done.stderr
    found = np.load(out)
    (run,) = read_runs([path])
    frame, panel = run.read(0, 1)[0], as_in_dxtbx(run.experiment).detector.panels[0]
    for i, case in enumerate(cases):
        x0, x1, y0, y1 = region = case.get("region") or (
            0,
            *panel.image_size[:1],
            0,
            frame.shape[0],
        )
        threshold = RadialProfileThreshold(
            rings_of(panel, run.experiment.beam, case.get("n_bins", 100), region),
            n_iqr=case.get("n_iqr", 6),
            blur=case.get("blur"),
        )
        strong = threshold(np.ascontiguousarray(frame[y0:y1, x0:x1]), found[f"{i}/mask"])
        assert strong.any()
        np.testing.assert_array_equal(strong, found[f"{i}"], err_msg=str(case))


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "blur", "n_strong", "n_spots"),
    [
        ("lysozyme_ed/*.img.bz2", None, None, 426),
        ("lysozyme_ed/*.img.bz2", "narrow", None, 1090),
        (
            "thaumatin_grid/*.cbf.bz2",
            None,
            [13019, 16880, 12398, 9883, 8028, 2849, 255, 165],
            4453,
        ),
    ],
)
def test_as_many_spots_as_dials(
    shared: Path, files: str, blur: str | None, n_strong: list[int] | None, n_spots: int
) -> None:
    # the numbers are those dials.find_spots 3.12.1 printed
    paths = sorted((shared / "data/real").glob(files))
    (run,) = read_runs(paths)
    profile = {"algorithm": "radial_profile", "radial_profile": {"blur": blur}}
    found = find_spots(
        run.read(0, len(paths)),
        as_in_dxtbx(run.experiment),
        # DIALS masks no bad pixels
        parameters=SpotfinderParameters(threshold=profile, mask_bad_pixels=False),
    )
    assert len(found.reflections["x"]) == n_spots
    if n_strong:
        (images,) = (t for t in found.tables if t.name == "images")
        assert [row["n_strong_pixels"] for row in images.rows] == n_strong
