"""Sections of a report, and how one is declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dxdask.report.page.plots import Plot
from dxdask.report.step_tables import StepTables
from dxdask.tables import Table


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is suspicious, what to do, and the name of the section that shows it."""

    text: str
    action: str
    section: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Content of a section: lines of text, verdicts, plots, tables, each in their order."""

    lines: Sequence[str] = field(default=())
    verdicts: Sequence[Verdict] = field(default=())
    plots: Sequence[Plot] = field(default=())
    tables: Sequence[Table] = field(default=())


@dataclass(frozen=True, kw_only=True, slots=True)
class SectionMaker:
    """Declaration of a section: `SECTION` of a module of `dxdask.report.sections`.

    Attributes
    ----------
    name, title : its anchor in the page, and its heading.
    order : sections come in ascending order.
    make : the section of a store; None where the store has nothing for it.
    needs : the steps whose results it shows; the first one's command makes them.
    kinds : of experiments it is for.
    """

    name: str
    title: str
    order: float
    make: Callable[[StepTables], Section | None]
    needs: Sequence[str] = ()
    kinds: Sequence[str] = ("sweeps", "stills")
