"""Runs of an unmerged MTZ file, with its observations as integrated or scaled ones."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError, ParameterError
from dxdask.models import Experiment
from dxdask.storage.formats import ImportedResult, RunSource, Supplement, without_frames
from dxdask.storage.importers.mtz import header
from dxdask.storage.importers.mtz.batches import BatchRun, runs_of_batches
from dxdask.storage.importers.mtz.partials import summed_parts
from dxdask.storage.importers.observations import (
    Observed,
    detector_from_positions,
    result_table,
)

_COMPLETE = 0.95  # recorded fraction of a reflection whose parts are all there
_MULTIPLYING = ("AIMLESS", "SCALA")
"""Programs whose SCALEUSED multiplies intensities; DIALS's divides."""


def read_mtz(path: Path, supplement: Supplement) -> list[RunSource]:
    """Return the runs of an unmerged MTZ: batches of one data set in sequence.

    Observations are those of `scale` where the file has scales (SCALEUSED) or was made by a scaling
    program, else those of `integrate`. Parts of a reflection on several images are added.

    Raises
    ------
    FormatError
        Damaged, or merged.
    InputError
        No reflection belongs to a batch.
    ParameterError
        `input.step` is neither integrate nor scale.
    """
    mtz = header.read(path)
    columns = header.columns(path, mtz)
    runs = runs_of_batches(mtz, columns["BATCH"], columns.get("ROT"))
    step = _step(mtz, columns, supplement.step)
    columns = _finite(summed_parts(columns, _fractions(columns)))
    program = " ".join([mtz.title, *mtz.history[:1]]).upper()
    divides = not any(name in program for name in _MULTIPLYING)
    out = []
    for number, run in enumerate(runs, 1):
        name = path.stem if len(runs) == 1 else f"{path.stem}_{number}"
        mine = (columns["BATCH"] >= run.first) & (columns["BATCH"] <= run.last)
        if mine.any():
            own = {label: values[mine] for label, values in columns.items()}
            out.append(_source(path, name, mtz, run, own, step, divides=divides))
    if not out:
        raise InputError(f"{path}: no reflection belongs to a batch that has a header")
    return out


def _step(mtz: gemmi.Mtz, columns: dict[str, Floats], given: str | None) -> str:
    if given not in (None, "integrate", "scale"):
        raise ParameterError(f"input.step={given}: an MTZ is of integrate or of scale")
    if given:
        return given
    used = columns.get("SCALEUSED")
    if used is not None and np.ptp(used) > 0:
        return "scale"
    newest = " ".join(mtz.history[:1]).upper()
    return "scale" if any(name in newest for name in _MULTIPLYING) else "integrate"


def _fractions(columns: dict[str, Floats]) -> Floats:
    """Return the recorded fraction of each row; full reflections without one are whole."""
    n = len(columns["H"])
    fraction = np.nan_to_num(columns.get("FRACTIONCALC", np.ones(n)), nan=1.0)
    whole = (columns["partial"] == 0) & ((fraction <= 0) | (fraction > 1))
    return np.where(whole, 1.0, np.maximum(fraction, 0.0))


def _finite(columns: dict[str, Floats]) -> dict[str, Floats]:
    return {
        name: np.nan_to_num(values, nan=0.0) if name in ("XDET", "YDET") else values
        for name, values in columns.items()
    }


def _source(
    path: Path,
    name: str,
    mtz: gemmi.Mtz,
    run: BatchRun,
    columns: dict[str, Floats],
    step: str,
    *,
    divides: bool,
) -> RunSource:
    observed, reasons = _observed(run, columns, divides=divides)
    detector, note = detector_from_positions(
        observed, run.beam, run.crystal, run.distance, run.size
    )
    experiment = Experiment(
        identifier=name,
        run=name,
        beam=run.beam,
        detector=detector,
        goniometer=run.goniometer,
        scan=run.scan,
    )
    models = replace(experiment, crystal=run.crystal)
    lacking = run.scan.n_images - len(run.present)
    messages = [note] if note else []
    if lacking:
        messages.append(f"{name}: {lacking} of {run.scan.n_images} batches have no header")
    if not mtz.batches:
        messages.append(f"{name}: no batch headers; angles are those of the reflections")
    steps = ("integrate", "scale") if step == "scale" else ("integrate",)
    results = tuple(
        ImportedResult(
            step=one,
            experiments=(models,),
            reflections=result_table(observed, one),
            messages=tuple(messages),
            tables=(observed.table(name, reasons),),
        )
        for one in steps
    )
    shape = (run.scan.n_images, *(detector.frame_shape if len(detector) else (0, 0)))
    return without_frames(name, experiment, shape, (path,), results)


def _observed(
    run: BatchRun, columns: dict[str, Floats], *, divides: bool
) -> tuple[Observed, Counter[str]]:
    n = len(columns["H"])
    one = np.ones(n)
    reasons: Counter[str] = Counter()
    keep = np.ones(n, dtype=np.bool_)
    unmeasured = columns.get("unmeasured", np.zeros(n)) > 0
    bad: list[tuple[str, NDArray[np.bool_]]] = [
        ("sigma is not positive", unmeasured | ~(columns["SIGI"] > 0)),
        ("intensity is missing", ~np.isfinite(columns["I"])),
        ("flagged by the integration program", np.nan_to_num(columns.get("FLAG", 0 * one)) != 0),
        ("no fraction of it was recorded", columns["fraction"] <= 0),
    ]
    for reason, rows in bad:
        reasons[f"left out: {reason}"] += int((keep & rows).sum())
        keep &= ~rows
    parts = keep & (columns["partial"] > 0) & (columns["fraction"] < _COMPLETE)
    reasons["imported, with a part missing"] += int(parts.sum())
    c = {name: values[keep] for name, values in columns.items()}
    n = int(keep.sum())
    used = np.where(c.get("SCALEUSED", np.ones(n)) > 0, c.get("SCALEUSED", np.ones(n)), 1.0)
    image = c["BATCH"] - run.first
    z = image + 0.5
    if "ROT" in c and np.isfinite(c["ROT"]).all():
        z = np.asarray(run.scan.z_from_phi(np.deg2rad(c["ROT"])))
    # the intensities of full reflections are already those of the whole
    whole = np.where(c["partial"] > 0, 1.0, c["fraction"])
    return (
        Observed(
            hkl=np.rint(np.stack([c["H"], c["K"], c["L"]], axis=1)).astype(np.int32),
            intensity=c["I"] * whole,
            sigma=c["SIGI"] * whole,
            fraction=np.minimum(c["fraction"], 1.0),
            lp=_positive(c.get("LP"), n),
            qe=_positive(c.get("QE"), n),
            scale=used if divides else 1.0 / used,
            x=c.get("XDET"),
            y=c.get("YDET"),
            z=np.clip(z, 0.0, run.scan.n_images - 1e-6),
        ),
        +reasons,
    )


def _positive(values: Floats | None, n: int) -> Floats:
    """Return factors, 1 for all of them where one is not positive."""
    return values if values is not None and (values > 0).all() else np.ones(n)
