"""`dxdask refine_metrology`, `detector_shifts`, `detector_statistics`: where panels are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dxdask.cli import arguments, output
from dxdask.cli.app import after, on_store
from dxdask.cli.layout import whole_table
from dxdask.errors import ParameterError

if TYPE_CHECKING:
    from dxdask.pipeline.metrology.parameters import DetectorShiftsParameters
    from dxdask.pipeline.metrology.shifts import Compared
    from dxdask.storage.store.store import Store
    from dxdask.tables import Table

_SHIFTS = "dxdask.pipeline.metrology.parameters:DetectorShiftsParameters"


@after("refine_metrology")
def draw_moves(store: Store, parameters: Any) -> None:
    """Draw how the panels moved, if `output.picture` names a file."""
    from dxdask.pipeline.metrology.shifts import refined_in

    if parameters.output.picture is not None:
        _draw(parameters.output.picture, refined_in(store))


@on_store("detector_shifts", _SHIFTS)
def detector_shifts(paths: list[str], parameters: DetectorShiftsParameters, json: bool) -> None:
    """Show how the parts of a detector moved between two geometries, or in a store's metrology."""
    from dxdask.pipeline.metrology import shifts as job

    if len(paths) not in (1, 2):
        raise ParameterError(
            "dxdask detector_shifts takes two geometries (store, .geom, .expt or .json), or one "
            f"store, got {', '.join(paths) or 'none'}"
        )
    one, other = (*paths, None)[:2]
    found = job.detector_shifts(str(one), other, parameters)
    _show(*found, parameters.output.picture, json=json)


@on_store("detector_statistics", _SHIFTS)
def detector_statistics(paths: list[str], parameters: DetectorShiftsParameters, json: bool) -> None:
    """Show how well the geometries agree that odd and even stills give."""
    from dxdask.pipeline.metrology import shifts as job

    path = arguments.one_store(paths, "detector_statistics")
    _show(*job.detector_statistics(path, parameters), parameters.output.picture, json=json)


def _show(compared: Compared, table: Table, picture: Path | None, *, json: bool) -> None:
    tables = (table, compared.congruence)
    with output.muted(json):
        for shown in tables:
            output.line(whole_table(shown))
            output.line()
        _draw(picture, compared)
    if json:
        output.as_json({"tables": {t.name: [dict(row) for row in t.rows] for t in tables}})


def _draw(picture: Path | None, moved: Compared) -> None:
    if picture is None:
        return
    # it loads matplotlib
    from dxdask.report.panel_moves import plot_panel_moves, write_picture

    write_picture(picture, plot_panel_moves(moved.before, moved.after, beam=moved.beam))
    output.line(f"wrote {picture}")
