"""Pages of reports, parsed."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Sections with their texts, plots by title, links, and tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.sections: dict[str, str] = {}
        self.links: list[str] = []
        self.sources: list[str] = []
        self.figures: list[int] = []
        self.open: list[str] = []
        self._data = ""
        self._inside = ""
        self.feed(text)
        self.close()
        self.plots: list[dict[str, Any]] = json.loads(self._data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self._inside = str(values["id"])
            self.sections[self._inside] = ""
        if tag == "a":
            self.links.append(str(values["href"]))
        if tag == "figure":
            self.figures.append(int(str(values["data-plot"])))
        self.sources += [str(v) for k, v in attrs if k in ("src", "srcset", "data")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and data.startswith("["):
            self._data = data
        elif self._inside and "script" not in self.open:
            self.sections[self._inside] += data + " "

    def plot(self, title: str) -> dict[str, Any]:
        """Return the plot of this title."""
        return next(p for p in self.plots if p["title"] == title)
