"""CPU and memory of integration: of 9 M pixel frames of 0.1 degree, and beside DIALS.

Frames of Poisson noise are compressed (bitshuffle, LZ4) in memory; reflections are those that a
crystal of 90 x 120 x 150 A has there (9300 on each frame). Memory is what a block takes at most
beside its frames. With `--insulin`, a store of insulin
refined by dxdask, and a folder with refined.expt and refined.refl of the same runs by DIALS, are
integrated.

    python benchmarks/integration.py [--frames 27] [--insulin STORE FOLDER]
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
from measure import run
from numpy.typing import NDArray

from dxdask.integration.blocks import sum_block
from dxdask.integration.context import IntegrationContext, integration_context
from dxdask.integration.parameters import IntegrationParameters
from dxdask.integration.prediction import predict_from_parameters
from dxdask.integration.profile_sums import sum_profiles
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    GaussianProfile,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.models.vectors import rotation_matrix
from dxdask.storage.codecs.chunks import decompress

SIZE = (3262, 3108)
PIXEL = 0.075
BLOCK = 9
BLOCKS = (1, 3, 9, 27)


def experiment(n: int) -> Experiment:
    """Return a run of n images of 0.1 degree on a detector of 9 M pixels."""
    panel = Panel(
        origin=(-PIXEL * SIZE[1] / 2, PIXEL * SIZE[0] / 2, -200.0),
        fast_axis=(1, 0, 0),
        slow_axis=(0, -1, 0),
        pixel_size=(PIXEL, PIXEL),
        image_size=SIZE[::-1],
        trusted_range=(-1.0, 60000.0),
        thickness=0.45,
        material="Si",
        mu=0.9,
        use_parallax=True,
    )
    crystal = Crystal.from_cell(
        (90.0, 120.0, 150.0, 90.0, 90.0, 90.0),
        u_matrix=rotation_matrix((0.2, -0.7, 0.4), 0.8),
        space_group="P 21 21 21",
    )
    return Experiment(
        identifier="thin",
        run="thin",
        beam=Beam(wavelength=0.976, direction=(0, 0, 1)),
        detector=Detector(panels=(panel,)),
        goniometer=Goniometer(axes=((1.0, 0, 0),)),
        scan=Scan(image_range=(1, n), oscillation=(0.0, 0.1)),
        crystal=crystal,
        profile=GaussianProfile(sigma_b=np.deg2rad(0.025), sigma_m=np.deg2rad(0.12)),
    )


def reading(frames: NDArray[np.uint16], folder: Path) -> float:
    """Return the CPU seconds of decompressing one frame."""
    import h5py
    import hdf5plugin

    with h5py.File(folder / "frames.h5", "w", driver="core", backing_store=False) as file:
        data = file.create_dataset(
            "data", data=frames[:BLOCK], chunks=(1, *SIZE), **hdf5plugin.Bitshuffle(cname="lz4")
        )
        chunks = [data.id.read_direct_chunk((i, 0, 0))[1] for i in range(BLOCK)]
    out = np.empty(SIZE, dtype=np.uint16)
    decompress("bitshuffle+lz4", chunks[0], out)
    start = time.process_time()
    for chunk in chunks:
        decompress("bitshuffle+lz4", chunk, out)
    return (time.process_time() - start) / BLOCK


def integrating(frames: NDArray[np.uint16], context: IntegrationContext, kernel: object) -> float:
    """Return the CPU seconds of a kernel for one frame, in blocks."""
    mask = np.ones(SIZE, dtype=bool)
    kernel(frames[:1], 0, context, mask)  # type: ignore[operator]
    start = time.process_time()
    for first in range(0, len(frames), BLOCK):
        kernel(frames[first : first + BLOCK], first, context, mask)  # type: ignore[operator]
    return (time.process_time() - start) / len(frames)


def memory(frames: NDArray[np.uint16], context: IntegrationContext) -> int:
    """Return the bytes that one block of frames takes at most beside them."""
    mask = np.ones(SIZE, dtype=bool)
    tracemalloc.start()
    sum_block(frames, 0, context, mask)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def insulin(store: str, folder: Path) -> None:
    """Print the CPU of integration here and in DIALS."""
    here = Path.cwd()
    ours = run(
        [sys.executable, "-m", "dxdask", "integrate", store], cwd=here, log=folder / "dxdask.log"
    )
    theirs = run(
        ["dials.integrate", "refined.expt", "refined.refl", "nproc=2"],
        cwd=folder,
        log=folder / "dials.log",
    )
    sys.stdout.write(
        f"insulin: dxdask {ours.cpu:.1f} CPU s, DIALS {theirs.cpu:.1f}: "
        f"1/{theirs.cpu / ours.cpu:.1f} (goal 1/15)\n"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--frames", type=int, default=27)
    parser.add_argument("--insulin", nargs=2, metavar=("STORE", "FOLDER"))
    options = parser.parse_args()
    e, parameters = experiment(options.frames), IntegrationParameters()
    predicted = predict_from_parameters(e, parameters)
    context = integration_context(predicted, e, parameters)
    frames = np.random.default_rng(1).poisson(0.3, (options.frames, *SIZE)).astype(np.uint16)
    box = predicted["bbox"]
    n = float((box[:, 5] - box[:, 4]).sum()) / options.frames
    read = reading(frames, Path.cwd())
    sums = integrating(frames, context, sum_block)
    learn = integrating(frames, context, sum_profiles)
    sys.stdout.write(
        f"9 M pixels, {n:.0f} reflections a frame: reading {1e3 * read:.1f} ms, integrating "
        f"{1e3 * sums:.1f} ({sums / read:.1f} times reading; goal 4), learning profiles "
        f"{1e3 * learn:.1f}\n"
    )
    sys.stdout.write("frames a block  MB of frames  MB beside them\n")
    for count in (count for count in BLOCKS if count <= options.frames):
        part = frames[:count]
        peak = memory(part, context)
        sys.stdout.write(f"{count:14d} {part.nbytes / 1e6:13.0f} {peak / 1e6:15.0f}\n")
    if options.insulin:
        insulin(options.insulin[0], Path(options.insulin[1]))


if __name__ == "__main__":
    main()
