"""The report of a store as one page."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dxdask.errors import DxdaskError, InputError
from dxdask.report.page.html import escape, page_html, section_html
from dxdask.report.page.plots import Plot
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.sections import all_sections
from dxdask.report.step_tables import StepTables

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store


def report(
    store: Store | str | os.PathLike[str],
    path: str | os.PathLike[str] = "report.html",
    *,
    branch: str = "main",
) -> Path:
    """Write the report of a store as one HTML page that needs no network; return its path.

    Parameters
    ----------
    store : opened, or its path; it may be written to meanwhile: complete steps are shown.
    path : of the page to write.
    branch : of the store, if its path is given.

    Raises
    ------
    StoreNotFoundError, SchemaError
        There is no store, or one of another version.
    InputError
        The page cannot be written.

    Examples
    --------
    >>> import dxdask
    >>> dxdask.report("tiny.zarr", "tiny.html").name
    'tiny.html'
    """
    return write_page(report_html(opened(store, branch)), path)


def write_page(text: str, path: str | os.PathLike[str]) -> Path:
    """Write a page, complete or not at all; return its path.

    Raises
    ------
    InputError
        It cannot be written.
    """
    target = Path(path)
    try:
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        aside.write_text(text, encoding="utf-8")
        aside.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}; give another -o") from None
    return target


def opened(store: Store | str | os.PathLike[str], branch: str = "main") -> Store:
    """Return a store, opened for reading if it is given as a path."""
    from dxdask.storage.store.store import Store

    return store if isinstance(store, Store) else Store.open(store, "r", branch)


def report_html(store: Store) -> str:
    """Return the page of the report of a store."""
    tables, plots = StepTables(store), list[Plot]()
    kind = "stills" if "hits" in tables else "sweeps"
    parts, absent = [], []
    makers = all_sections()
    titles = {maker.name: maker.title for maker in makers}
    for maker in makers:
        if kind not in maker.kinds:
            continue
        section, missing = made(maker, tables)
        if section is None:
            absent.append(f"<li>{escape(maker.title)}: {escape(missing)}</li>")
            continue
        parts.append(
            (maker.name, maker.title, section_html(maker.name, maker.title, section, plots, titles))
        )
    if absent:
        title = "Not in this report"
        items = "".join(absent)
        parts.append(
            ("absent", title, f'<section id="absent"><h2>{title}</h2><ul>{items}</ul></section>')
        )
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    heading = (
        f"<h1>{escape(store.path.name)}</h1><p>branch {escape(store.branch)} of "
        f"{escape(store.path)}; made {when}</p>"
    )
    return page_html(f"{store.path.name} - dxdask report", parts, plots, heading)


def made(maker: SectionMaker, tables: StepTables) -> tuple[Section | None, str]:
    """Return a section, or None and how to make what it shows."""
    missing = [step for step in maker.needs if step not in tables]
    if missing:
        return None, f"no result of {missing[0]}; dxdask {missing[0]} {tables.store.path} makes it"
    try:
        section = maker.make(tables)
    except (DxdaskError, OSError) as error:
        # of one step that is being replaced, or damaged: the others are shown
        return None, str(error)
    return section, "" if section is not None else _nothing(maker)


def _nothing(maker: SectionMaker) -> str:
    return f"the results of {', '.join(maker.needs) or 'the store'} have nothing to show here"
