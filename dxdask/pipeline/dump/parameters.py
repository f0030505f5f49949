"""Parameters of `dxdask dump`: the events, calibrated or not, and the format of the files."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter

Which = Literal["hits", "indexed", "integrated", "not_indexed", "blank", "all"]
DumpFormat = Literal["nxs", "cbf", "png"]


class PngParameters(Parameters):
    """Drawing of pictures."""

    brightness: float = parameter(
        10.0, "Darkness of counts, on the scale of dials.image_viewer.", gt=0
    )
    spots: bool = parameter(True, "Circle the spots that were found, in red.")
    predictions: bool = parameter(True, "Circle the predicted reflections, in blue.")
    radius: int = parameter(6, "Of the circles about spots.", unit="px", ge=1)


class DumpOutputParameters(Parameters):
    """Names of the files."""

    prefix: str = parameter("", "Prefix of the names of the files, before the run's.")


class DumpParameters(Parameters):
    """Parameters of `dxdask dump`; an event is taken where all that is given holds."""

    which: Which | None = parameter(
        None,
        "Events by their state; blank: no hits; not_indexed: hits without a crystal. None: "
        "all where events, images or fate are given, else hits.",
    )
    fate: tuple[str, ...] = parameter(
        (), "Events by their fate, as in the table of fates (or INDEXED, NO_HIT, ...)."
    )
    images: tuple[int, ...] = parameter((), "Events by the number of the image in its run.")
    events: tuple[int, ...] = parameter((), "Events by their event_id.")
    runs: tuple[str, ...] = parameter((), "Runs to take events of; none: every run.")
    min_spots: int | None = parameter(None, "Least number of spots.", ge=0)
    max_spots: int | None = parameter(None, "Largest number of spots.", ge=0)
    max_events: int | None = parameter(None, "Largest number of events; the first are taken.", ge=1)
    step: str | None = parameter(
        None, "Step whose table of stills and geometry count; None: the last that there is."
    )
    format: DumpFormat = parameter(
        "nxs", "nxs: an NXmx file a run; cbf: a full CBF an event; png: a picture an event."
    )
    calibrated: bool = parameter(True, "Write the events of calibrated runs calibrated.")
    overwrite: bool = parameter(True, "Replace files that are there.")
    output: DumpOutputParameters = DumpOutputParameters()
    png: PngParameters = PngParameters()
