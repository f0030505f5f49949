"""Runs of files with one image each: sweeps without breaks, and stills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector, Experiment, Scan
from dxdask.storage.formats import FileGroup, Format, RunSource
from dxdask.storage.importers.image_header import ImageHeader
from dxdask.storage.importers.image_joining import (
    NumberedImage,
    continues,
    forward,
    scan_of_headers,
    with_starts,
)
from dxdask.storage.importers.image_reader import ImageReader, image_manifest
from dxdask.storage.importers.uneven_angles import NEIGHBOURS

# Numbers in file names beyond this are dates or shots, not images of a scan.
_MAX_NUMBER = 10_000_000


def runs_of_images(
    group: FileGroup,
    file_format: Format,
    read_header: Callable[[Path], ImageHeader],
    *,
    is_one_scan: bool = False,
) -> list[RunSource]:
    """Return the runs in files of one template.

    Images with a rotation make one run as long as numbers, angles and models continue without a
    break, see `continues`. Stills (no width) of one detector make one run, whatever their numbers.
    A backward rotation becomes a forward one about the opposite axis.

    is_one_scan : images whose numbers continue are one run, whatever their angles and models.

    Raises
    ------
    FormatError
        A header is incomplete, or an image is of another size.
    """
    images = [
        NumberedImage(f.path, i + 1 if f.number is None else f.number, read_header(f.path))
        for i, f in enumerate(group.files)
    ]
    blocks: list[list[NumberedImage]] = []
    images = with_starts(images)
    for i, image in enumerate(images):
        ahead = images[i : i + NEIGHBOURS]
        if blocks and continues(blocks[-1], ahead, is_one_scan=is_one_scan):
            blocks[-1].append(image)
        else:
            blocks.append([image])
    names = [group.stem]
    if len(blocks) > 1:
        names = [f"{group.stem}_{b[0].number}" for b in blocks]
    return [_run(name, block, file_format) for name, block in zip(names, blocks, strict=True)]


def _run(name: str, images: Sequence[NumberedImage], file_format: Format) -> RunSource:
    headers = [i.header for i in images]
    first = headers[0]
    numbers = [i.number for i in images]
    n_images = len(images)
    unbroken = numbers == list(range(numbers[0], numbers[0] + n_images)) and numbers[0] >= 1
    start = numbers[0] if unbroken and numbers[-1] < _MAX_NUMBER else 1
    exposures = tuple(h.exposure for h in headers if h.exposure is not None)
    exposures = exposures if len(exposures) == n_images else ()
    found = scan_of_headers(headers)
    turned = -1.0 if found.width < 0 else 1.0
    oscillation = (turned * found.starts[0] + 0.0, turned * found.width)
    scan = Scan(
        image_range=(start, start + n_images - 1),
        oscillation=oscillation,
        exposure_times=exposures[:1] if len(set(exposures)) == 1 else exposures,
        angles=tuple(turned * a + 0.0 for a in found.borders),
    )
    wavelengths = tuple(h.beam.wavelength for h in headers)
    beam = first.beam
    if oscillation[1] == 0.0 and len(set(wavelengths)) > 1:
        beam = replace(beam, wavelength=float(np.mean(wavelengths)), wavelengths=wavelengths)
    goniometer = forward(first.goniometer, oscillation[0], is_reversed=turned < 0)
    experiment = Experiment(
        identifier="",
        run=name,
        beam=beam,
        detector=first.detector,
        goniometer=goniometer,
        scan=scan,
    )
    return RunSource(
        name=name,
        experiment=experiment,
        shape=(n_images, *first.shape),
        dtype=np.dtype(first.dtype),
        mask=mask_of(first.detector, first.shape),
        files=tuple(i.path for i in images),
        reader=ImageReader(
            format=file_format,
            paths=tuple(str(i.path) for i in images),
            frame_shape=first.shape,
            dtype=first.dtype,
        ),
        columns=_columns(headers, wavelengths, turned * found.starts) | _event_ids(images, first),
        missing=tuple({m.value: m for h in reversed(headers) for m in h.missing}.values()),
        problems=(*dict.fromkeys(line for h in headers for line in h.problems), *found.problems),
        locate=partial(image_manifest, [i.path for i in images], file_format.name, headers),
    )


def _columns(
    headers: Sequence[ImageHeader], wavelengths: tuple[float, ...], angles: Floats
) -> dict[str, NDArray[np.float64]]:
    columns: dict[str, list[float | None]] = {
        "angle": (angles + 0.0).tolist(),
        "exposure": [h.exposure for h in headers],
        "timestamp": [h.timestamp for h in headers],
        "transmission": [h.beam.transmission for h in headers],
        "wavelength": list(wavelengths),
    }
    return {
        name: np.array(values, dtype=np.float64)
        for name, values in columns.items()
        if None not in values
    }


def _event_ids(images: Sequence[NumberedImage], first: ImageHeader) -> dict[str, NDArray[np.int64]]:
    """Return the numbers in the names of stills, as their event ids; {} for a sweep."""
    if first.oscillation[1] != 0.0 or len({i.number for i in images}) < len(images):
        return {}
    if max(i.number for i in images) > np.iinfo(np.int64).max:
        return {}
    return {"event_id": np.array([i.number for i in images], np.int64)}


def mask_of(detector: Detector, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (slow, fast), true for pixels on a panel outside its masked rectangles."""
    good = detector.panel_map(shape) >= 0
    for panel in detector.panels:
        view = good[panel.slices]
        for x0, y0, x1, y1 in panel.mask:
            view[y0:y1, x0:x1] = False
    return np.asarray(good)
