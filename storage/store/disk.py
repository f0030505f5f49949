"""Errors of the disk while a result is written, and links of files in place of copies."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dxdask.errors import DxdaskError, StoreWriteError


@contextmanager
def full_disk(root: Path, what: str, aside: Path) -> Iterator[None]:
    """Report an error of the disk as that of writing `what`; remove `aside`, if it is still there.

    Raises
    ------
    StoreWriteError
        The disk is full or refuses; what was there before is intact.
    """
    try:
        yield
    except DxdaskError:
        raise
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {what} to {root}: {error}; earlier steps are intact: "
            f"free some space ({_free(root)} left) or check the disk, and repeat the command"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _free(root: Path) -> str:
    try:
        return f"{shutil.disk_usage(root).free / 1e6:.0f} MB"
    except OSError:
        return "unknown"


def link_tree(source: Path, target: Path) -> None:
    """Give the files of a folder a second name, or a copy where the disk has no hard links.

    Files of a store are never changed in place, so that the two stay the same.
    """
    target.mkdir()
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                link_tree(Path(entry.path), target / entry.name)
            else:
                _link(entry.path, target / entry.name)


def _link(source: str, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
