"""The parameter reference, one page a command, made from the models of the parameters."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from dxdask.parameters import Parameters
from dxdask.parameters.entries import Entry, as_text, entries
from dxdask.pipeline.declaration import Step
from dxdask.pipeline.dump.parameters import DumpParameters
from dxdask.pipeline.export_parameters import ExportParameters
from dxdask.pipeline.import_parameters import ImportCommandParameters
from dxdask.pipeline.metrology.parameters import DetectorShiftsParameters
from dxdask.pipeline.parameters import COMMON
from dxdask.pipeline.process_parameters import process_parameters
from dxdask.pipeline.step_parameters import step_parameters
from dxdask.pipeline.steps import all_steps, parameters_of_kind
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.simulation import SimulationParameters

_LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥",
           "max_length": "length ≤"}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """Parameters of one command.

    Attributes
    ----------
    name : of the page. title : its first line.
    model : the parameters at default. groups : those of them that it takes, None: all.
    """

    name: str
    title: str
    model: Parameters
    groups: tuple[str, ...] | None = None


def commands() -> list[Command]:
    """Return the commands with parameters: those with jobs of their own, then the steps."""
    found = [
        Command("import", "Read frames into a store.", ImportCommandParameters()),
        Command("process", "Process sweeps from frames to merged intensities.",
                process_parameters()),
        Command("stills_process", "Process stills from events to merged intensities.",
                StillsProcessParameters()),
        Command("export", "Write results in the format of another program.", ExportParameters()),
        Command("dump", "Write events into files.", DumpParameters()),
        Command("detector_shifts", "Compare two detector geometries.", DetectorShiftsParameters()),
        Command("simulate", "Write frames of a known crystal.", SimulationParameters()),
    ]  # fmt: skip
    for step in all_steps():
        model = parameters_of_kind(step.kinds[0])()
        found.append(Command(page_of(step), step.title, model, tuple(step.parameters())))
    values, _ = step_parameters("find_spots")
    common = "Parameters that every step takes: where it runs, its branch, its runs."
    return [*found, Command("common", common, values, COMMON)]


def page_of(step: Step) -> str:
    """Return the name of the page of a step; that for stills has its own where there are two."""
    several = any(s.name == step.name and s is not step for s in all_steps())
    return f"stills_{step.name}" if several and step.kinds == ("stills",) else step.name


def parameter_pages() -> dict[str, str]:
    """Return the text of each page by its path in the site, the list of pages first."""
    pages = {f"parameters/{c.name}.md": _page(c) for c in commands()}
    rows = [f"| [`{c.name}`]({c.name}.md) | {c.title} |" for c in commands()]
    index = [
        "# Parameters",
        "",
        "Made from the models of the parameters. `dxdask STEP -c` prints the same list, `-e 2` "
        "with the expert ones. A name may be shortened to its last parts while it is unambiguous: "
        "`min_spot_size=2`.",
        "",
        "| command | |",
        "|---|---|",
        *rows,
    ]
    return {"parameters/index.md": "\n".join(index) + "\n", **pages}


def _page(command: Command) -> str:
    lines = [f"# `{command.name}`", "", command.title, ""]
    if command.groups is not None and command.name != "common":
        lines += ["Beside these it takes [those of all steps](common.md).", ""]
    level = None
    rows = sorted(
        entries(command.model, groups=command.groups), key=lambda entry: entry.expert_level
    )
    for entry in _first_of_each(rows):
        if entry.expert_level != level:
            level = entry.expert_level
            title = "Parameters" if level == 0 else f"Expert level {level}"
            lines += ["", f"## {title}", "", "| name | default | unit | limits | meaning |"]
            lines += ["|---|---|---|---|---|"]
        lines.append(_row(entry))
    if level is None:
        lines.append("It has no parameters of its own.")
    return "\n".join(lines) + "\n"


def _first_of_each(rows: list[Entry]) -> Iterator[Entry]:
    """Yield the entries, each path once: groups that may be given several times repeat theirs."""
    seen = set()
    for entry in rows:
        if entry.path not in seen:
            seen.add(entry.path)
            yield entry


def _row(entry: Entry) -> str:
    several = " May be given several times." if entry.multiple or entry.repeated else ""
    cells = [
        f"`{entry.path}`",
        f"`{as_text(entry.value)}`",
        entry.unit,
        _limits(entry.field),
        f"{entry.field.description or ''}{several}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _limits(field: FieldInfo) -> str:
    """Return choices or type, and the limits of numbers."""
    limits = [
        f"{sign} {value}"
        for item in field.metadata
        for name, sign in _LIMITS.items()
        if (value := getattr(item, name, None)) is not None
    ]
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    kinds, origin = get_args(annotation), get_origin(annotation)
    if origin is Literal:
        return ", ".join(f"`{kind}`" for kind in kinds)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if k is type(None) else _type(k) for k in kinds)
    if origin is tuple:
        several = kinds[-1] is ...
        items = [_type(kind) for kind in kinds if kind is not ...]
        return f"any number of {items[0]}" if several else f"({', '.join(items)})"
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _type(kinds[0])
    return getattr(annotation, "__name__", str(annotation))
