"""Pages made from declarations as the site is built (mkdocs hook): steps, parameters, columns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs loads a hook by its path alone

from columns_page import columns_page
from parameter_pages import parameter_pages
from step_page import step_page


def on_files(files: Any, config: Any) -> Any:
    """Add the pages, and those of parameters to the list of pages."""
    pages = parameter_pages()
    others = {"api/steps.md": step_page(), "columns.md": columns_page()}
    for name, text in {**pages, **others}.items():
        files.append(File.generated(config, name, content=text))
    for section in config.nav:
        if "Parameters" in section:
            section["Parameters"] = list(pages)
    return files
