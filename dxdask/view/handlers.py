"""The addresses of the viewer."""

from __future__ import annotations

import json
from asyncio import get_running_loop
from functools import cache
from importlib.resources import files
from typing import Any

from tornado.web import RequestHandler

from dxdask.errors import InputError
from dxdask.view.masks import drawn_regions, keep_regions, masks_by_reason
from dxdask.view.point import point, value_at
from dxdask.view.replies import Handler
from dxdask.view.result_handlers import (
    Explore,
    Lattice,
    LatticeSpot,
    Overlay,
    Progress,
    Report,
    Scan,
    Why,
)
from dxdask.view.rings import ice_rings, ring_lines, usual_rings
from dxdask.view.runs import store_summary
from dxdask.view.thresholds import GROUPS, pictures_of, regions_from
from dxdask.view.tiles import encode, pack, tile_of

SCRIPTS = (
    "base.js",
    "frames.js",
    "overlays.js",
    "scan.js",
    "thresholds.js",
    "masks.js",
    "lattice.js",
    "jobs.js",
    "ledger.js",
    "explore.js",
    "start.js",
)

LARGEST_RINGS = 50


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
        await self.send_json(lambda: self.viewer.frames.geometry(run))


class Tile(Handler):
    """A tile of an image."""

    async def get(self) -> None:
        """Send them."""
        shown, level = self.shown(), self.whole("level")
        x, y = self.whole("x"), self.whole("y")
        await self.send(lambda: encode(tile_of(self.viewer.frames.level(shown, level), x, y)))


class Rings(Handler):
    """Lines of equal resolution: of the spacings given, of ice, or at usual ones."""

    async def get(self) -> None:
        """Send them."""
        run, given = self.get_argument("run"), self.get_argument("d", "")
        try:
            wanted = [float(d) for d in given.split(",") if d and given != "ice"]
        except ValueError:
            raise InputError(f"d={given!r}: give numbers, in A, with commas between them") from None
        if any(not d > 0 for d in wanted) or len(wanted) > LARGEST_RINGS:
            raise InputError(f"d={given}: give up to {LARGEST_RINGS} numbers above 0")

        def work() -> bytes:
            experiment = self.viewer.frames.models(run)[0]
            d = ice_rings(experiment) if given == "ice" else wanted or usual_rings(experiment)
            return pack(ring_lines(experiment, d), d=d)

        await self.send(work)


class Point(Handler):
    """What is known of a point of a panel."""

    async def get(self) -> None:
        """Send it."""
        shown, panel = self.shown(), self.whole("panel")
        x, y = self.number("x"), self.number("y")

        def work() -> dict[str, Any]:
            frames = self.viewer.frames
            frames.index(shown.run, shown.image)
            experiments = frames.models(shown.run)
            found = point(experiments, shown.image, panel, x, y)
            offset = experiments[0].detector[panel].offset
            frame = frames.image(shown)
            return found | {"value": value_at(frame, int(x) + offset[0], int(y) + offset[1])}

        await self.send_json(work)


class Threshold(Handler):
    """What a threshold compares, of regions of panels: one picture after the other."""

    async def get(self) -> None:
        """Send it."""
        shown, regions = self.shown(), regions_from(self.get_argument("regions"))
        picture: Any = self.get_argument("picture")
        given = {
            name: self.get_argument(name)
            for name in self.request.query_arguments
            if name.partition(".")[0] in GROUPS
        }

        def work() -> bytes:
            found = pictures_of(self.viewer.frames, shown, regions, picture, given)
            return b"".join(map(encode, found))

        await self.send(work)


class Mask(Handler):
    """The masks of a run by reason; the regions drawn in the page, and new ones."""

    also = ("POST",)

    async def get(self) -> None:
        """Send the masks of a run, or the regions that were drawn."""
        run = self.get_argument("run", "")
        store = self.viewer.frames.store()
        if run:
            await self.send(lambda: encode(masks_by_reason(store, run)))
        else:
            await self.send_json(lambda: {"regions": drawn_regions(store)})

    async def post(self) -> None:
        """Keep the regions of the request; one request at a time writes."""
        frames, content = self.viewer.frames, self.request.body

        def work() -> str:
            return json.dumps(keep_regions(frames.store(write=True), content))

        kept = await get_running_loop().run_in_executor(self.viewer.writing, work)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(kept)


ADDRESSES: dict[str, type[RequestHandler]] = {
    "": Page,
    "summary": Summary,
    "models": Models,
    "tile": Tile,
    "overlay": Overlay,
    "rings": Rings,
    "point": Point,
    "scan": Scan,
    "lattice": Lattice,
    "lattice_spot": LatticeSpot,
    "progress": Progress,
    "why": Why,
    "explore": Explore,
    "report": Report,
    "threshold": Threshold,
    "mask": Mask,
}


def routes(viewer: Any) -> list[tuple[str, type[RequestHandler], dict[str, Any]]]:
    """Return the rules of the application."""
    return [(f"/{name}", handler, {"viewer": viewer}) for name, handler in ADDRESSES.items()]
