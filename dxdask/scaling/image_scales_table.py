"""Table of the factors of images."""

from __future__ import annotations

import numpy as np

from dxdask.models import ExperimentList
from dxdask.scaling.image_scales import ImageComponent
from dxdask.scaling.scaled import Scaled
from dxdask.tables import Table


def image_scales_table(scaled: Scaled, experiments: ExperimentList) -> tuple[Table, ...]:
    """Return the table `image_scales`; nothing where the model has no such component."""
    found = [c for c in scaled.model.components if isinstance(c, ImageComponent)]
    if not found:
        return ()
    rows = []
    each = scaled.model.of(found[0].name, scaled.parameters)
    for e, (first, _), own in zip(experiments, found[0].ranges, each, strict=True):
        rows += [
            {"run": e.run, "image": first + 1 + k, "factor": float(np.exp(value))}
            for k, value in enumerate(own)
        ]
    title = "Factors of images beside the smooth scale"
    headings = {"factor": ("factor", ".4f")}
    return (Table(name="image_scales", title=title, rows=rows, headings=headings, printed=False),)
