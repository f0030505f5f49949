"""Runs of a file of reflections of XDS."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError, ParameterError
from dxdask.storage.formats import ImportedResult, RunSource, Supplement, without_frames
from dxdask.storage.importers.observations import Observed, result_table
from dxdask.storage.importers.xds import header
from dxdask.storage.importers.xds.models import models_of


def read_xds(path: Path, supplement: Supplement) -> list[RunSource]:
    """Return the runs of XDS_ASCII.HKL (each data set, where XSCALE wrote it) or INTEGRATE.HKL.

    The first is of `scale`, the second of `integrate`. What XDS rejects (a negative sigma) is an
    outlier of scaling, and can be scaled again.

    Raises
    ------
    FormatError
        Damaged, or merged.
    InputError
        No reflection is left.
    ParameterError
        `input.step` is neither integrate nor scale.
    """
    if supplement.step not in (None, "integrate", "scale"):
        raise ParameterError(
            f"input.step={supplement.step}: a file of XDS is of integrate or of scale"
        )
    file = header.read(path)
    scaled = "FORMAT" in file.values if supplement.step is None else supplement.step == "scale"
    iset = file.columns.get("ISET")
    numbers = [None] if iset is None else np.unique(iset.astype(np.int64)).tolist()
    out = []
    for number in numbers:
        rows = slice(None) if number is None or iset is None else iset == number
        columns = {name: values[rows] for name, values in file.columns.items()}
        name = path.name.removesuffix(".gz").removesuffix(".bz2").rsplit(".", 1)[0]
        name = name if len(numbers) == 1 else f"{name}_{number}"
        out.append(_source(file, name, columns, number, scaled=scaled))
    return out


def _source(
    file: header.XdsFile,
    name: str,
    columns: dict[str, Floats],
    number: int | None,
    *,
    scaled: bool,
) -> RunSource:
    observed, reasons = _observed(file, columns, scaled=scaled)
    if not len(observed.hkl):
        listed = "; ".join(f"{n} {reason}" for reason, n in reasons.items())
        raise InputError(f"{file.path}: no reflection of {name} is left ({listed})")
    models = models_of(file, name, observed.z, number)
    results = tuple(
        ImportedResult(
            step=step,
            experiments=(models.experiment,),
            reflections=result_table(observed, step),
            tables=(observed.table(name, reasons),),
        )
        for step in (("integrate", "scale") if scaled else ("integrate",))
    )
    return without_frames(name, models.without_crystal, models.shape, (file.path,), results)


def _observed(
    file: header.XdsFile, columns: dict[str, Floats], *, scaled: bool
) -> tuple[Observed, Counter[str]]:
    n = len(columns["H"])
    minimum = file.numbers("MINPK", 1)
    peak = columns.get("PEAK", np.full(n, 100.0))
    finite = np.logical_and.reduce([np.isfinite(v) for v in columns.values()])
    hkl = np.stack([columns[name] for name in "HKL"], axis=1)
    reasons: Counter[str] = Counter()
    keep = np.ones(n, dtype=np.bool_)
    sigma = columns["SIGMA"]
    bad = [
        ("a value is not a number", ~finite),
        ("indices are not integers", (np.abs(hkl - np.rint(hkl)) > 1e-3).any(axis=1)
         | (np.abs(hkl) > 1 << 19).any(axis=1)),
        ("sigma is zero", sigma == 0),
        ("less than MINPK percent was recorded",
         np.zeros(n, np.bool_) if minimum is None else peak < minimum[0]),
        ("sigma is negative", (sigma < 0) & (not scaled)),
    ]  # fmt: skip
    for reason, rows in bad:
        reasons[f"left out: {reason}"] += int((keep & rows).sum())
        keep &= ~rows
    c = {name: values[keep] for name, values in columns.items()}
    misfit = c["SIGMA"] < 0
    reasons["imported, rejected by XDS (negative sigma)"] += int(misfit.sum())
    n = int(keep.sum())
    rlp = c.get("RLP", np.ones(n))
    x, y = (c[name] - 0.5 if name in c else None for name in ("XD", "YD"))
    return (
        Observed(
            hkl=np.rint(hkl[keep]).astype(np.int32),
            intensity=c["IOBS"],
            sigma=np.abs(c["SIGMA"]),
            fraction=np.ones(n),
            lp=rlp if (rlp > 0).all() else np.ones(n),
            qe=np.ones(n),
            scale=np.ones(n),
            x=x,
            y=y,
            z=c["ZD"],
            outlier=misfit,
        ),
        +reasons,
    )
