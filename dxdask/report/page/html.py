"""Texts, tables and the whole of a page, as HTML."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from dxdask.report.page.plots import Plot
from dxdask.report.page.sections import Section
from dxdask.report.palette import COLOURS
from dxdask.tables import Table

MOST_ROWS = 200
"""Rows of a table in a page; the others are counted."""
LINKING = ("run", "image", "first_image", "first", "panel", "x", "y", "fast", "slow")
"""Columns that name what a row stands for."""


def escape(text: object) -> str:
    """Return a text as HTML."""
    return html.escape(str(text))


def table_html(table: Table) -> str:
    """Return a table as HTML, the first rows of a long one."""
    shown = Table(
        name=table.name,
        title=table.title,
        rows=table.rows[:MOST_ROWS],
        headings=table.headings,
    )
    heads = [
        "<br>".join(escape(line) for line in column) for column in zip(*shown.head(), strict=True)
    ]
    head = "".join(
        f"<th{_named(name)}>{text.strip()}</th>"
        for name, text in zip(shown.keys, heads, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _short(row, cells)) + "</tr>"
        for row, cells in zip(shown.rows, shown.body(), strict=True)
    )
    more = len(table.rows) - len(shown.rows)
    note = f"<p>and {more} more rows</p>" if more else ""
    return (
        f'<div class="table" data-table="{escape(table.name)}"><h4>{escape(table.title)}</h4>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}</div>"
    )


def _named(name: str) -> str:
    """Return the attribute of the heading of a column that links need, whatever its heading is."""
    return f' data-column="{name}"' if name in LINKING else ""


def _short(row: Any, cells: Sequence[str]) -> list[str]:
    """Return the cells, numbers without a format to five digits."""
    return [
        f"{value:.5g}" if isinstance(value, float) and cell == str(value) else cell
        for value, cell in zip(row.values(), cells, strict=True)
    ]


def section_html(
    name: str,
    title: str,
    section: Section,
    plots: list[Plot],
    titles: Mapping[str, str] | None = None,
) -> str:
    """Return a section; its plots are added to the list of those of the page.

    titles : of the sections of the page by name, for the links of verdicts.
    """
    of_names = titles or {}
    parts = [f'<section id="{escape(name)}"><h2>{escape(title)}</h2>']
    parts += [f"<p>{escape(line)}</p>" for line in section.lines]
    parts += [
        f'<div class="suspicion"><b>{escape(v.text)}</b>What to do: {escape(v.action)} '
        f'<a href="#{escape(v.section)}">see {escape(of_names.get(v.section, v.section))}</a></div>'
        for v in section.verdicts
    ]
    if section.plots:
        parts.append('<div class="plots">')
        for plot in section.plots:
            note = f"<figcaption>{escape(plot.note)}</figcaption>" if plot.note else ""
            parts.append(
                f'<figure data-plot="{len(plots)}"><h4>{escape(plot.title)}</h4>{note}</figure>'
            )
            plots.append(plot)
        parts.append("</div>")
    parts += [table_html(table) for table in section.tables if table.rows]
    return "\n".join([*parts, "</section>"])


def page_html(
    title: str, sections: Iterable[tuple[str, str, str]], plots: Sequence[Plot], heading: str
) -> str:
    """Return the page.

    sections : (name, title, HTML) of each. heading : HTML above them.
    """
    own = files("dxdask.report.page")
    data = json.dumps([plot.to_dict() for plot in plots], separators=(",", ":")).replace(
        "<", "\\u003c"
    )
    found, colours = list(sections), ",".join(COLOURS)
    links = "".join(f'<a href="#{escape(n)}">{escape(t)}</a>' for n, t, _ in found)
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">",
            f"<title>{escape(title)}</title>",
            f"<style>{(own / 'page.css').read_text()}</style></head><body>",
            f'<nav>{links}</nav><main data-colours="{colours}"><header>{heading}</header>',
            *(text for _, _, text in found),
            "</main>",
            f'<script type="application/json" id="plots">{data}</script>',
            f"<script>{(own / 'page.js').read_text()}</script></body></html>",
            "",
        ]
    )
