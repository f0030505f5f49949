"""Locks of a store: one a branch and one for imports, each of one writer at a time.

The lock is that of the library filelock on one file, which the system releases when its holder
ends, however it ends. The holder (process, machine, time) is kept beside it for the message only,
as the single chunk of a small zarr array, so that every file of a store belongs to its hierarchy.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from dxdask.errors import StoreLockedError, StoreWriteError
from dxdask.storage.store import create, layout
from dxdask.storage.store.provenance import now

_TEXT_BYTES = 512


class WriteLock:
    """One lock for one `Store` object, which may take it again while it holds it, in any thread."""

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._label = f"{root}" if name == layout.MAIN else f"branch {name} of {root}"
        if name == layout.IMPORTS:
            self._label = f"the list of runs of {root}"
        self._array = layout.lock_path(root, name)
        self._holder = layout.chunk_path(self._array, (0,))
        self._lock = FileLock(self._holder.with_name("0.lock"), timeout=0, thread_local=False)
        self._depth = 0
        self._guard = threading.RLock()
        self._others = ExitStack()
        self._taken: set[WriteLock] = set()

    @property
    def is_held(self) -> bool:
        """True while this object holds the lock."""
        return self._depth > 0

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock; gives True where it was free, False where the object held it already.

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
                self._acquire()
            self._depth += 1
        try:
            yield first
        finally:
            with self._guard:
                self._depth -= 1
                if self._depth == 0:
                    self._others.close()
                    self._taken.clear()
                    self._lock.release()

    def take(self, other: WriteLock) -> bool:
        """Take another lock until this one, which is held, is released; True where it was free.

        Raises
        ------
        StoreLockedError, StoreWriteError
            As `held`.
        """
        with self._guard:
            if other in self._taken:
                return False
            first = self._others.enter_context(other.held())
            self._taken.add(other)
            return first

    def _acquire(self) -> None:
        try:
            if not (self._array / layout.METADATA).is_file():
                doc = {"doc": "process that is writing"}
                empty = np.full(_TEXT_BYTES, ord(" "), np.uint8)
                create.parents(self._root, self._array)
                create.array(
                    self._array.parent, self._array.name, empty, ("byte",), doc, packed=False
                )
            self._holder.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._holder.write_bytes(_holder())
        except Timeout:
            raise StoreLockedError(
                f"{self._label} is being written to by {_described(self._holder)}; "
                "wait until it is done, end it, or write to another branch or store"
            ) from None
        except (OSError, NotImplementedError) as error:
            self._lock.release()
            raise StoreWriteError(
                f"cannot write to {self._root}: {error}; "
                "check its permissions, its disk and that it allows locks"
            ) from error


def _holder() -> bytes:
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname()[:200], "since": now()})
    return text.encode().ljust(_TEXT_BYTES)


def _described(file: Path) -> str:
    try:
        holder = json.loads(file.read_bytes().rstrip(b"\0 "))
        return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
