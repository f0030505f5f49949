"""Files that are written whole or not at all: aside, in the same folder, then renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dxdask.errors import DxdaskError, StoreWriteError

# errors of HDF5 and gemmi without a number
_OF_WRITING = re.compile(r"(?i)writ|flush|close|closing|decrement|sync")
_LITTLE = 1 << 16  # bytes free on a disk that is called full where a library gives no reason


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the path to write to; at the end it takes the place of `path`.

    Its folder is made where there is none. If an error ends the context, `path` is as it was before
    and nothing is left beside it. What is no regular file (`/dev/stdout`, a pipe) is written to
    directly, a symbolic link is followed.

    Raises
    ------
    StoreWriteError
        The folder or the file cannot be written, the disk is full, or `path` is a folder.
    """
    where = Path(os.path.realpath(path))
    if where.is_dir():
        raise StoreWriteError(f"cannot write {path}: it is a folder; give the name of a file")
    direct = where.exists() and not where.is_file()
    aside = where if direct else where.with_name(f".part.{os.getpid()}.{where.name}")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        if not direct:
            aside.touch()  # so that the reason is the system's own
        yield aside
        if not direct:
            aside.replace(where)
    except DxdaskError:
        raise
    except (OSError, RuntimeError) as error:  # gemmi and h5py raise RuntimeError as well
        reason = _reason(error, aside)
        if reason is None:
            raise
        reason = reason.replace(str(aside), str(path))
        raise StoreWriteError(f"cannot write {path}: {reason}") from error
    finally:
        if not direct:
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def _reason(error: Exception, where: Path) -> str | None:
    """Return why a file could not be written, and what to do; None where it was another error."""
    number = getattr(error, "errno", None)
    own = isinstance(error, OSError) and number not in (None, errno.EFBIG)
    if number in (errno.ENOSPC, errno.EDQUOT) or (not own and _is_full(where)):
        return "no space left on the disk; free some, or write to another disk"
    if own:
        text = getattr(error, "strerror", None) or " ".join(str(error).split())
        return f"{text}; check the rights and the name of the folder, or write to another one"
    text = " ".join(str(error).split())
    if isinstance(error, OSError) or _OF_WRITING.search(text):
        return f"{text}; check the space on the disk, or write to another one"
    return None


def _is_full(where: Path) -> bool:
    try:
        return shutil.disk_usage(where.parent).free < _LITTLE
    except OSError:
        return False
