"""Models of all experiments replaced by one of them, or by their average."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dxdask.errors import InputError, ParameterError
from dxdask.models import Beam, Crystal, Detector, ExperimentList, Goniometer
from dxdask.models.vectors import vector
from dxdask.pipeline.experiments.parameters import ReferenceFromExperiment

# DIALS's tolerances: 1/Angstrom and fractions, mm
_DIRECTION, _AXIS, _ORIGIN = 1e-6, 1e-4, 5e-2


def with_references(experiments: ExperimentList, given: ReferenceFromExperiment) -> ExperimentList:
    """Return the experiments with the models that the parameters ask for.

    Raises
    ------
    ParameterError
        There is no such experiment, or both a detector and the average are asked for.
    InputError
        A model that is replaced differs from the new one, and `compare_models` is set.
    """
    if given.average_detector and given.detector is not None:
        raise ParameterError(
            "reference_from_experiment.detector and .average_detector exclude one another"
        )
    new = experiments
    for kind in ("beam", "detector", "goniometer", "crystal"):
        number = getattr(given, kind)
        if number is None:
            continue
        if number >= len(experiments):
            raise ParameterError(
                f"reference_from_experiment.{kind}={number}: experiments are numbered 0 to "
                f"{len(experiments) - 1}"
            )
        place = getattr(experiments.members[number], kind)
        if place is None:
            continue
        model = getattr(experiments, f"{kind}s")[place]
        if given.compare_models and kind != "crystal":
            _require_alike(experiments, kind, model)
        new = _with_one(new, kind, model)
    if given.average_detector and len(new.detectors) > 1:
        mean = average_detector(new.detectors)
        if given.compare_models:
            _require_alike(new, "detector", mean)
        new = _with_one(new, "detector", mean)
    return new


def _with_one(experiments: ExperimentList, kind: str, model: Any) -> ExperimentList:
    """Return the experiments with one model of a kind, of all members that have one.

    What belongs to a run alone stays: transmission, flux, wavelengths of its images, and a model
    along a scan of another length is the static one.
    """
    models: dict[Any, int] = {}
    members = []
    for m in experiments.members:
        place = getattr(m, kind)
        if place is None:
            members.append(m)
            continue
        own = getattr(experiments, f"{kind}s")[place]
        scan = None if m.scan is None else experiments.scans[m.scan]
        new = _of_run(model, own, 0 if scan is None else scan.n_images)
        number: dict[str, Any] = {kind: models.setdefault(new, len(models))}
        members.append(replace(m, **number))
    changes: dict[str, Any] = {f"{kind}s": tuple(models), "members": tuple(members)}
    return replace(experiments, **changes)


def _of_run(model: Any, own: Any, n_images: int) -> Any:
    """Return a model as it is of a run of n_images whose own was `own`."""
    if isinstance(model, Beam):
        points = model.s0_at_scan_points
        return replace(
            model,
            transmission=own.transmission,
            flux=own.flux,
            wavelengths=own.wavelengths,
            s0_at_scan_points=points if points and len(points) == n_images + 1 else None,
        )
    if isinstance(model, Crystal):
        matrices = model.scan_points
        same = matrices is None or len(matrices) == n_images + 1
        return model if same else replace(model, scan_points=None)
    return model


def _require_alike(experiments: ExperimentList, kind: str, model: Any) -> None:
    for m in experiments.members:
        place = getattr(m, kind)
        if place is None:
            continue
        difference = _difference(getattr(experiments, f"{kind}s")[place], model)
        if difference:
            raise InputError(
                f"the {kind} of run {m.run} differs from the reference ({difference}); give "
                "reference_from_experiment.compare_models=false to replace it all the same"
            )


def _difference(own: Any, other: Any) -> str:
    """Return in what two models differ beyond the tolerances, an empty text where in nothing."""
    if isinstance(own, Beam):
        if abs(own.wavelength - other.wavelength) > _DIRECTION:
            return f"wavelength {own.wavelength:g} and {other.wavelength:g} A"
        return "" if _near(own.direction, other.direction, _DIRECTION) else "direction"
    if isinstance(own, Goniometer):
        axes = _near(own.rotation_axis, other.rotation_axis, _DIRECTION)
        return "" if axes and _near(own.setting_rotation, other.setting_rotation, 1e-6) else "axes"
    if len(own.panels) != len(other.panels):
        return f"{len(own.panels)} and {len(other.panels)} panels"
    for p, q in zip(own.panels, other.panels, strict=True):
        if p.image_size != q.image_size or not _near(p.pixel_size, q.pixel_size, 1e-6):
            return f"size of panel {p.name}"
        if not _near(p.origin, q.origin, _ORIGIN):
            return f"origin of panel {p.name} by more than {_ORIGIN:g} mm"
        axes = _near(p.fast_axis, q.fast_axis, _AXIS) and _near(p.slow_axis, q.slow_axis, _AXIS)
        if not axes:
            return f"axes of panel {p.name}"
    return ""


def _near(a: Any, b: Any, tolerance: float) -> bool:
    return bool(np.abs(np.asarray(a) - np.asarray(b)).max() <= tolerance)


def average_detector(detectors: tuple[Detector, ...]) -> Detector:
    """Return the detector whose panels have the mean origin and the mean axes, made perpendicular.

    Raises
    ------
    InputError
        They have other numbers of panels.
    """
    first = detectors[0]
    if any(len(d.panels) != len(first.panels) for d in detectors):
        raise InputError("detectors with different numbers of panels have no average")
    panels = []
    for i, panel in enumerate(first.panels):
        same = [d.panels[i] for d in detectors]
        fast = np.mean([p.fast_axis for p in same], axis=0)
        slow = np.mean([p.slow_axis for p in same], axis=0)
        # the perpendicular pair that is nearest to both
        left, _, right = np.linalg.svd(np.array([fast, slow]), full_matrices=False)
        fast, slow = left @ right
        origin = np.mean([p.origin for p in same], axis=0)
        panels.append(
            replace(panel, origin=vector(origin), fast_axis=vector(fast), slow_axis=vector(slow))
        )
    return replace(first, panels=tuple(panels))
