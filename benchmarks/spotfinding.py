"""CPU of the threshold and label kernels, ms a megapixel, beside DIALS's C++ where it is installed.

    python benchmarks/spotfinding.py [--python /usr/bin/python3]

The frame is made up: the size of a Pilatus 6M, background of 3 counts, spots of some 20 pixels.
`--python` names an interpreter that imports dials; both see the same frame, in memory.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector, Panel
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.parts import spots_of_block
from dxdask.spotfinding.threshold import DispersionThreshold

SHAPE = (2527, 2463)
DIALS = """
import sys, time
import numpy as np
from dials.algorithms.image import threshold
from dials.array_family import flex
image = np.fromfile(sys.argv[1], np.int32).reshape({shape}).astype(float)
image, mask = flex.double(image), flex.bool(flex.grid({shape}), True)
for name in ("DispersionThreshold", "DispersionExtendedThreshold"):
    algorithm = getattr(threshold, name)({shape}, (3, 3), 6.0, 3.0, 0.0, 2)
    out = flex.bool(flex.grid({shape}))
    seconds = []
    for _ in range(8):
        start = time.thread_time()
        algorithm(image, mask, out)
        seconds.append(time.thread_time() - start)
    print(min(seconds), out.count(True))
"""


def frame(n_spots: int = 2000) -> NDArray[np.int32]:
    """Return a frame with spots on a flat background."""
    rng = np.random.default_rng(0)
    image = rng.poisson(3.0, SHAPE)
    blob = 200 * np.exp(-0.5 * np.add.outer(np.arange(-3, 4) ** 2, np.arange(-3, 4) ** 2))
    for y, x in zip(
        rng.integers(3, SHAPE[0] - 4, n_spots), rng.integers(3, SHAPE[1] - 4, n_spots), strict=True
    ):
        image[y - 3 : y + 4, x - 3 : x + 4] += rng.poisson(blob)
    return image.astype(np.int32)


def ms_per_megapixel(function: Callable[[], Any], n_pixels: int) -> float:
    """Return the least CPU of this thread over some calls, after one that compiles."""
    function()
    seconds = []
    for _ in range(8):
        start = time.thread_time()
        function()
        seconds.append(time.thread_time() - start)
    return min(seconds) * 1e9 / n_pixels


def dials_figures(python: str, image: NDArray[np.int32]) -> list[tuple[float, int]]:
    """Return ms a megapixel and strong pixels of both thresholds of DIALS."""
    with tempfile.NamedTemporaryFile(suffix=".raw") as file:
        image.tofile(Path(file.name))
        done = subprocess.run(
            [python, "-c", DIALS.format(shape=SHAPE), file.name],
            capture_output=True,
            text=True,
            check=False,
        )
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(float(s) * 1e9 / image.size, int(n)) for s, n in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter with dials")
    arguments = parser.parse_args()
    image = frame()
    mask = np.ones(SHAPE, bool)
    beside = dials_figures(arguments.python, image)
    print(f"{'kernel':24}{'dtype':10}{'dxdask':>8}{'DIALS':>8}  strong pixels")
    for i, name in enumerate(("dispersion", "dispersion_extended")):
        for dtype in (np.uint16, np.int32, np.float32):
            counts = image.astype(dtype)
            threshold = DispersionThreshold(SHAPE, counts.dtype, extended=bool(i))
            cost = ms_per_megapixel(
                lambda t=threshold, c=counts: t(c, mask, (-1, 65535)), image.size
            )
            theirs = f"{beside[i][0]:8.1f}" if beside else f"{'-':>8}"
            agree = f" ({beside[i][1]})" if beside else ""
            found = int(threshold(counts, mask, (-1, 65535)).sum())
            print(f"{name:24}{dtype.__name__:10}{cost:8.1f}{theirs}  {found}{agree}")
    detector = Detector(panels=(Panel(image_size=SHAPE[::-1]),))
    block = np.stack([image] * 4).astype(np.uint16)
    parameters = SpotfinderParameters()
    whole = ms_per_megapixel(
        lambda: spots_of_block(block, detector, [mask], parameters, first_z=0, two_d=False),
        block.size,
    )
    print(f"{'block of 4: all steps':24}{'uint16':10}{whole:8.1f}")


if __name__ == "__main__":
    main()
