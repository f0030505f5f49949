"""A store's folder, opened: its branch, and the locks of writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Self

from dxdask.errors import InputError
from dxdask.storage.store import branches, layout, read, swap
from dxdask.storage.store.lock import WriteLock


class StoreFolder:
    """The folder of a store, opened on a branch, to read or to read and write."""

    def __init__(self, path: Path, mode: Literal["r", "r+"], branch: str = layout.MAIN) -> None:
        self.path = path
        self.mode = mode
        self.branch = layout.safe_name(branch, "a branch")
        self._lock = WriteLock(path, branch)
        self._imports = WriteLock(path, layout.IMPORTS)

    @property
    def attributes(self) -> dict[str, Any]:
        """Format, version, time of creation, versions of software.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.attributes["format"], store.attributes["version"]
        ('dxdask', 2)
        """
        return read.open_store(self.path)

    @property
    def branches(self) -> tuple[str, ...]:
        """Branches that hold results, main first.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store.branches
        ('main',)
        """
        return branches.names(self.path)

    def on_branch(self, name: str) -> Self:
        """Return the same store on another branch; one without results yet reads those of main.

        Raises
        ------
        InputError
            No branch can have this name.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> trial = store.on_branch("trial")
        >>> trial.has_step("merge")
        True
        """
        return type(self)(self.path, self.mode, name)

    def delete_branch(self, name: str) -> None:
        """Delete the results of a branch.

        Raises
        ------
        InputError
            It is main, or the store was opened for reading.
        StoreNotFoundError
            There is no such branch.
        StoreLockedError
            It is being written to.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> store = dxdask.find_spots(store, min_spot_size=4, branch="other")
        >>> store.delete_branch("other")
        >>> "other" in store.branches
        False
        """
        with self.on_branch(name).writing():
            branches.delete(self.path, name)

    @contextmanager
    def writing(self) -> Iterator[Self]:
        """Hold the lock of the branch; within it the same store may be written to again and again.

        Raises
        ------
        StoreLockedError
            Another process, or another `Store` object, is writing to this branch.
        InputError
            The store was opened for reading.

        Examples
        --------
        >>> import dxdask
        >>> store = dxdask.open("tiny.zarr")
        >>> with store.writing():
        ...     store.write_step("copy", store.read_step("merge"))
        """
        if self.mode == "r":
            raise InputError(f'{self.path} is open for reading; open it with mode="r+" to write')
        with self._lock.held() as first:
            if first:
                swap.clear(self.path, self.branch)
            yield self

    def hold_runs(self) -> None:
        """Hold the lock of runs, which all branches share, until the present `writing` ends.

        Raises
        ------
        InputError
            Outside of `writing`.
        StoreLockedError
            Another process, or another `Store` object, imports or calibrates runs.
        """
        if not self._lock.is_held:
            raise InputError("runs are made within store.writing()")
        if self._lock.take(self._imports):
            swap.clear_imports(self.path)
