"""The folder that numba keeps compiled kernels in; one is provided where it would find none.

Without a folder that it can write, numba refuses to compile what it is to keep. Its own choice is
(numba's documentation, "Caching") NUMBA_CACHE_DIR, the folder of the sources, or one in the user's
home; NUMBA_CACHE_LOCATOR_CLASSES restricts it. Kept kernels are code: a folder that others can
write is never used.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from dxdask.cluster.stale_kernels import remove_stale_kernels

VARIABLE = "NUMBA_CACHE_DIR"
_RESTRICTION = "NUMBA_CACHE_LOCATOR_CLASSES"


def provide_kernel_folder() -> None:
    """Set NUMBA_CACHE_DIR, for this process and those it starts, if numba would find no folder.

    From the folder of the sources, kernels that were compiled with older ones are removed.
    """
    folder = kernel_folder()
    with suppress(OSError):
        if folder is None:
            os.environ[VARIABLE] = str(_temporary())
        elif folder == sources():
            remove_stale_kernels(_packages())


def kernel_folder() -> Path | None:
    """Return the folder in which numba will keep kernels (or one above), None where there is none.

    A folder that the user names is returned whether or not it can be written.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    allowed = os.environ.get(_RESTRICTION, "")
    choices = {"InTreeCacheLocator": sources(), "UserWideCacheLocator": _home()}
    for name, folder in choices.items():
        if folder is not None and (not allowed or name in allowed) and _can_be_written(folder):
            return folder
    return None


def sources() -> Path:
    """Return the folder of the package."""
    return Path(str(sys.modules["dxdask"].__file__)).parent


def _packages() -> dict[str, Path]:
    """Return the folders of the package: `dxdask`, and those that are beside it in a checkout."""
    found = {"dxdask": sources()}
    for name in ("dxdask.graphs", "dxdask.storage", "dxdask.cluster"):
        spec = find_spec(name)
        for place in (spec and spec.submodule_search_locations) or ():
            if not Path(place).is_relative_to(sources()):
                found[name] = Path(place)
    return found


def are_kernels_compiled() -> bool:
    """Return whether the folder holds any kernel."""
    folder = kernel_folder()
    return folder is not None and next(folder.rglob("*.nbi"), None) is not None


def is_temporary() -> bool:
    """Return whether kernels are kept in the folder that is provided where numba finds none."""
    return Path(os.environ.get(VARIABLE, ".")).parent == Path(tempfile.gettempdir())


def _home() -> Path | None:
    try:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:
        return None
    return Path(cache) / "numba"


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _temporary() -> Path:
    """Return a folder of this user alone among the temporary ones, the same each time if it can be.

    Raises
    ------
    OSError
        There can be none.
    """
    user = getattr(os, "getuid", lambda: 0)()
    folder = Path(tempfile.gettempdir()) / f"dxdask-kernels-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == user
    if is_own and not found.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="dxdask-kernels-"))
