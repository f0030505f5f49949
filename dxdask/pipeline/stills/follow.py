"""`follow=true`: events of files that are still being written, as the files come.

Every poll looks at the folders, patterns and lists named. A file counts once its size and time have
been the same for two polls and it can be read: it is then a run, processed with those before it and
committed, as one call of `stills_process` over the files known so far. The runs before it are taken
from the store (see `dxdask.pipeline.planner`), so that the frames of each event are read
once, and what was committed survives whatever happens to this process: started again, it resumes
with the files that the store does not hold. What is read and written again with each poll are the
results of all runs, some 60 kB a crystal.
"""

from __future__ import annotations

import glob
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dxdask.errors import DxdaskError, FormatError, InputError, plain
from dxdask.pipeline.stills.parameters import FollowParameters
from dxdask.storage.store.store import Store

log = logging.getLogger("dxdask")

PATTERNS = ("*.h5", "*.hdf5", "*.nxs", "*.cxi")
LISTS = (".lst", ".txt")
State = tuple[int, int]


def files_now(paths: Sequence[str]) -> list[Path]:
    """Return the files there are now of these names, folders, patterns and lists, in their order.

    A name that ends in .lst or .txt is a list of files, one a line; '#' stands for a digit.
    """
    found: dict[Path, None] = {}
    for text in paths:
        found |= dict.fromkeys(p.absolute() for p in _expand(text) if p.is_file())
    return list(found)


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.suffix in LISTS:
        lines = path.read_text().splitlines() if path.is_file() else []
        return [path.parent / line.strip() for line in lines if line.strip()]
    if path.is_dir():
        return sorted(p for pattern in PATTERNS for p in path.glob(pattern))
    if "#" in path.name or glob.has_magic(text):
        return [Path(p) for p in sorted(glob.glob(text.replace("#", "[0-9]")))]
    return [path]


def files_of(store: Store) -> list[Path]:
    """Return the files of the runs that a store holds, in their order."""
    return [Path(store.run_attributes(run)["source"]["files"][0]) for run in store.runs]


@dataclass
class Followed:
    """Files as they come.

    Attributes
    ----------
    known : those that are processed, or are being processed, in the order in which they came.
    readable : whether a file that no longer grows can be read; raises FormatError where it cannot.
    """

    paths: Sequence[str]
    readable: Callable[[Path], object]
    known: list[Path] = field(default_factory=list)
    _states: dict[Path, State] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)

    def new(self) -> list[Path]:
        """Return the files that are whole since the last look, and count them as known."""
        out = []
        for path in files_now(self.paths):
            if path in self.known:
                continue
            found = path.stat()
            state = found.st_size, found.st_mtime_ns
            if self._states.get(path) != state:
                self._states[path] = state
                self.refused.pop(path, None)
            elif self._is_read(path):
                out.append(path)
        self.known += out
        return out

    def _is_read(self, path: Path) -> bool:
        try:
            self.readable(path)
        except (FormatError, OSError) as error:
            self.refused[path] = plain(error)
            return False
        return True


def follow(
    followed: Followed,
    parameters: FollowParameters,
    process: Callable[[Sequence[Path]], None],
) -> None:
    """Process files as they come, until none has come for `follow_timeout`, or the stop file has.

    process : takes all files known so far. Where it cannot be done with these, as there is no hit
    yet, it is tried again when more have come.

    Raises
    ------
    InputError
        No file came, or none that can be read.
    DxdaskError
        It could not be done with all of them in the end.
    """
    last, failed, stop = time.monotonic(), None, parameters.follow_stop
    while True:
        ends = stop is not None and stop.exists()
        new = followed.new()
        if new:
            log.info("%d new files, %d in all", len(new), len(followed.known))
            failed = _tried(process, followed.known)
            last = time.monotonic()
        waiting = [p for p in files_now(followed.paths) if p not in followed.known]
        ends = ends and not set(waiting) - set(followed.refused)
        if ends or time.monotonic() - last > parameters.follow_timeout:
            break
        time.sleep(parameters.follow_interval)
    for path, reason in followed.refused.items():
        log.warning("skipped %s: %s", path, reason)
    if failed is not None:
        raise failed
    if not followed.known:
        reasons = "; ".join(followed.refused.values()) or "none is there"
        raise InputError(
            f"no file to process came of {', '.join(followed.paths)} within "
            f"{parameters.follow_timeout:g} s: {reasons}"
        )


def _tried(process: Callable[[Sequence[Path]], None], files: Sequence[Path]) -> DxdaskError | None:
    try:
        process(files)
    except (InputError, FormatError) as error:
        log.warning("%s; waiting for more files", plain(error))
        return error
    return None
