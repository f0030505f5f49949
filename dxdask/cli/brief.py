"""The thirty lines that a terminal gets of a step; the rest is in the store and in the log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from dxdask.cli.layout import brief_table
from dxdask.tables import Table

LINES = 30
MOST_MESSAGES = (7, 4)
"""Lines of messages beside tables; the smaller number where one more table fits with it."""
_LONGEST = 100  # characters of a line made of the first and last message of a run
FIRST = (
    "overall", "imagesets", "rmsds", "crystals", "cell", "fates", "error_model", "ratios",
    "summary", "runs", "shells",
)  # fmt: skip
"""Tables of most use, by their names: they are shown first where not all fit."""


def brief(
    messages: Sequence[str], tables: Sequence[Table], runs: Sequence[str], n_lines: int = LINES
) -> tuple[list[str], bool]:
    """Return the lines to print of a step, and whether that is all there is.

    runs : names, which begin the messages of a step that treats each run alone.
    """
    printed = [t for t in tables if t.printed and t.rows]
    most = MOST_MESSAGES if printed else (n_lines - 1,)
    drafts = [_draft(_brief_messages(messages, runs, n), printed, n_lines) for n in most]
    lines, shown, complete = max(drafts, key=lambda draft: len(draft[1]))
    return [*lines, *(line for i in sorted(shown) for line in shown[i])], complete


def _draft(
    messages: tuple[list[str], bool], printed: Sequence[Table], n_lines: int
) -> tuple[list[str], dict[int, list[str]], bool]:
    """Return the messages, the lines of the tables that fit beside them, and whether that is all.

    messages : lines, and whether these are all. Tables are known by their place in `printed`.
    """
    lines, complete = messages
    left = n_lines - len(lines)
    shown: dict[int, list[str]] = {}
    for i in sorted(range(len(printed)), key=lambda i: _rank(printed[i], i)):
        text, whole = brief_table(printed[i])
        if len(text) + 1 > left:
            if shown:  # rather none than the first rows of many
                complete = False
                continue
            text, whole = [*text[: left - 2], f"  and {len(text) - left + 2} more rows"], False
        complete &= whole
        shown[i] = ["", *text]
        left -= len(shown[i])
    return lines, shown, complete


def _rank(table: Table, place: int) -> tuple[int, int]:
    return (FIRST.index(table.name) if table.name in FIRST else len(FIRST), place)


def _brief_messages(
    messages: Sequence[str], runs: Sequence[str], most: int
) -> tuple[list[str], bool]:
    """Return the messages if they are few, else the first and last of each run, or of all."""
    if sum(m.count("\n") + 1 for m in messages) <= most:
        return [line for m in messages for line in m.split("\n")], True
    short = [m for m in messages if "\n" not in m]
    if len(short) <= most:
        return short, False
    known = set(runs)
    short = [m for m in short if not m.endswith(":")]  # headings of those that follow
    groups = [list(g) for _, g in groupby(short, lambda m: _run_of(m, known))]
    if len(groups) == 1:
        lines = [*short[:2], f"... {len(short) - most + 1} lines ...", *short[3 - most :]]
        return lines, False
    lines = []
    for group in groups:
        run = _run_of(group[0], known)
        both = f"{group[0]} ... {group[-1].removeprefix(f'{run}: ').strip()}"
        lines.append(group[-1] if len(group) == 1 or len(both) > _LONGEST else both)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"and {len(lines) - most + 1} more"]
    return lines, False


def _run_of(message: str, runs: set[str]) -> str:
    name = re.match(r"[^:]*", message)
    return name.group() if name and name.group() in runs else ""
