"""The addresses of the viewer."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from tornado.web import RequestHandler

from dxdask.view.replies import Handler
from dxdask.view.runs import run_models, store_summary
from dxdask.view.tiles import encode, tile_of

SCRIPTS = ("base.js", "frames.js")


@cache
def page() -> tuple[str, str, str]:
    """Return the page, its style and its script."""
    folder = files("dxdask.view.page")
    script = "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS)
    return (
        (folder / "view.html").read_text("utf-8"),
        (folder / "view.css").read_text("utf-8"),
        script,
    )


class Page(Handler):
    """The page."""

    def token_in_address(self) -> str:
        """Return the token of the address: a browser sends no header with the first request."""
        return self.get_argument("token", "")

    def get(self) -> None:
        """Send it."""
        html, style, script = page()
        for name, text in (("NONCE", self.nonce), ("STYLE", style), ("SCRIPT", script)):
            html = html.replace(f"@{name}@", text)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(html)


class Summary(Handler):
    """The runs and steps of the store."""

    async def get(self) -> None:
        """Send them."""
        await self.send_json(lambda: store_summary(self.viewer.frames.store()))


class Models(Handler):
    """The geometry of a run."""

    async def get(self) -> None:
        """Send them."""
        run = self.get_argument("run")
        await self.send_json(lambda: run_models(self.viewer.frames.store(), run))


class Tile(Handler):
    """A tile of an image."""

    async def get(self) -> None:
        """Send them."""
        shown, level = self.shown(), self.whole("level")
        x, y = self.whole("x"), self.whole("y")
        await self.send(lambda: encode(tile_of(self.viewer.frames.level(shown, level), x, y)))


ADDRESSES: dict[str, type[RequestHandler]] = {
    "": Page,
    "summary": Summary,
    "models": Models,
    "tile": Tile,
}


def routes(viewer: Any) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Return the rules of the application."""
    return [(f"/{name}", handler, {"viewer": viewer}) for name, handler in ADDRESSES.items()]
