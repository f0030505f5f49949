"""R, I/sigma and numbers of merged observations by image (batch)."""

from __future__ import annotations

import numpy as np

from dxdask.report.page.curves import images, names_of, of_images
from dxdask.report.page.deviations import deviations
from dxdask.report.page.plots import Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables


def make(tables: StepTables) -> Section | None:
    """Return statistics of the observations of each image."""
    found = tables.once(deviations)
    if found is None:
        return None
    names = ["experiment", "z_cal", "intensity", "intensity_variance"]
    table = {k: v[found.row] for k, v in tables.columns("scale", names).items()}
    runs = names_of(tables.experiments("scale"))
    run, image = table["experiment"], np.floor(table["z_cal"]).astype(np.int64) + 1
    several = found.n > 1
    off = of_images(
        run[several], image[several], np.abs(table["intensity"] - found.mean)[several], runs
    )
    mean = of_images(run[several], image[several], found.mean[several], runs)
    r = [Series(a.name, a.x, a.y / b.y) for a, b in zip(off, mean, strict=True)]
    ratio = table["intensity"] / np.sqrt(table["intensity_variance"])
    plots: list[Plot] = [*images("Rmerge by image", "Rmerge", r)]
    plots += images("I/sigma by image, scaled", "<I/sigma>", of_images(run, image, ratio, runs))
    z = np.where(several, np.minimum(found.z**2, 100.0), np.nan)
    plots += images(
        "Mean square of deviations by image",
        "mean (deviation / sigma)²",
        of_images(run[several], image[several], z[several], runs),
    )
    count = of_images(run, image, np.ones(len(run)), runs)
    for i, curve in enumerate(count):
        mine = run == runs.index(curve.name)
        n = np.bincount(image[mine] - int(curve.x[0]), minlength=len(curve.x))
        count[i] = Series(curve.name, curve.x, n)
    plots += images("Merged observations by image", "observations", count)
    return Section(plots=plots)


SECTION = SectionMaker(
    name="batches", title="By image, scaled", order=13, make=make, needs=("scale",),
    kinds=("sweeps",),
)  # fmt: skip
