"""The end of a job: what was found, and what is suspicious, from the tables of its steps."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dxdask.cli.layout import WIDTH

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store

MOST_SUSPICIONS = 12


def summary_lines(store: Store) -> list[str]:
    """Return what was found in a store and what is suspicious; nothing where no step has run."""
    from dxdask.report.found import found
    from dxdask.report.step_tables import StepTables
    from dxdask.report.suspicions import suspicions

    tables = StepTables(store)
    lines_of = list(found(tables))
    if not lines_of:
        return []
    lines = ["", "Found:", *(f"  {name:<12}{text}" for name, text in lines_of)]
    doubts = [found.text for found in suspicions(tables)]
    if doubts:
        more = len(doubts) - MOST_SUSPICIONS
        lines += ["", "Suspicious:", *_wrapped(doubts[:MOST_SUSPICIONS])]
        lines += [f"  and {more} more"] if more > 0 else []
    return lines


def _wrapped(texts: Sequence[str]) -> list[str]:
    wrap = textwrap.TextWrapper(WIDTH, initial_indent="  - ", subsequent_indent="    ")
    wrap.break_long_words = wrap.break_on_hyphens = False
    return [line for text in texts for line in wrap.wrap(text)]
