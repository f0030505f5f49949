"""Tables that a step reports: rows of named values, printed as in DIALS."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

SHOWN = 20
"""Rows of a table that a notebook shows."""


def shortened(names: Sequence[str], most: int = 6) -> str:
    """Return names as a list in text, the first of many and how many more there are."""
    if len(names) <= most:
        return ", ".join(names) or "none"
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"


def html_table(caption: str, rows: Sequence[Mapping[str, Any]], n_rows: int | None = None) -> str:
    """Return rows, the same keys in each, as a table for a notebook; every text is escaped.

    n_rows : of the whole, if only its first rows are given.
    """
    n_rows = len(rows) if n_rows is None else n_rows
    rows = rows[:SHOWN]
    if not rows:
        return f"<p>{html.escape(caption)}: none</p>"
    head = "".join(f"<th>{html.escape(str(key))}</th>" for key in rows[0])
    lines = [
        "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) for row in rows
    ]
    if n_rows > len(rows):
        lines.append(f'<td colspan="{len(rows[0])}">and {n_rows - len(rows)} more</td>')
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}</table>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows that a step reports, as data and as text.

    Attributes
    ----------
    name : its name in `show --json` and `store.table(step, name)`.
    title : the line above it in print.
    rows : one mapping per row, with the same keys, of JSON values.
    printed : false for long tables that are stored only.
    headings : key -> (heading of the column, format such as ".5f"); by default the key, as it is.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Any]]
    headings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    printed: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON data."""
        return {
            "name": self.name,
            "title": self.title,
            "rows": [dict(r) for r in self.rows],
            "headings": {k: list(v) for k, v in self.headings.items()},
            "printed": self.printed,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Table:
        """Return the table of the data of `to_dict`."""
        headings = {k: (v[0], v[1]) for k, v in values["headings"].items()}
        return cls(**{**values, "headings": headings})

    @classmethod
    def joined(cls, tables: Sequence[Table]) -> Table:
        """Return one table with the rows of several of the same kind, concatenated."""
        return replace(tables[0], rows=[row for t in tables for row in t.rows])

    @property
    def keys(self) -> list[str]:
        """Keys of the columns, in their order."""
        return list(self.rows[0]) if self.rows else list(self.headings)

    def head(self) -> list[list[str]]:
        """Return the lines of the headings, a text for each column."""
        titles = [self.headings.get(k, (k, ""))[0].split("\n") for k in self.keys]
        height = max((len(t) for t in titles), default=1)
        return [[(t + [""] * height)[line] for t in titles] for line in range(height)]

    def body(self) -> list[list[str]]:
        """Return the rows, a text for each column."""
        keys = self.keys
        return [[self._cell(k, r[k]) for k in keys] for r in self.rows]

    def __str__(self) -> str:
        keys, head, body = self.keys, self.head(), self.body()
        widths = [max(len(line[i]) for line in head + body) for i in range(len(keys))]
        rule = "+" + "+".join("-" * (w + 2) for w in widths) + "+"

        def text(line: list[str]) -> str:
            return (
                "|" + "|".join(f" {c.rjust(w)} " for c, w in zip(line, widths, strict=True)) + "|"
            )

        return "\n".join([self.title + ":", rule, *map(text, head), rule, *map(text, body), rule])

    def __repr__(self) -> str:
        keys = list(self.rows[0]) if self.rows else list(self.headings)
        return f"<Table {self.name}: {len(self.rows)} rows of {shortened(keys)}>"

    def _repr_html_(self) -> str:
        """Return the table for a notebook, the first rows of a long one."""
        rows = [{key: self._cell(key, value) for key, value in row.items()} for row in self.rows]
        return html_table(self.title, rows)

    def _cell(self, key: str, value: Any) -> str:
        if value is None:
            return "-"
        return (
            format(value, self.headings.get(key, ("", ""))[1])
            if not isinstance(value, (list, dict))
            else str(value)
        )
