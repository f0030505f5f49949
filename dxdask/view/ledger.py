"""Fates of a frame, or of a Miller index, and the report, with links to the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from dxdask.errors import InputError
from dxdask.ledger.sums import reflections_of, spots_of
from dxdask.ledger.why import why
from dxdask.report.page.make import report_html
from dxdask.storage.store.store import Store

SOURCES = {"spots": spots_of, "observations": reflections_of, "reflections": reflections_of}
"""Tables of `why` whose column `row` counts the rows of a step."""


def explanation(store: Store, run: str, image: int, hkl: str) -> dict[str, Any]:
    """Return what became of a frame, or of the observations of a Miller index ("3,1,4").

    Returns
    -------
    dict
        lines; tables: title, and rows, those of spots and observations with the panel of x and y.
        Rows of several have in `at` the first of them: run, image, panel, x, y.

    Raises
    ------
    InputError
        There is no such run or image, or hkl is no Miller index.
    """
    if hkl:
        try:
            index = [int(part) for part in hkl.replace(",", " ").split()]
        except ValueError:
            raise InputError(f"hkl={hkl} is no Miller index; give three integers") from None
        found = why(store, hkl=index)
    else:
        found = why(store, run, image)
    tables = []
    for table in found.tables:
        rows = [dict(row) for row in table.rows]
        source = SOURCES.get(table.name, lambda _: None)(store)
        if source is not None and rows and "row" in rows[0]:
            if "image" in rows[0]:
                panel = store.columns(source.step, ["panel"])["panel"]
                rows = [row | {"panel": int(panel[row["row"]])} for row in rows]
            else:
                places = _places(store, source.step, rows)
                at = {"run": run, "image": image}
                rows = [row | {"at": at | p} for row, p in zip(rows, places, strict=True)]
        tables.append({"title": table.title, "rows": rows})
    return {"lines": list(found.lines), "tables": tables}


def _places(store: Store, step: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return panel, x and y (px) of rows of a step, where they are observed or calculated."""
    there = store.manifest(step).columns
    names = [n for n in ("x", "y", "x_cal", "y_cal") if n in there]
    table = store.columns(step, ["panel", *names])

    def first_finite(axis: str, k: int) -> float:
        values = [float(table[n][k]) for n in names if n[0] == axis]
        return next((v for v in values if math.isfinite(v)), 0.0)

    return [
        {"panel": int(table["panel"][k]), "x": first_finite("x", k), "y": first_finite("y", k)}
        for k in (int(row["row"]) for row in rows)
    ]


@cache
def _links() -> str:
    return (files("dxdask.view.page") / "report_links.js").read_text("utf-8")


def linked_report(store: Store, nonce: str) -> str:
    """Return the report of a store; its rows and points are links to the viewer.

    nonce : of the policy that the reply is sent with.
    """
    html = report_html(store)
    script = f"<script>{_links()}</script></body>"
    html = html.replace("</body>", script)
    for tag in ("style", "script"):
        html = html.replace(f"<{tag}>", f'<{tag} nonce="{nonce}">')
    return html
