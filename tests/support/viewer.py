"""A viewer that runs in this process, and requests to it."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.view.parameters import ViewParameters
from dxdask.view.replies import TOKEN_HEADER
from dxdask.view.server import serve
from dxdask.view.tiles import DTYPES


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Viewing:
    """The address of a viewer, with its token, and requests to it."""

    address: str

    @property
    def token(self) -> str:
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.address).query)["token"][0]

    def ask(
        self,
        name: str,
        *,
        token: str | None = None,
        method: str = "GET",
        body: bytes | None = None,
        **values: Any,
    ) -> Reply:
        query = urllib.parse.urlencode(values)
        url = f"{self.address.split('?')[0]}{name}" + (f"?{query}" if query else "")
        headers = {TOKEN_HEADER: self.token if token is None else token}
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                got = reply.status, dict(reply.headers), reply.read()
        except urllib.error.HTTPError as error:
            with error:
                got = error.code, dict(error.headers), error.read()
        status, headers, content = got
        if headers.get("Content-Encoding") == "deflate":
            content = zlib.decompress(content)
        return Reply(status, headers, content)

    def array(self, name: str, **values: Any) -> NDArray[Any]:
        """Return the one array (slow, fast) of a reply."""
        reply = self.ask(name, **values)
        assert reply.status == 200, reply.content
        code, fast, slow, _ = struct.unpack("<4i", reply.content[:16])
        return from_planes(reply.content, DTYPES[code], 16, slow * fast).reshape(slow, fast)

    def arrays(self, name: str, **values: Any) -> dict[str, Any]:
        """Return the values and the arrays of a reply with several."""
        reply = self.ask(name, **values)
        assert reply.status == 200, reply.content
        (size,) = struct.unpack("<i", reply.content[:4])
        head = json.loads(reply.content[4 : 4 + size])
        found = dict(head["values"])
        for entry in head["arrays"]:
            n = int(np.prod(entry["shape"]))
            start = 4 + size + entry["at"]
            flat = from_planes(reply.content, entry["dtype"], start, n)
            found[entry["name"]] = flat.reshape(entry["shape"])
        return found


def from_planes(content: bytes, dtype: str, start: int, n: int) -> NDArray[Any]:
    """Return n numbers of which first bytes are sent first, then second bytes, and so on."""
    size = np.dtype(dtype).itemsize
    flat = np.frombuffer(content, np.uint8, n * size, start).reshape(size, n)
    return np.ascontiguousarray(flat.T).view(np.dtype(dtype).newbyteorder("<")).reshape(n)


@contextmanager
def viewing(path: Path, **parameters: Any) -> Iterator[Viewing]:
    """Serve a store from a thread."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    found: list[str] = []
    ended = asyncio.Event()

    def started(address: str) -> None:
        found.append(address)
        ready.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve(path, ViewParameters(**parameters), started, ended))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(30)
        yield Viewing(found[0])
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
