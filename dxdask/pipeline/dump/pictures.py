"""Pictures of events with their spots and predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, select
from dxdask.models import Experiment
from dxdask.pipeline.dump.choice import ChosenEvents
from dxdask.pipeline.dump.parameters import PngParameters
from dxdask.pipeline.recut import rows_on
from dxdask.storage.exporters import pictures
from dxdask.storage.store.store import Store

_PREDICTED = 0.6  # circles of predictions are smaller, so that both are seen


class Drawing:
    """Draws events of one run; where panels go in the picture is worked out once."""

    def __init__(
        self,
        store: Store,
        experiment: Experiment,
        mask: NDArray[np.bool_],
        parameters: PngParameters,
    ) -> None:
        self._experiment, self._mask, self._parameters = experiment, mask, parameters
        self._canvas = pictures.canvas(experiment.detector, (mask.shape[0], mask.shape[1]))
        ranges = np.array([p.trusted_range for p in experiment.detector.panels])
        self._trusted = float(ranges[:, 0].max()), float(ranges[:, 1].min())
        self._marks = []
        radius = parameters.radius
        if parameters.predictions and store.has_step("integrate"):
            table = _table(store, "integrate", experiment, ("x_cal", "y_cal"))
            self._marks.append((table, max(1, round(_PREDICTED * radius)), pictures.PREDICTION))
        if parameters.spots and store.has_step("find_spots"):
            table = _table(store, "find_spots", experiment, ("x", "y"))
            self._marks.append((table, radius, pictures.SPOT))

    def write(self, path: Path, frame: NDArray[Any], events: ChosenEvents, k: int) -> None:
        """Write the picture of the k-th of these events."""
        image = pictures.picture(
            frame, self._mask, self._canvas, self._trusted, self._parameters.brightness
        )
        number = int(events.image_number[k])
        for table, radius, colour in self._marks:
            first, last = np.searchsorted(table["z"], (number - 1, number))
            mine = {name: values[first:last] for name, values in table.items()}
            centres = self._canvas.place(
                self._experiment.detector, mine["panel"], mine["x"], mine["y"]
            )
            pictures.draw_circles(image, centres, radius, colour)
        run, event = events.experiment.run, int(events.event_id[k])
        pictures.write_png(path, image, f"run {run}, image {number}, event {event}")


def _table(store: Store, step: str, experiment: Experiment, names: tuple[str, str]) -> Reflections:
    """Return panel, x, y and z of a run's reflections, by image, on the panels of an experiment."""
    (x, y), run = names, experiment.run
    table = store.columns(step, ["panel", "z", x, y], run=run)
    table = {"panel": table["panel"], "z": np.floor(table["z"]), "x": table[x], "y": table[y]}
    table = rows_on(table, store.experiments(step, run=run)[0].detector, experiment.detector)
    return select(table, np.argsort(table["z"], kind="stable"))
