"""The sections of a report, one declaration (`SECTION`) a module of this package.

A module added to the package is a section of the page; nothing else names it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from dxdask.report.page.sections import SectionMaker


def all_sections() -> list[SectionMaker]:
    """Return the declarations of all sections, in their order in the page."""
    found = [
        import_module(f"{__name__}.{module.name}").SECTION for module in iter_modules(__path__)
    ]
    return sorted(found, key=lambda section: section.order)
