"""The step `estimate_gain`: counts per photon, from the scatter of counts around each pixel.

Photon counts are Poisson distributed, with variance equal to the mean; a gain of g counts per
photon multiplies the mean by g and the variance by g^2, so that their ratio is g where the
background is flat. Spots, edges and bad pixels give outliers of the ratio; the median of the others
is the gain, as in dials.estimate_gain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.analysis.dispersion import index_of_dispersion
from dxdask.analysis.images import (
    Indices,
    chosen_frames,
    good_pixels,
    require_counts,
    trusted_counts,
)
from dxdask.analysis.parameters import GainParameters
from dxdask.arrays import Floats, Mask
from dxdask.errors import InputError
from dxdask.models import Detector, Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table

NO_SPREAD = "the ratios of variance to mean have no spread: the image is empty, or masked"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageGain:
    """Gain estimated from one image.

    Attributes
    ----------
    image : its number.
    gain : counts per photon, or None where it cannot be estimated, see `reason`.
    quartiles : of all ratios, before outliers are rejected.
    panels : the gain of each panel on its own, or None.
    """

    image: int
    gain: float | None
    quartiles: tuple[float, float, float] | None = None
    panels: tuple[float | None, ...] = ()
    reason: str | None = None


def estimate_gain(
    frames: NDArray[Any],
    experiment: Experiment,
    mask: Mask | None = None,
    parameters: GainParameters | None = None,
) -> StepResult:
    """Return the gain of one run's detector, in memory.

    Parameters
    ----------
    frames : (frame, slow, fast) counts, all frames of the run.
    experiment : its models; the panels are used.
    mask : (slow, fast), True is good; None for all.
    parameters : window and sample.

    Returns
    -------
    StepResult
        no reflections; tables `runs` (run, n_images, gain: the median over the images, gain_min,
        gain_max, gain_sd), `images` (run, image, gain, q1, q2, q3) and `panels` (run, panel, gain).
        problems : images from which no gain can be estimated.

    Raises
    ------
    InputError
        The frames do not hold the panels, or are no numbers; no image gives a gain.
    """
    parameters = parameters or GainParameters()
    require_counts(frames, experiment)
    chosen = sampled_frames(experiment, len(frames), parameters)
    gains = image_gains(
        frames[chosen], chosen + experiment.first_image, experiment, mask, parameters
    )
    return result_of_gains(gains, experiment)


def sampled_frames(experiment: Experiment, n_frames: int, parameters: GainParameters) -> Indices:
    """Return the frames (n,) of a run that are used, numbered from 0."""
    return chosen_frames(experiment, n_frames, max_images=parameters.max_images)


def image_gains(
    frames: NDArray[Any],
    images: Indices,
    experiment: Experiment,
    mask: Mask | None,
    parameters: GainParameters,
    unread: Mapping[int, str] | None = None,
) -> tuple[ImageGain, ...]:
    """Return the gain of each of the frames (frame, slow, fast); images : (frame,) their numbers.

    unread : frame of these -> reason why it could not be read.
    """
    unread = unread or {}
    good = good_pixels(experiment, mask)
    return tuple(
        ImageGain(image=int(number), gain=None, reason=unread[i])
        if i in unread
        else _gain_of_image(frame, int(number), experiment.detector, good, parameters)
        for i, (frame, number) in enumerate(zip(frames, images, strict=True))
    )


def _gain_of_image(
    frame: NDArray[Any],
    number: int,
    detector: Detector,
    good: Sequence[Mask],
    parameters: GainParameters,
) -> ImageGain:
    ratios = [
        _ratios(
            index_of_dispersion(
                frame[panel.slices],
                good[i],
                trusted_counts(panel),
                kernel_size=parameters.kernel_size,
                pedestal=panel.pedestal,
            ),
            parameters,
        )
        for i, panel in enumerate(detector.panels)
    ]
    gain, quartiles = robust_median(np.concatenate(ratios))
    if gain is None:
        return ImageGain(image=number, gain=None, quartiles=quartiles, reason=NO_SPREAD)
    panels = (gain,) if len(ratios) == 1 else tuple(robust_median(r)[0] for r in ratios)
    return ImageGain(image=number, gain=gain, quartiles=quartiles, panels=panels)


def _ratios(dispersion: Floats, parameters: GainParameters) -> Floats:
    """Return the ratios (n,) that are used; as in DIALS 1 for a pixel without one."""
    if parameters.full_windows_only:
        return dispersion[~np.isnan(dispersion)]
    flat = dispersion.ravel()
    flat[np.isnan(flat)] = 1.0
    return flat


def robust_median(values: Floats) -> tuple[float | None, tuple[float, float, float] | None]:
    """Return the median of the values (n,) within 1.5 interquartile ranges of the quartiles, and
    the quartiles of all; None where there are no values, or where half of them are the same.
    """
    n = len(values)
    if n == 0:
        return None, None
    # order statistics at the ranks of dials.estimate_gain
    places = [_place(n, k) for k in (1, 2, 3)]
    ordered = np.partition(values, places)
    q1, q2, q3 = (float(ordered[p]) for p in places)
    reach = 1.5 * (q3 - q1)
    if reach == 0.0:
        return None, (q1, q2, q3)
    inside = values[(values > q1 - reach) & (values < q3 + reach)]
    middle = _place(len(inside), 2)
    return float(np.partition(inside, middle)[middle]), (q1, q2, q3)


def _place(n: int, quarters: int) -> int:
    return min(int(np.floor(n * quarters / 4 + 0.5)), n - 1)


def result_of_gains(gains: Iterable[ImageGain], experiment: Experiment) -> StepResult:
    """Return the result of a run from the gains of its images, in order.

    Raises
    ------
    InputError
        None of the images gives a gain.
    """
    every = list(gains)
    known = [g for g in every if g.gain is not None]
    run = experiment.run
    if not known:
        reasons = "; ".join(sorted({g.reason or "" for g in every}))
        raise InputError(
            f"{run}: no gain can be estimated from {len(every)} images ({reasons}); raise "
            "max_images or give a smaller kernel_size"
        )
    values = np.array([g.gain for g in known], dtype=np.float64)
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    row = {
        "run": run,
        "n_images": len(known),
        "gain": float(np.median(values)),
        "gain_min": float(values.min()),
        "gain_max": float(values.max()),
        "gain_sd": spread,
    }
    messages = [f"{run}: Estimated gain: {row['gain']:.2f}"]
    if len(values) > 1:
        messages.append(f"{run}: Average gain: {values.mean():.2f} +/- {spread:.2f}")
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections={},
        tables=(_runs_table([row]), _images_table(run, every), _panels_table(run, known)),
        messages=tuple(messages),
        problems=tuple(
            {"run": run, "image": g.image, "step": "estimate_gain", "reason": g.reason}
            for g in every
            if g.reason is not None
        ),
    )


def gain_map(detector: Detector, gains: Sequence[float], shape: tuple[int, int]) -> Floats:
    """Return counts per photon (slow, fast) float64 of a stored frame, each panel's own gain.

    gains : (panel,). Between panels it is 1.
    """
    out = np.ones(shape, np.float64)
    for panel, gain in zip(detector.panels, gains, strict=True):
        out[panel.slices] = gain
    return out


def _runs_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    headings = {
        "n_images": ("images", "d"),
        "gain": ("gain", ".4f"),
        "gain_min": ("min", ".4f"),
        "gain_max": ("max", ".4f"),
        "gain_sd": ("sd", ".4f"),
    }
    return Table(name="runs", title="Gain, counts per photon", rows=rows, headings=headings)


def _images_table(run: str, gains: Sequence[ImageGain]) -> Table:
    rows = []
    for g in gains:
        q1, q2, q3 = g.quartiles or (None, None, None)
        rows.append({"run": run, "image": g.image, "gain": g.gain, "q1": q1, "q2": q2, "q3": q3})
    headings = {k: (k, ".4f") for k in ("gain", "q1", "q2", "q3")}
    return Table(
        name="images", title="Gain of each image", rows=rows, headings=headings, printed=False
    )


def _panels_table(run: str, known: Sequence[ImageGain]) -> Table:
    rows = []
    for i in range(len(known[0].panels)):
        values = [v for g in known if (v := g.panels[i]) is not None]
        rows.append({"run": run, "panel": i, "gain": float(np.median(values)) if values else None})
    return Table(
        name="panels",
        title="Gain of each panel",
        rows=rows,
        headings={"gain": ("gain", ".4f")},
        printed=False,
    )
