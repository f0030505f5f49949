"""Names of parameters that users of DIALS and xia2 type, and what dxdask has instead.

Source: the help of dials.* and xia2 of DIALS 3.12 (`-c -e 3`).
"""

from __future__ import annotations

_STORE = "results stay in the store; write files with: dxdask export STORE format=dials"
_MTZ = "write it with: dxdask export STORE output=FILE.mtz"
_LOG = "the log is beside the store, under its name with .log"
_REPORT = "tables are in the store: dxdask show STORE STEP --json"
_CORES = "give cluster.cores=N (threads), or cluster=local cluster.processes=N"

ANSWERS = {
    "nproc": _CORES,
    "nthreads": _CORES,
    "njobs": "give cluster=slurm (or another queue) cluster.jobs=N",
    "mp.njobs": "give cluster=slurm (or another queue) cluster.jobs=N",
    "mp.method": "give cluster=slurm, lsf, pbs, sge or htcondor",
    "mp.mode": "runs are processed in parallel in any case; give cluster.cores=N",
    "multiprocessing.njob": "give cluster=slurm (or another queue) cluster.jobs=N",
    "multiprocessing.mode": "runs are processed in parallel in any case; give cluster.cores=N",
    "multiprocessing.type": "give cluster=slurm, lsf, pbs, sge or htcondor",
    "max_memory_usage": "give cluster.memory, with cluster=local or a queue",
    "output.reflections": _STORE,
    "output.experiments": _STORE,
    "output.experiments_filename": _STORE,
    "output.reflections_filename": _STORE,
    "output.strong_filename": _STORE,
    "output.indexed_filename": _STORE,
    "output.integrated_filename": _STORE,
    "output.shoeboxes": "dxdask find_spots STORE spotfinder.output.shoeboxes=true; " + _STORE,
    "output.unmerged_mtz": _MTZ + " mtz.unmerged=true",
    "output.merged_mtz": _MTZ,
    "output.mtz": _MTZ,
    "mtz.hklout": _MTZ,
    "hklout": _MTZ,
    "output.log": _LOG,
    "output.debug_log": _LOG,
    "output.html": _REPORT,
    "output.json": _REPORT,
    "output.plots": _REPORT,
    "output.prefix": "give -o NAME.zarr; files get theirs from dxdask export STORE output=FILE",
    "output.output_dir": "give -o FOLDER/NAME.zarr",
    "output.directory": "give -o FOLDER/NAME.zarr",
    "output.composite_output": "all runs are in one store; " + _STORE,
    "input.experiments": "give the store, NAME.zarr; files are read by dxdask import",
    "input.reflections": "give the store, NAME.zarr; files are read by dxdask import",
    "input.directory": "give the folder or a pattern without a name: dxdask import FOLDER",
    "experiments": "give the store, NAME.zarr; files are read by dxdask import",
    "reflections": "give the store, NAME.zarr; files are read by dxdask import",
    "image": "give files, patterns, or template=NAME_####.cbf",
    "xinfo": "give files, patterns, or template=NAME_####.cbf",
    "pipeline": "there is one: dxdask process FILES -o NAME.zarr",
    "allow_multiple_sweeps": "several runs are one store in any case; leave it out",
    "image_range": "give images=FIRST,LAST",
    "exclude_images": "give images=FIRST,LAST of those to use",
    "use_all_reflections": "give reflections_per_degree=None",
    "bin_size_fraction": "steps end when chi squared no longer falls; leave it out",
    "do_outlier_rejection": "outliers are rejected; outlier.algorithm=null takes all",
    "intensity.algorithm": "both are kept; give intensity_choice=sum or profile to dxdask scale",
    "block_size": "blocks of frames follow from the memory; leave it out",
    "average_hierarchy_level": "every panel is averaged; leave it out",
    "verbosity": "the log beside the store has all lines; leave it out",
}
"""Name, or its last parts -> what to do instead."""


def answer_to(name: str) -> str | None:
    """Return what to do instead of giving this name; None where it is none of DIALS's.

    Of a longer name the last parts count: `spotfinder.mp.nproc` is `nproc`.
    """
    parts = name.strip().lower().split(".")
    ends = (".".join(parts[i:]) for i in range(len(parts)))
    return next((ANSWERS[end] for end in ends if end in ANSWERS), None)
