"""Tasks of the graphs of a long run, and the CPU seconds in which they are built.

    python benchmarks/graph_size.py [--images 18000] [--pixels 3000]

Frames that nobody reads: the graphs of spot finding and of bad pixels are built, not computed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask.utils import ensure_dict
from numpy.typing import NDArray

from dxdask.graphs import bad_pixels, spots
from dxdask.models import Beam, Detector, Experiment, ExperimentList, Panel, Scan
from dxdask.storage.frames.lazy import lazy_frames


class UnreadFrames:
    """Frames of a run, of which only shape and dtype are used."""

    dtype = np.dtype(np.uint16)
    step = 1

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape

    def __dask_tokenize__(self) -> object:
        return ("UnreadFrames", self.shape)

    def require_files(self) -> None:
        """Do nothing."""

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Fail: a graph that is built reads nothing."""
        raise AssertionError("a frame was read while the graph was built")


def experiment_of(shape: tuple[int, int, int]) -> Experiment:
    """Return a sweep on one panel."""
    images, slow, fast = shape
    return Experiment(
        identifier="unread",
        run="unread",
        beam=Beam(),
        detector=Detector(panels=(Panel(image_size=(fast, slow), trusted_range=(-1, 65535)),)),
        scan=Scan(image_range=(1, images), oscillation=(0.0, 0.01)),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=18000)
    parser.add_argument("--pixels", type=int, default=3000)
    given = parser.parse_args()
    shape = (given.images, given.pixels, given.pixels)
    experiment = experiment_of(shape)
    builders: dict[str, Callable[[da.Array], Any]] = {
        "find_spots": lambda frames: spots.find_spots(frames, experiment),
        "find_bad_pixels": lambda frames: bad_pixels.find_bad_pixels(
            [frames], ExperimentList.of([experiment])
        ),
    }
    print(f"frames {shape}\n{'graph':16} {'tasks':>6} {'CPU s':>8}")
    for name, build in builders.items():
        start = time.process_time()
        lazy = build(lazy_frames(UnreadFrames(shape), unreadable="mark"))
        seconds = time.process_time() - start
        print(f"{name:16} {len(ensure_dict(lazy.__dask_graph__())):6d} {seconds:8.2f}")


if __name__ == "__main__":
    main()
