"""The write lock of a store: one writer at a time; a dead writer's lock is free.

The lock is `flock` on one file, which the system lets go when its holder ends, however it ends.
What the file says (who, where, since when) is only for the message. The file is the single chunk of
a small zarr array, so that every file of a store belongs to its hierarchy.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dxdask.errors import StoreLockedError, StoreWriteError
from dxdask.storage.store import layout
from dxdask.storage.store.provenance import now

TEXT_BYTES = 512


class WriteLock:
    """The lock of one store for one `Store` object, which may take it again while it holds it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = layout.chunk_path(root / layout.LOCK, (0,))
        self._depth = 0
        self._descriptor = -1
        self._guard = threading.RLock()

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock; gives True to whom took it, False where the object held it already.

        Raises
        ------
        StoreLockedError
            Another process, or another `Store` object, is writing.
        StoreWriteError
            The store cannot be written to.
        """
        with self._guard:
            first = self._depth == 0
            if first:
                self._descriptor = self._acquire()
            self._depth += 1
        try:
            yield first
        finally:
            with self._guard:
                self._depth -= 1
                if self._depth == 0:
                    os.close(self._descriptor)

    def _acquire(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StoreWriteError(
                f"cannot write to {self._root}: {error.strerror}; "
                "check its permissions and its disk"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(descriptor, _holder(), 0)
        except BlockingIOError as error:
            who = _described(os.pread(descriptor, TEXT_BYTES, 0))
            os.close(descriptor)
            raise StoreLockedError(
                f"{self._root} is being written to by {who}; "
                "wait until it is done, end it, or write to another store"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StoreWriteError(
                f"cannot lock {self._root}: {error.strerror}; "
                "check its disk and that it allows locks"
            ) from error
        return descriptor


def _holder() -> bytes:
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()[:200], "since": now()})
    return text.encode().ljust(TEXT_BYTES)


def _described(content: bytes) -> str:
    try:
        holder = json.loads(content.rstrip(b"\0 "))
        return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
    except (ValueError, TypeError, KeyError):
        return "another process"
