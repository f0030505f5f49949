"""Files of the repository beside `docs/` that pages link to, copied into the site (mkdocs hook).

A link such as ``../notebooks/stills.ipynb`` leads to the file in a clone and on a code host; in the
site it leads to a copy under ``repository/``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "repository"
_LINK = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)")


def outside(markdown: str, page: str) -> list[str]:
    """Return the paths, from the root of the repository, of files that a page links to.

    page : its path within `docs/`.
    """
    found = [target for ups, target in _LINK.findall(markdown) if _levels(ups) > page.count("/")]
    return [target for target in found if (ROOT / target).is_file()]


def on_files(files: Any, config: Any) -> Any:
    """Add the files that pages link to."""
    for page in [f for f in files if f.is_documentation_page()]:
        for target in outside(page.content_string, page.src_uri):
            name = f"{FOLDER}/{target}"
            if files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page with links to the copies."""
    levels = page.file.src_uri.count("/")

    def to_copy(link: re.Match[str]) -> str:
        ups, target = link.groups()
        if _levels(ups) <= levels or not (ROOT / target).is_file():
            return link[0]
        return f"]({'../' * levels}{FOLDER}/{target}"

    return _LINK.sub(to_copy, markdown)


def _levels(ups: str) -> int:
    return ups.count("../")
