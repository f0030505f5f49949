"""Raw files from names, folders, globs and templates, in order."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from dxdask.errors import InputError
from dxdask.storage.formats import FileGroup, NumberedFile
from dxdask.storage.formats.file_bytes import COMPRESSED_SUFFIXES
from dxdask.storage.formats.registry import known_suffixes

_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<number>\d+)(?P<suffix>\.[^0-9].*)?$")


def find_files(paths: Iterable[str | Path], template: str | None = None) -> list[Path]:
    """Return the files, each once, in the order given; folders are searched.

    Paths are absolute, because workers and later users of the store may run in another folder.

    Raises
    ------
    InputError
        Nothing there, nothing that may be an image, or a template with a number missing.
    """
    found: dict[Path, None] = {}
    for given in [*paths, *([template] if template else [])]:
        found |= dict.fromkeys(path.absolute() for path in _expand(str(given)))
    if not found:
        raise InputError(
            "no files to import: name files, a folder, a glob or template=name_####.cbf"
        )
    return list(found)


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if _is_image_name(p.name) and p.is_file()]
        files = _without_data_files(files)
        if not files and (path / "zarr.json").is_file():
            raise InputError(
                f"{path} is a store, not files of frames: run a step on it, such as dxdask "
                f"find_spots {path}, or put stores together by dxdask combine_experiments"
            )
        if not files:
            raise InputError(
                f"no images in the folder {path}: none of {', '.join(known_suffixes())}"
            )
        return files
    if path.exists():
        return [path]
    if "#" in path.name:
        return _from_template(path)
    if glob.has_magic(text):
        files = [Path(p) for p in sorted(glob.glob(text, recursive=True))]
        if files:
            return _without_data_files([p for p in files if p.is_file()])
        raise InputError(f"no file matches {text}")
    raise InputError(f"there is no file {path}; check its name and whether the disk is mounted")


def _is_image_name(name: str) -> bool:
    lower = name.lower()
    for compressed in COMPRESSED_SUFFIXES:
        lower = lower.removesuffix(compressed)
    return lower.endswith(known_suffixes())


def _without_data_files(files: Sequence[Path]) -> list[Path]:
    """Drop the HDF5 files that a master or .nxs file beside them links to."""
    masters = {
        re.sub(r"(_master)?\.(h5|nxs)$", "", str(p))
        for p in files
        if p.name.endswith(("_master.h5", ".nxs"))
    }

    def is_part(path: Path) -> bool:
        match = re.fullmatch(r"(.*?)_?(?:data_\d+|meta|\d{6})\.h5", str(path))
        return match is not None and match[1] in masters

    return [p for p in files if not is_part(p)]


def _from_template(template: Path) -> list[Path]:
    """Return the files of name_####.cbf; every number from the first to the last must be there."""
    runs = re.findall(r"#+", template.name)
    if len(runs) > 1:
        raise InputError(f"the template {template} has {len(runs)} places for numbers; give one")
    head, tail = template.name.split(runs[0])
    pattern = re.compile(
        re.escape(head) + rf"(\d{{{len(runs[0])},}})" + re.escape(tail) + r"(\.gz|\.bz2)?"
    )
    numbered: dict[int, Path] = {}
    for path in sorted(template.parent.iterdir()) if template.parent.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match:
            numbered.setdefault(int(match[1]), path)
    if not numbered:
        raise InputError(f"no file matches the template {template}")
    missing = sorted(set(range(min(numbered), max(numbered) + 1)) - set(numbered))
    if missing:
        raise InputError(
            f"the template {template} lacks {len(missing)} of its images: {_ranges(missing)}; "
            "fetch them, or name the files there are (each unbroken stretch is then a run)"
        )
    return [numbered[n] for n in sorted(numbered)]


def _ranges(numbers: Sequence[int]) -> str:
    """Return "3, 7-9" for 3, 7, 8, 9."""
    parts: list[list[int]] = []
    for n in numbers:
        if parts and n == parts[-1][1] + 1:
            parts[-1][1] = n
        else:
            parts.append([n, n])
    shown = [f"{a}-{b}" if b > a else str(a) for a, b in parts[:20]]
    return ", ".join(shown) + (", ..." if len(parts) > 20 else "")


def group_files(paths: Iterable[Path]) -> list[FileGroup]:
    """Return the files grouped by template, groups in the order of their first file."""
    groups: dict[tuple[Path, str, str], list[NumberedFile]] = {}
    for path in paths:
        name = path.name
        for compressed in COMPRESSED_SUFFIXES:
            name = name.removesuffix(compressed)
        stem, _, suffix = name.rpartition(".")
        match = _NUMBERED.fullmatch(stem or name)
        prefix = match["prefix"] if match else stem or name
        number = int(match["number"]) if match else None
        groups.setdefault((path.parent, prefix, suffix), []).append(NumberedFile(path, number))
    out = []
    for (folder, prefix, _), files in groups.items():
        stem = prefix.rstrip("_-. ") or folder.resolve().name
        ordered = sorted(files, key=lambda f: (f.number if f.number is not None else -1, f.path))
        out.append(FileGroup(stem, folder, tuple(ordered)))
    return out
