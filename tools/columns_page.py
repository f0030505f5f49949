"""The page of the columns of tables of reflections, made from their declarations."""

from __future__ import annotations

from dxdask.columns import COLUMNS, Column, Flag

_HEAD = """# Columns of reflections

Made from `dxdask/columns.py`. Tables in a store, exported tables (`format=csv`) and
`store.reflections` have these columns; a step has those that apply to it.

| column | dtype | unit | meaning | DIALS |
|---|---|---|---|---|
"""
_FLAGS = """
## Flags

Bits of the column `flags`; the values are DIALS's.

| bit | value |
|---|---|
"""


def columns_page() -> str:
    """Return the text of the page."""
    flags = {n: v for n, v in vars(Flag).items() if n.isupper() and isinstance(v, int)}
    single = {n: v for n, v in flags.items() if v.bit_count() == 1}
    bits = [f"| {n.lower()} | {v} |" for n, v in single.items()]
    return _HEAD + "\n".join(map(_row, COLUMNS.values())) + "\n" + _FLAGS + "\n".join(bits) + "\n"


def _row(column: Column) -> str:
    parts = f" ({', '.join(column.parts)})" if column.parts else ""
    dials = f"`{column.dials}`" if column.dials else ""
    meaning = column.doc.replace("|", "\\|")
    return f"| `{column.name}`{parts} | {column.dtype} | {column.unit} | {meaning} | {dials} |"
