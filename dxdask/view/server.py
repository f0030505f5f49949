"""The server of the viewer, on this machine only."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.web import Application

from dxdask.errors import ParameterError
from dxdask.storage.store.store import Store
from dxdask.view.frames import Frames
from dxdask.view.handlers import routes
from dxdask.view.lattice_points import PointsCache
from dxdask.view.parameters import ViewParameters
from dxdask.view.replies import NotThere, Viewer
from dxdask.view.tables import Tables
from dxdask.view.warming import warm

HOST = "127.0.0.1"
THREADS = 4
LARGEST_POST = 1 << 20


def application(path: Path, parameters: ViewParameters, token: str) -> Application:
    """Return the application that shows a store.

    Raises
    ------
    StoreNotFoundError, SchemaError
        There is no store, or it cannot be read.
    """
    Store.open(path, mode="r", branch=parameters.branch)
    viewer = Viewer(
        Frames(path, parameters.branch, parameters.cache * 1e6),
        Tables(),
        PointsCache(),
        token,
        ThreadPoolExecutor(THREADS, "view"),
        ThreadPoolExecutor(1, "view-write"),
    )
    viewer.threads.submit(warm, viewer.frames, viewer.tables)
    return Application(
        routes(viewer),
        default_handler_class=NotThere,
        default_handler_args={"viewer": viewer},
        log_function=lambda _handler: None,
    )


async def serve(
    path: Path,
    parameters: ViewParameters,
    started: Callable[[str], None],
    ended: asyncio.Event | None = None,
) -> None:
    """Serve a store until `ended` is set, or for ever.

    started : is called with the address, which has the token in it.

    Raises
    ------
    ParameterError
        The port is in use.
    """
    token = secrets.token_urlsafe(24)
    app = application(path, parameters, token)
    try:
        listening = socket.create_server((HOST, parameters.port), backlog=128)
    except OSError as error:
        raise ParameterError(
            f"port={parameters.port} cannot be used ({error.strerror}); give another, or 0 for any"
        ) from None
    server = HTTPServer(app, max_body_size=LARGEST_POST, max_buffer_size=LARGEST_POST)
    listening.setblocking(False)
    server.add_sockets([listening])
    try:
        started(f"http://{HOST}:{listening.getsockname()[1]}/?token={token}")
        await (ended or asyncio.Event()).wait()
    finally:
        server.stop()
        await server.close_all_connections()
