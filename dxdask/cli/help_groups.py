"""The order of the commands in `dxdask --help`, and the headings above them."""

from __future__ import annotations

import typer
from typer.models import CommandInfo, TyperInfo

GROUPS = {
    "Whole jobs": ("import", "process", "stills_process"),
    "Results": ("show", "report", "view", "why", "compare", "export"),
    "Steps": (
        "find_spots", "search_beam_position", "index", "refine_bravais_settings", "reindex",
        "refine", "predict", "integrate", "reindex_integrated", "symmetry", "scale", "merge",
        "two_theta_refine",
    ),
    "Detectors": (
        "generate_mask", "apply_mask", "find_bad_pixels", "estimate_gain", "histogram",
        "calibrate_detector", "linearity",
    ),
    "Stills": (
        "pedestal", "hits", "postrefine", "refine_metrology", "detector_shifts",
        "detector_statistics", "dump",
    ),
    "Stores": ("combine_experiments", "split_experiments", "slice_sequence"),
    "Examples, jobs elsewhere": ("demo", "simulate", "follow", "cluster"),
}  # fmt: skip
"""Commands by heading."""


def arrange(app: typer.Typer) -> None:
    """Give the commands of an application their headings and their order; others come last."""
    heading = {name: title for title, names in GROUPS.items() for name in names}
    order = list(heading)
    every: list[CommandInfo | TyperInfo] = [*app.registered_commands, *app.registered_groups]
    for command in every:
        if name_of(command) in heading:
            command.rich_help_panel = heading[name_of(command)]
    app.registered_commands.sort(
        key=lambda c: order.index(name_of(c)) if name_of(c) in heading else len(order)
    )


def name_of(command: CommandInfo | TyperInfo) -> str:
    """Return the name of a command, that of its function where it has none of its own."""
    if command.name:
        return str(command.name)
    return command.callback.__name__ if command.callback is not None else ""
