"""What the server refuses, and that it lives on."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import urllib.error
import urllib.parse
import urllib.request
from importlib.resources import files
from pathlib import Path

import pytest
from support.viewer import Viewing, viewing

import dxdask
from dxdask.errors import ParameterError, StoreNotFoundError
from dxdask.storage.store.store import Store
from dxdask.view.handlers import ADDRESSES, page
from dxdask.view.parameters import ViewParameters
from dxdask.view.server import application, serve

TILE = {"run": "tiny_1", "image": 1, "level": 0, "x": 0, "y": 0}


def lives(viewer: Viewing) -> None:
    assert viewer.ask("tile", **TILE).status == 200


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_wrong_token_is_refused(viewer: Viewing, name: str) -> None:
    for token in ("", "x", viewer.token[:-1], "é"):
        reply = viewer.ask(name, token=urllib.parse.quote(token), run="tiny_1", image=1)
        assert reply.status == 403
        assert "dxdask view printed" in reply.json["error"]
    lives(viewer)


def test_the_token_in_an_address_is_for_the_page_only(viewer: Viewing) -> None:
    assert viewer.ask("", token="", **{"t": 1}).status == 403
    address = viewer.address
    with urllib.request.urlopen(address, timeout=30) as reply:
        assert reply.status == 200
    with urllib.request.urlopen(address.replace("/?", "/report?"), timeout=60) as reply:
        assert reply.status == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address.replace("/?", "/summary?"), timeout=30)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
@pytest.mark.parametrize("name", [n for n in ADDRESSES if n != "mask"])
def test_only_get_is_answered(viewer: Viewing, name: str, method: str) -> None:
    body = b"{}" if method != "HEAD" else None
    assert viewer.ask(name, method=method, body=body).status == 405


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"run": "nosuch"}, 404, "complete runs: tiny_1"),
        ({"run": "../../etc"}, 400, ""),
        ({"image": 0}, 400, "not within the images 1 to 14"),
        ({"image": 15}, 400, "not within the images 1 to 14"),
        ({"image": "x"}, 400, "no number"),
        ({"level": 99}, 400, "level=99"),
        ({"n": 0}, 400, "n=0"),
        ({"stack": "median"}, 400, "sum, max, mean"),
    ],
)
def test_what_is_not_there_is_one_line(
    viewer: Viewing, change: dict[str, object], status: int, text: str
) -> None:
    reply = viewer.ask("tile", **(TILE | change))
    assert reply.status == status
    assert text in reply.json["error"]
    assert "\n" not in reply.json["error"]
    lives(viewer)


def test_addresses_that_are_not_there(viewer: Viewing) -> None:
    for name in ("../pyproject.toml", "static/../../x", "view.js", "nosuch"):
        assert viewer.ask(name).status == 404
    assert viewer.ask("tile").status == 400


def test_framing_and_other_origins_are_forbidden(viewer: Viewing) -> None:
    for name in ("summary", "nosuch"):
        headers = viewer.ask(name).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in headers


def test_the_page_is_small_and_needs_no_network() -> None:
    parts = page()
    assert sum(len(part.encode()) for part in parts) < 150_000
    for text in parts:
        assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import|url\(", text)
    for text in parts[:1]:
        assert not re.search(r"""(src|href)=["'](?!data:|report["'])""", text)
    assert {p.name for p in files("dxdask.view.page").iterdir() if p.name.endswith(".js")}


def test_only_this_machine_is_listened_to(viewer: Viewing) -> None:
    parts = urllib.parse.urlsplit(viewer.address)
    assert parts.hostname == "127.0.0.1"
    assert len(viewer.token) >= 32


def test_an_empty_store(tmp_path: Path) -> None:
    Store.create(tmp_path / "empty.zarr")
    with viewing(tmp_path / "empty.zarr") as viewer:
        assert viewer.ask("summary").json["runs"] == []
        reply = viewer.ask("tile", **TILE)
        assert (reply.status, "complete runs: none" in reply.json["error"]) == (404, True)


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        application(tmp_path / "no.zarr", ViewParameters(), "token")


def test_a_run_that_is_being_written_appears_when_it_is_complete(
    processed: Store, tmp_path: Path
) -> None:
    store = Store.create(tmp_path / "growing.zarr")
    frames = processed.frame_reader("tiny_1").read(0, 14)
    with viewing(store.path) as viewer, store.writing():
        writer = store.create_run(
            "tiny_1", processed.run_experiment("tiny_1"), n_images=14,
            shape=frames.shape[1:], dtype=frames.dtype,
        )  # fmt: skip
        writer.write(0, frames[:7])
        reply = viewer.ask("tile", **TILE)
        assert (reply.status, "not completely imported" in reply.json["error"]) == (404, True)
        writer.write(7, frames[7:])
        writer.finish()
        lives(viewer)
        assert viewer.ask("summary").json["runs"][0]["name"] == "tiny_1"


def test_a_linked_file_that_is_gone(raw: list[Path], tmp_path: Path) -> None:
    copies = [Path(shutil.copytree(raw[0].parent, tmp_path / "raw")) / raw[0].name]
    store = dxdask.import_(copies, tmp_path / "linked.zarr", link=True)
    run = store.runs[0]
    for file in (tmp_path / "raw").iterdir():
        file.unlink()
    with viewing(store.path) as viewer:
        reply = viewer.ask("tile", **(TILE | {"run": run}))
        assert reply.status == 503
        assert reply.json["error"].count("\n") == 0
        assert viewer.ask("summary").status == 200


def test_a_client_that_leaves_while_it_is_answered(viewer: Viewing) -> None:
    parts = urllib.parse.urlsplit(viewer.address)
    for _ in range(10):
        with socket.create_connection((str(parts.hostname), int(parts.port or 0))) as connection:
            query = urllib.parse.urlencode(TILE)
            head = (
                f"GET /tile?{query} HTTP/1.1\r\nHost: x\r\nX-Dxdask-Token: {viewer.token}\r\n\r\n"
            )
            connection.sendall(head.encode())
    lives(viewer)


def test_a_port_in_use(processed: Store, viewer: Viewing) -> None:
    port = urllib.parse.urlsplit(viewer.address).port
    with pytest.raises(ParameterError, match=f"port={port} cannot be used"):
        asyncio.run(serve(processed.path, ViewParameters(port=port or 0), lambda _address: None))
