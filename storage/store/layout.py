"""Where everything lies in a store: the only place with path strings.

A store is one zarr v3 hierarchy in a folder ``NAME.zarr``::

    NAME.zarr/            attributes: format, version, created, software
      runs/RUN/frames     (image, slow, fast) integers as recorded
      runs/RUN/mask       (slow, fast) bool, True is good
      runs/RUN/angle ...  (image,) what is known of each image
      runs/RUN/raw/       pedestal, noise, gain, use (slow, fast), where the run is raw
      runs/RUN/models     attributes: the experiment, without crystal
      runs/RUN/done       one flag a written file, until the run is complete
      spots/ indexed/ refined/ integrated/ scaled/ merged/ analysis/STEP/
        COLUMN            (reflection,) or (reflection, part)
        experiment_offsets  row at which each experiment starts
        arrays/NAME       what is no column (of apply_mask: RUN, the mask applied to that run)
        models, report    attributes: experiments; tables, messages, problems
      history/NNNN_STEP   attributes: one entry each time a step was run
      .dxdask/            the write lock, and steps on their way in and out
"""

from __future__ import annotations

import re
from pathlib import Path

from dxdask.errors import InputError

FORMAT = "dxdask"
VERSION = 1

RUNS = "runs"
ANALYSIS = "analysis"
HISTORY = "history"
WORK = ".dxdask"
STAGING = f"{WORK}/staging"
REPLACED = f"{WORK}/replaced"
LOCK = f"{WORK}/lock"

FRAMES = "frames"
MASK = "mask"
DONE = "done"
MODELS = "models"
RAW = "raw"
REPORT = "report"
ARRAYS = "arrays"
OFFSETS = "experiment_offsets"
METADATA = "zarr.json"

STEP_GROUPS = {
    "find_spots": "spots",
    "index": "indexed",
    "refine": "refined",
    "integrate": "integrated",
    "scale": "scaled",
    "merge": "merged",
}
GROUP_STEPS = {group: step for step, group in STEP_GROUPS.items()}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def safe_name(name: str, what: str) -> str:
    """Return `name` after checking that it can name a group: it never leaves its folder.

    Raises
    ------
    InputError
        Empty, or with other characters than letters, digits and ``. _ + -``.
    """
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise InputError(
            f"{what} cannot be called {name!r}: give 1 to 100 letters, digits, "
            "'.', '_', '+' or '-', beginning with a letter or digit"
        )
    return name


def name_from(text: str) -> str:
    """Return a name that `safe_name` takes, as near to `text` (a file's or folder's) as can be."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).lstrip("._+-")[:80] or "run"


def step_of(name: str) -> str:
    """Return the step for a step's or a group's name ("index" and "indexed" are both "index")."""
    return GROUP_STEPS.get(name, name.removeprefix(f"{ANALYSIS}/"))


def step_group(name: str) -> str:
    """Return the group of a step from the root; steps without their own lie in `analysis`."""
    step = step_of(name)
    return STEP_GROUPS.get(step) or f"{ANALYSIS}/{safe_name(step, 'a step')}"


def run_path(root: Path, run: str) -> Path:
    """Return the folder of a run."""
    return root / RUNS / safe_name(run, "a run")


def replaced_path(root: Path, group: str) -> Path:
    """Return where the previous version of a step's group waits while it is replaced."""
    return root / REPLACED / group.replace("/", ".")


def replaced_group(name: str) -> str | None:
    """Return the group that waits under this name, None where dxdask has no such group."""
    if name in GROUP_STEPS:
        return name
    folder, _, step = name.partition(".")
    return f"{folder}/{step}" if folder == ANALYSIS and _NAME.fullmatch(step) else None


def chunk_path(array: Path, index: tuple[int, ...]) -> Path:
    """Return the file of a chunk (or shard) of a zarr v3 array with the default key encoding."""
    return array.joinpath("c", *map(str, index))
