"""Indexed and unindexed spots by image, and their places on the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dxdask.columns import Flag, has_flag
from dxdask.report.values.results import Results, Source, on_frame, results_of, runs_of

if TYPE_CHECKING:
    import pandas as pd

STEPS = ("index", "refine", "find_spots")
_NEEDED = ("experiment", "panel", "flags", "x", "y", "z")


def spots_by_image(source: Source, *, step: str | None = None) -> pd.DataFrame:
    """Return the numbers of indexed and unindexed spots by image.

    source : see `results_of`; of a store index, else refine, else find_spots. step : of a store,
    the one to read.

    Returns
    -------
    DataFrame
        run, image (number), n_indexed, n_unindexed; every image of a scan, those of stills that
        have spots.
    """
    import pandas as pd

    results = results_of(source, STEPS, _NEEDED, step=step)
    table = results.reflections
    run, indexed = runs_of(results), has_flag(table, Flag.INDEXED)
    image = np.floor(table["z"]).astype(np.int64) + 1
    frames = []
    for name in results.experiments.runs:
        mine = run == name
        images = _images(results, name, image[mine])
        place = np.searchsorted(images, image[mine])
        good = (place < len(images)) & (images[np.minimum(place, len(images) - 1)] == image[mine])
        counts = [
            np.bincount(place[good & which[mine]], minlength=len(images))
            for which in (indexed, ~indexed)
        ]
        frames.append(
            pd.DataFrame(
                {"run": name, "image": images, "n_indexed": counts[0], "n_unindexed": counts[1]}
            )
        )
    return pd.concat(frames, ignore_index=True)


def _images(results: Results, run: str, seen: np.ndarray) -> np.ndarray:
    scans = [e.scan for e in results.experiments if e.run == run and e.scan is not None]
    if not scans or scans[0].is_still:
        return np.unique(seen)
    return np.arange(min(s.image_range[0] for s in scans), max(s.image_range[1] for s in scans) + 1)


def spots_over_detector(source: Source, *, step: str | None = None) -> pd.DataFrame:
    """Return the places of spots on the stored frame: run, image, frame_x, frame_y (px), indexed.

    source, step : see `spots_by_image`.
    """
    import pandas as pd

    results = results_of(source, STEPS, _NEEDED, step=step)
    table = results.reflections
    xy = on_frame(results, table["x"], table["y"])
    return pd.DataFrame(
        {
            "run": runs_of(results),
            "image": np.floor(table["z"]).astype(np.int64) + 1,
            "frame_x": xy[:, 0],
            "frame_y": xy[:, 1],
            "indexed": has_flag(table, Flag.INDEXED),
        }
    )
