"""Cost of each step on the insulin ensemble (560 frames of one megapixel), beside DIALS.

Where DIALS is installed it is run on the same frames, now (15 minutes), unless `--recorded` selects
for the figures that were measured with it on an idle machine, which the shared folder holds.

    python benchmarks/insulin.py [--recorded] [--folder DIR]
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from measure import Cost, run
from shared_data import SHARED

STEPS = ("import", "find_spots", "index", "refine", "integrate", "scale", "merge")
SPACE_GROUP = "space_group=I213"


def dxdask_costs(files: list[str], folder: Path) -> dict[str, Cost]:
    """Return the cost of each step, as a command of its own, and of the whole job as one graph."""
    program = [sys.executable, "-m", "dxdask"]
    costs = {}
    for step in STEPS:
        arguments = [*files, "-o", "steps.zarr"] if step == "import" else ["steps.zarr"]
        extra = [SPACE_GROUP] if step == "index" else []
        log = folder / f"dxdask_{step}.log"
        costs[step] = run([*program, step, *arguments, *extra], cwd=folder, log=log)
        report("dxdask", step, costs[step])
    command = [*program, "process", *files, SPACE_GROUP, "-o", "process.zarr"]
    costs["process (one graph)"] = run(command, cwd=folder, log=folder / "dxdask_process.log")
    report("dxdask", "process", costs["process (one graph)"])
    return costs


def dials_costs(files: list[str], folder: Path) -> dict[str, Cost]:
    """Return the cost of each DIALS command on the same frames."""
    plugins = Path(find_spec("hdf5plugin").origin).parent / "plugins"  # type: ignore[union-attr,arg-type]
    inputs = {
        "import": [*files],
        "find_spots": ["imported.expt", "nproc=2"],
        "index": ["imported.expt", "strong.refl", SPACE_GROUP, "nproc=2"],
        "refine": ["indexed.expt", "indexed.refl"],
        "integrate": ["refined.expt", "refined.refl", "nproc=2"],
        "scale": ["integrated.expt", "integrated.refl"],
        "merge": ["scaled.expt", "scaled.refl"],
    }
    costs = {}
    for step, arguments in inputs.items():
        environment = {"HDF5_PLUGIN_PATH": str(plugins)}
        log = folder / f"dials_{step}.log"
        costs[step] = run(
            [f"dials.{step}", *arguments], cwd=folder, log=log, environment=environment
        )
        report("DIALS", step, costs[step])
    return costs


def recorded_dials_costs() -> dict[str, Cost]:
    """Return DIALS's costs on an idle machine with two cores, from the shared folder's record."""
    text = (SHARED / "reference" / "insulin" / "TIMINGS.md").read_text()
    rows = re.findall(r"^\| (\w+)[^|]*\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", text, flags=re.M)
    return {name: Cost(float(w), float(c), float(m)) for name, w, c, m in rows if name in STEPS}


def report(who: str, step: str, cost: Cost) -> None:
    """Print the cost just measured on the error stream."""
    sys.stderr.write(f"{who} {step}: {cost.cpu:.1f} CPU s, {cost.wall:.1f} s wall\n")


def table(ours: Mapping[str, Cost], theirs: Mapping[str, Cost], origin: str) -> str:
    """Return both side by side, with the ratio of CPU time."""
    figures = f"{'CPU s':>8}{'wall s':>8}{'GB':>7}"
    head = f"{'step':<22}{figures}   {figures}   CPU ratio"
    lines = [f"{'':<22}{'dxdask':>23}   {'DIALS, ' + origin:>23}", head]

    def row(name: str, a: Cost, b: Cost | None) -> str:
        text = f"{name:<22}{a.cpu:8.1f}{a.wall:8.1f}{a.memory_gb:7.2f}"
        if b is None:
            return text
        ratio = f"1/{b.cpu / a.cpu:.1f}"
        return f"{text}   {b.cpu:8.1f}{b.wall:8.1f}{b.memory_gb:7.2f}   {ratio:>9}"

    lines += [row(s, ours[s], theirs.get(s)) for s in STEPS]
    whole = sum(theirs.values(), Cost(0, 0, 0))
    lines.append(row("all steps", sum((ours[s] for s in STEPS), Cost(0, 0, 0)), whole))
    lines.append(row("process (one graph)", ours["process (one graph)"], whole))
    return "\n".join(lines)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recorded", action="store_true", help="do not run DIALS now")
    parser.add_argument("--folder", type=Path, help="work here instead of in a temporary folder")
    options = parser.parse_args()
    files = sorted(str(p) for p in (SHARED / "data" / "insulin").glob("*/*.nxs"))
    if not files:
        sys.stdout.write(f"no insulin ensemble in {SHARED}; set DXDASK_SHARED\n")
        return 1
    folder = options.folder or Path(tempfile.mkdtemp(prefix="dxdask-benchmark-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        ours = dxdask_costs(files, folder)
        run_now = not options.recorded and shutil.which("dials.import")
        if not options.recorded and not run_now:
            sys.stdout.write("DIALS is not installed here: its recorded figures are shown\n")
        theirs = dials_costs(files, folder) if run_now else recorded_dials_costs()
        sys.stdout.write(table(ours, theirs, "now" if run_now else "recorded") + "\n")
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
