"""Paths of a store: the only place with path strings.

A store is one zarr v3 hierarchy in a folder ``NAME.zarr``, of layout version 2::

    NAME.zarr/            attributes: format, version, created, software
      runs/RUN/frames     (image, slow, fast) integers as recorded
      runs/RUN/mask       (slow, fast) bool, True is good
      runs/RUN/angle ...  (image,) what is known of each image
      runs/RUN/raw/       pedestal, noise, gain, use (slow, fast), where the run is raw
      runs/RUN/models     attributes: the experiment, without crystal
      runs/RUN/done       one flag a written file, until the run is complete
      results/BRANCH/STEP/  attributes: the manifest
        COLUMN            rows that belong to no run: (reflection,) or (reflection, part)
        arrays/NAME       arrays of the ensemble
        models, report    attributes: experiments; tables, messages, problems
        runs/RUN/         the partition of a run; attributes: id, fingerprint, n_reflections, ...
          COLUMN          its rows
          arrays/NAME     its arrays
          models, report  its experiments; its tables, messages, problems
      history/NNNNN_BRANCH_STEP_ID8   attributes: one entry each time a step was run
      .dxdask/            locks, steps on their way in and out, partitions of unfinished jobs
"""

from __future__ import annotations

import re
from pathlib import Path

from dxdask.errors import InputError

FORMAT = "dxdask"
VERSION = 2

RUNS = "runs"
RESULTS = "results"
HISTORY = "history"
WORK = ".dxdask"
STAGING = f"{WORK}/staging"
REPLACED = f"{WORK}/replaced"
PARTITIONS = f"{WORK}/partitions"
LOCKS = f"{WORK}/locks"

MAIN = "main"
IMPORTS = "_runs"
"""Stands where a branch does in `staging` and `locks`; no branch can be called so."""

FRAMES = "frames"
MASK = "mask"
DONE = "done"
MODELS = "models"
RAW = "raw"
REPORT = "report"
ARRAYS = "arrays"
METADATA = "zarr.json"
PARTIAL = ".partial"

RESULT_NAMES = {
    "spots": "find_spots",
    "indexed": "index",
    "refined": "refine",
    "integrated": "integrate",
    "scaled": "scale",
    "merged": "merge",
}
"""Names of results that are accepted for the steps that make them, in the order of processing."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def safe_name(name: str, what: str) -> str:
    """Return `name` after checking that it can name a group: it never leaves its folder.

    Raises
    ------
    InputError
        Empty, or with other characters than letters, digits and ``. _ + -``.
    """
    if not is_safe(name):
        raise InputError(
            f"{what} cannot be called {name!r}: give 1 to 100 letters, digits, "
            "'.', '_', '+' or '-', beginning with a letter or digit"
        )
    return name


def is_safe(name: str) -> bool:
    """Return True if `safe_name` accepts this name."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 100


def name_from(text: str) -> str:
    """Return a name that `safe_name` takes, as near to `text` (a file's or folder's) as can be."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "_", text).lstrip("._+-")[:80] or "run"


def step_of(name: str) -> str:
    """Return the step for the name of a step or of a result ("index" and "indexed": "index")."""
    return RESULT_NAMES.get(name, name)


def run_path(root: Path, run: str) -> Path:
    """Return the folder of a run."""
    return root / RUNS / safe_name(run, "a run")


def branch_path(root: Path, branch: str) -> Path:
    """Return the folder of the results of a branch."""
    return root / RESULTS / safe_name(branch, "a branch")


def step_path(root: Path, branch: str, step: str) -> Path:
    """Return the folder of a step's result on a branch."""
    return branch_path(root, branch) / safe_name(step_of(step), "a step")


def replaced_path(root: Path, branch: str, step: str) -> Path:
    """Return the folder of the previous version of a step's result while it is replaced."""
    return root / REPLACED / safe_name(branch, "a branch") / safe_name(step_of(step), "a step")


def staging_path(root: Path, branch: str) -> Path:
    """Return the folder in which the holder of a branch's lock prepares its results."""
    return root / STAGING / (branch if branch == IMPORTS else safe_name(branch, "a branch"))


def partitions_path(root: Path, branch: str) -> Path:
    """Return the folder of the partitions of a branch that are not committed yet: STEP/NAME."""
    return root / PARTITIONS / safe_name(branch, "a branch")


def partition_path(root: Path, branch: str, step: str, run: str, fingerprint: str) -> Path:
    """Return the folder of the partition of a run that is not committed yet."""
    mark = safe_name(fingerprint[:16] or "none", "a fingerprint")
    folder = partitions_path(root, branch) / safe_name(step_of(step), "a step")
    return folder / f"{safe_name(run, 'a run')}-{mark}"


def lock_path(root: Path, branch: str) -> Path:
    """Return the array with the holder of a lock: that of a branch, or of imports."""
    return root / LOCKS / (branch if branch == IMPORTS else safe_name(branch, "a branch"))


def chunk_path(array: Path, index: tuple[int, ...]) -> Path:
    """Return the file of a chunk (or shard) of a zarr v3 array with the default key encoding."""
    return array.joinpath("c", *map(str, index))
