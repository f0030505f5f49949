"""What every reply of the viewer has: a check of the token, headers, and errors of one line."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import zlib
from asyncio import get_running_loop
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NoReturn

from tornado.web import HTTPError, MissingArgumentError, RequestHandler

from dxdask.errors import DxdaskError, InputError, StoreLockedError, StoreNotFoundError, plain
from dxdask.view.frames import STACKS, Frames, Shown
from dxdask.view.lattice_points import PointsCache
from dxdask.view.tables import Tables
from dxdask.view.tiles import compress

log = logging.getLogger("dxdask")
TOKEN_HEADER = "X-Dxdask-Token"
LONG = 4096


@dataclass(frozen=True)
class Viewer:
    """What the handlers share: images, tables, the token, and threads to read and to write."""

    frames: Frames
    tables: Tables
    points: PointsCache
    token: str
    threads: Executor
    writing: Executor


class Handler(RequestHandler):
    """A request with the token, answered by a thread; errors are JSON with one line."""

    def initialize(self, viewer: Viewer) -> None:
        """Take what all handlers share."""
        self.viewer = viewer

    def set_default_headers(self) -> None:
        """Forbid framing, guessing of types, scripts from elsewhere, and caches."""
        self.nonce = secrets.token_urlsafe(16)
        self.set_header("X-Frame-Options", "DENY")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{self.nonce}'; style-src 'nonce-{self.nonce}'; "
            "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
            "form-action 'none'",
        )
        self.clear_header("Server")

    def prepare(self) -> None:
        """Refuse other methods, and requests without the token."""
        if self.request.method not in ("GET", *self.also):
            raise HTTPError(405, "only GET is answered here")
        given = self.request.headers.get(TOKEN_HEADER) or self.token_in_address()
        if not hmac.compare_digest(given.encode(), self.viewer.token.encode()):
            raise HTTPError(403, "the token is wrong; open the address that dxdask view printed")

    also: tuple[str, ...] = ()

    def token_in_address(self) -> str:
        """Return the token where a handler takes it from the address."""
        return ""

    def check_xsrf_cookie(self) -> None:
        """Nothing: the token, which no other page knows, is in a header."""

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Return what a function returns that is run in a thread, as it may read files."""
        return await get_running_loop().run_in_executor(self.viewer.threads, work)

    async def send(self, work: Callable[[], bytes]) -> None:
        """Send the bytes that a function returns, compressed."""
        content = await self.in_thread(lambda: compress(work()))
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Encoding", "deflate")
        self.finish(content)

    async def send_json(self, work: Callable[[], Any]) -> None:
        """Send the values that a function returns as JSON."""
        content = await self.in_thread(lambda: json.dumps(work(), allow_nan=False).encode())
        self.set_header("Content-Type", "application/json; charset=utf-8")
        if len(content) > LONG:  # models of many panels
            content = await self.in_thread(lambda: zlib.compress(content, 1))
            self.set_header("Content-Encoding", "deflate")
        self.finish(content)

    def whole(self, name: str, default: int | None = None) -> int:
        """Return an argument that is a whole number."""
        return int(self.number(name, default, int))

    def number(self, name: str, default: Any = None, kind: Callable[[str], Any] = float) -> Any:
        """Return an argument that is a number."""
        text = self.get_argument(name, None if default is None else str(default))
        if text is None:
            raise MissingArgumentError(name)
        try:
            return kind(text)
        except ValueError:
            raise InputError(f"{name}={text!r} is no number") from None

    def shown(self) -> Shown:
        """Return the image, or images, that the arguments name."""
        stack: Any = self.get_argument("stack", "sum")
        if stack not in STACKS:
            raise InputError(f"stack={stack!r}: give one of {', '.join(STACKS)}")
        run = self.get_argument("run")
        return Shown(run, self.whole("image"), self.whole("n", 1), stack)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send one line in place of tornado's page."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, DxdaskError):
            status_code = _status(error)
            self.set_status(status_code)
            text = plain(error)
        elif isinstance(error, MissingArgumentError):
            text = f"{error.arg_name} is not given"
        elif isinstance(error, HTTPError) and error.log_message:
            text = error.log_message
        elif status_code >= 500 and isinstance(error, Exception):
            text = f"{type(error).__name__}: {plain(error)}"
        else:
            text = HTTPStatus(status_code).phrase
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps({"error": text}))

    def log_exception(self, kind: Any, error: Any, trace: Any) -> None:
        """Log what is no fault of the request."""
        if not isinstance(error, (DxdaskError, HTTPError)):
            log.warning("view: %s: %s", type(error).__name__, plain(error))
            log.debug("view", exc_info=(kind, error, trace))


class NotThere(Handler):
    """The answer where there is no such address."""

    def get(self) -> NoReturn:
        """Say so."""
        raise HTTPError(404, "no such address")


def _status(error: DxdaskError) -> int:
    if isinstance(error, StoreNotFoundError):
        return 404
    if isinstance(error, StoreLockedError):
        return 409
    return 400 if isinstance(error, ValueError) else 503
