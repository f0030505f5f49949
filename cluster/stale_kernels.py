"""Removal of kept kernels that were compiled with functions of other files as they were before.

numba compiles a kernel again when its own file has changed, but not when a file has that it calls
functions of (numba's documentation, "Notes on Caching"): after `git pull` in a checkout that dxdask
is installed from, such a kernel would go on computing what the old functions did. A list of the
sources with their times is therefore kept beside the kernels.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

RECORD = Path("__pycache__") / "sources_of_kernels"
"""List of sources, in the first of the folders: a line has the time in ns and the name of a file,
PACKAGE/PATH, which is the same wherever the disk is mounted."""
_KERNELS = (".nbi", ".nbc")
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]*)|import[ \t]+([\w.]+))",
    re.MULTILINE,
)


def remove_stale_kernels(packages: Mapping[str, Path]) -> int:
    """Remove kernels whose module imports, by whatever way, a module that has changed.

    Parameters
    ----------
    packages : folder of each package by its name, the one that keeps the list first.

    Returns
    -------
    int
        Number of files removed.

    Raises
    ------
    OSError
        The list cannot be written.
    """
    record = next(iter(packages.values())) / RECORD
    before, now = _recorded(record), dict(_sources(packages))
    names = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    if not names:
        return 0
    changed = set(_paths(names, packages))
    kernels = [k for folder in packages.values() for k in _kernels(folder)]
    stale = _importing(changed, _paths(now, packages), packages) if kernels else set()
    removed = [k for k in kernels if _source(k) in stale | changed]
    for kernel in removed:
        kernel.unlink(missing_ok=True)
    _write(record, now)
    return len(removed)


def _sources(packages: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield name, as in the list, and time (ns) of each Python file."""
    for package, folder in packages.items():
        todo, start = [str(folder)], len(str(folder))
        while todo:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.name.endswith(".py"):
                        yield f"{package}{entry.path[start:]}", entry.stat().st_mtime_ns
                    elif entry.is_dir() and entry.name != "__pycache__":
                        todo.append(entry.path)


def _paths(names: Iterable[str], packages: Mapping[str, Path]) -> Iterator[str]:
    """Yield the paths of files by their names in the list."""
    for name in names:
        package, _, path = name.partition(os.sep)
        if package in packages:
            yield str(packages[package] / path)


def _kernels(folder: Path) -> Iterator[Path]:
    return (k for ending in _KERNELS for k in folder.rglob(f"__pycache__/*{ending}"))


def _source(kernel: Path) -> str:
    """Return the file that a kernel is of: kernels are called MODULE.FUNCTION-LINE.PYTHON.nbi."""
    return str(kernel.parent.parent / f"{kernel.name.split('.')[0]}.py")


def _importing(changed: set[str], sources: Iterable[str], packages: Mapping[str, Path]) -> set[str]:
    """Return the sources that import one of those changed, directly or through others."""
    importers: dict[str, set[str]] = {}
    for path in sources:
        for name in _imported(Path(path).read_text(encoding="utf-8", errors="replace")):
            for imported in _files(name, packages):
                importers.setdefault(imported, set()).add(path)
    found, todo = set[str](), list(changed)
    while todo:
        new = importers.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def _imported(text: str) -> Iterator[str]:
    """Yield names that may be modules: of `from a import b`, both a and a.b."""
    for module, names, plain in _IMPORT.findall(text):
        yield module or plain
        yield from (f"{module}.{name}" for name in re.findall(r"\w+", names))


def _files(name: str, packages: Mapping[str, Path]) -> list[str]:
    """Return the files that a module of this name has, if it is one of the packages."""
    package = max((p for p in packages if f"{name}.".startswith(f"{p}.")), key=len, default=None)
    if package is None:
        return []
    place = packages[package].joinpath(*name[len(package) :].split("."))
    return [f"{place}.py", str(place / "__init__.py")]


def _recorded(record: Path) -> dict[str, int]:
    with suppress(OSError, ValueError):
        lines = record.read_text(encoding="utf-8").splitlines()
        return {name: int(time) for time, name in (line.split(" ", 1) for line in lines)}
    return {}


def _write(record: Path, sources: Mapping[str, int]) -> None:
    record.parent.mkdir(exist_ok=True)
    text = "".join(f"{time} {name}\n" for name, time in sources.items())
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=record.parent, delete=False
    ) as file:
        file.write(text)
    os.replace(file.name, record)
