"""The addresses of results: spots, predictions, numbers along a scan, the reciprocal lattice."""

from __future__ import annotations

from typing import Any

from dxdask.errors import InputError
from dxdask.view.exploration import exploration, numbers_of
from dxdask.view.jobs import progress_of
from dxdask.view.lattice_points import (
    Axes,
    LatticePoints,
    lattice_points,
    points_version,
    spot_of_point,
)
from dxdask.view.ledger import explanation, linked_report
from dxdask.view.overlays import predictions_of, spots_of
from dxdask.view.replies import Handler
from dxdask.view.scan import along_scan
from dxdask.view.tiles import pack

LAST = 2**31 - 1


class Overlay(Handler):
    """The spots and predictions that touch an image, or several."""

    async def get(self) -> None:
        """Send them."""
        shown = self.shown()

        def work() -> bytes:
            store, tables = self.viewer.frames.store(), self.viewer.tables
            self.viewer.frames.index(shown.run, shown.image)
            z = shown.image - 1, shown.image - 1 + shown.n
            spots = spots_of(store, tables, shown.run, z)
            return pack(spots | predictions_of(store, tables, shown.run, z))

        await self.send(work)


class Scan(Handler):
    """Numbers by image."""

    async def get(self) -> None:
        """Send them."""
        run = self.get_argument("run")

        def work() -> bytes:
            arrays, values = along_scan(self.viewer.frames.store(), self.viewer.tables, run)
            return pack(arrays, **values)

        await self.send(work)


class Lattice(Handler):
    """The points of the reciprocal lattice of a run, or of all."""

    async def get(self) -> None:
        """Send them."""
        run = self.get_argument("run", "")
        of: Any = self.get_argument("of", "laboratory")

        def work() -> bytes:
            points = points_of(self, run, of)
            return pack(points.arrays, **points.values)

        await self.send(work)


class LatticeSpot(Handler):
    """The spot of a point of the reciprocal lattice."""

    async def get(self) -> None:
        """Send it."""
        run, i = self.get_argument("run", ""), self.whole("point")
        version = self.get_argument("version")
        of: Any = self.get_argument("of", "laboratory")

        def work() -> dict[str, Any]:
            points = points_of(self, run, of)
            if points.version != version:
                raise InputError("the spots have changed since; show the reciprocal lattice again")
            return spot_of_point(points, i)

        await self.send_json(work)


def points_of(handler: Handler, run: str, of: Axes) -> LatticePoints:
    """Return the points of a run, or of all (""), as they are now; called in a thread."""
    store = handler.viewer.frames.store()
    return handler.viewer.points.get(
        points_version(store, run, of), lambda: lattice_points(store, run, of=of)
    )


class Progress(Handler):
    """The jobs that run on the store, and their log."""

    async def get(self) -> None:
        """Send them."""
        frames = self.viewer.frames
        await self.send_json(lambda: progress_of(frames.path, frames.branch))


class Why(Handler):
    """What became of an image, or of the observations of a Miller index."""

    async def get(self) -> None:
        """Send it."""
        run, image, hkl = (
            self.get_argument("run"),
            self.whole("image"),
            self.get_argument("hkl", ""),
        )
        await self.send_json(lambda: explanation(self.viewer.frames.store(), run, image, hkl))


class Explore(Handler):
    """Pixels, intensities, pairs, ratios and masks of runs, modules and images."""

    async def get(self) -> None:
        """Send them."""
        runs = self.get_arguments("run")
        modules = numbers_of(self.get_arguments("module"), "module")
        images = None
        if self.get_argument("first", "") or self.get_argument("last", ""):
            images = self.whole("first", 0), self.whole("last", LAST)

        def work() -> bytes:
            arrays, values = exploration(self.viewer.frames.store(), runs, modules, images)
            return pack(arrays, **values)

        await self.send(work)


class Report(Handler):
    """The report of the store as it is now."""

    def token_in_address(self) -> str:
        """Return the token of the address, as of the page."""
        return self.get_argument("token", "")

    async def get(self) -> None:
        """Send it."""
        nonce = self.nonce
        html = await self.in_thread(lambda: linked_report(self.viewer.frames.store(), nonce))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(html)
