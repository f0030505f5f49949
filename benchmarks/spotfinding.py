"""CPU of spot finding a frame: reading, threshold kernels, everything; beside DIALS.

Eight stills of 6 M pixels (thaumatin, Pilatus), each four times, for eight are done in a fifth of a
second, and five sweeps of 112 frames of 1 M pixels (insulin), from the shared folder. Everything is
measured in processes of their own, the least of several repeats; where DIALS is installed it is run
on the same frames, now, else (or with `--recorded`) its figures are those recorded in
`spotfinding_dials.py`.

    python benchmarks/spotfinding.py [--quick] [--recorded] [--python /usr/bin/python3] [--set NAME]

`startup.py` has the cost of starting, and of compiling the kernels.
"""

from __future__ import annotations

import argparse
import bz2
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spotfinding_dials as dials
from measure import Cost, run
from shared_data import SHARED

from dxdask.pipeline.import_parameters import ImportCommandParameters

HERE = Path(__file__).resolve().parent
ALGORITHMS = ("dispersion", "dispersion_extended", "radial_profile", "helen")
WHOLE = "dispersion_extended"  # the default of both programs
GOALS = {"dispersion": 4.0, "dispersion_extended": 5.0}  # times less CPU than DIALS's kernel
WHOLE_GOAL, READING_GOAL, THREADS_GOAL = 8.0, 2.5, 1.8


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Files of one data set, with a label and their number of frames."""

    name: str
    files: list[str]
    n: int


def thaumatin(folder: Path, quick: bool) -> Frames:
    """Return the stills, unpacked: neither program is to be measured by bzip2."""
    packed = sorted((SHARED / "data/real/thaumatin_grid").glob("*.cbf.bz2"))
    files = []
    for file in packed[: 4 if quick else None]:
        content = bz2.decompress(file.read_bytes())
        for _ in range(1 if quick else 4):
            files.append(folder / f"thaumatin_{len(files) + 1:04d}.cbf")
            files[-1].write_bytes(content)
    return Frames(name="thaumatin", files=[str(f) for f in files], n=len(files))


def insulin(_folder: Path, quick: bool) -> Frames:
    """Return the sweeps."""
    files = sorted((SHARED / "data/insulin").glob("run*/*.nxs"))[: 1 if quick else None]
    return Frames(name="insulin", files=[str(f) for f in files], n=112 * len(files))


def part(folder: Path, what: str, store: str, *options: object) -> dict[str, Any]:
    """Return the figures of a part of `spotfinding_parts.py`, measured in a process of its own."""
    log = folder / "part.log"
    command = [sys.executable, str(HERE / "spotfinding_parts.py"), what, store]
    run([*command, *map(str, options)], cwd=folder, log=log)
    result: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return result


def import_(frames: Frames, folder: Path) -> dict[str, str]:
    """Import by copying, and by linking where that is known; return the stores."""
    ways = {"copied": "copied.zarr"}
    if "link" in ImportCommandParameters.model_fields:
        ways["linked"] = "linked.zarr"
    for way, store in ways.items():
        extra = ["link=true"] if way == "linked" else []
        command = [sys.executable, "-m", "dxdask", "import", *frames.files, *extra, "-o", store]
        cost = run(command, cwd=folder, log=folder / f"import_{way}.log")
        line(f"import, {way}", cost.cpu / frames.n, f"{cost.wall:.1f} s, {cost.memory_gb:.2f} GB")
    return ways


def ours(frames: Frames, folder: Path, repeats: int) -> dict[str, Any]:
    """Measure dxdask on these frames, print the figures, and return those that are compared."""
    stores = import_(frames, folder)
    found: dict[str, Any] = {"kernels": {}, "read": {}, "frames": frames.n}
    for way, store in stores.items():
        found["read"][way] = part(folder, "read", store, "--repeats", repeats)["cpu"]
        line(f"(a) reading alone, {way}", found["read"][way])
    for name in ALGORITHMS:
        measured = part(folder, "kernels", stores["copied"], "--algorithm", name)
        found["kernels"][name] = measured
        line(f"(b) {name} alone", measured["cpu"], f"{sum(measured['strong'])} strong pixels")
    for way, store in stores.items():
        for threads in (1, 2):
            given = ("--algorithm", WHOLE, "--threads", threads, "--repeats", repeats)
            measured = found[way, threads] = part(folder, "graph", store, *given)
            used = (measured["memory"] - measured["before"]) / 1e6
            remark = (
                f"{measured['wall'] * 1e3:.1f} ms wall, {measured['spots']} spots, "
                f"{measured['tasks']} tasks built in {measured['build'] * 1e3:.0f} ms; "
                f"peak {measured['memory'] / 1e6:.0f} MB, {used:.0f} of it for the work "
                f"(blocks at most {measured['bound'] / 1e6:.0f}, result "
                f"{measured['result'] / 1e6:.0f})"
            )
            line(f"(c) whole graph, {way}, {threads} thread{'s'[: threads - 1]}",
                 measured["cpu"], remark)  # fmt: skip
    found["machine"] = part(folder, "machine", stores["copied"], "--repeats", repeats)["ratio"]
    for threads in (1, 2):
        cost = min(
            (_command(stores["copied"], folder, threads) for _ in range(repeats)),
            key=lambda c: c.cpu,
        )
        found["command", threads] = cost
        line(f"    dxdask find_spots, {threads} cores", cost.cpu / frames.n, _remark(cost))
    return found


def _command(store: str, folder: Path, threads: int) -> Cost:
    given = [f"threshold.algorithm={WHOLE}", "force=true", f"cluster.cores={threads}"]
    command = [sys.executable, "-m", "dxdask", "find_spots", store, *given]
    # byte code is kept, as in any installation
    kept = {"PYTHONDONTWRITEBYTECODE": ""}
    return run(command, cwd=folder, log=folder / "find.log", environment=kept)


def theirs(frames: Frames, folder: Path, python: str, repeats: int) -> dict[str, Any]:
    """Measure DIALS on these frames and return the figures that are compared."""
    dials.import_(frames.files, folder, frames.name)
    part(folder, "save", "copied.zarr", "--out", folder / "frames.npz")
    models = folder / f"{frames.name}.expt"
    found: dict[str, Any] = {
        "frames": frames.n,
        "kernels": dials.kernels(python, folder / "frames.npz", models, repeats),
    }
    one = min(dials.find_spots("one.expt", folder, WHOLE, 1).cpu for _ in range(repeats))
    for nproc in (1, 2):
        costs = [dials.find_spots(models.name, folder, WHOLE, nproc) for _ in range(repeats)]
        best = min(costs, key=lambda c: c.cpu)
        found[f"nproc={nproc}"] = [best.wall, best.cpu, best.memory_gb]
    found["frame"] = (found["nproc=1"][1] - one) / (frames.n - 1)
    return found


def show_theirs(found: dict[str, Any]) -> None:
    """Print DIALS's figures."""
    for name, measured in found["kernels"].items():
        line(f"DIALS {name} alone", measured["cpu"], f"{sum(measured['strong'])} strong pixels")
    line("DIALS whole, start-up taken off", found["frame"])
    for nproc in (1, 2):
        cost = Cost(*found[f"nproc={nproc}"])
        line(f"    dials.find_spots nproc={nproc}", cost.cpu / found["frames"], _remark(cost))


def compare(mine: dict[str, Any], other: dict[str, Any] | None) -> None:
    """Print the ratios against their goals."""
    whole = mine["copied", 1]
    print("\nratios" + ("" if other is None else " (DIALS over dxdask, but for the last three)"))
    if other is not None:
        for name, goal in GOALS.items():
            ratio = other["kernels"][name]["cpu"] / mine["kernels"][name]["cpu"]
            goal_line(f"CPU of {name} alone", ratio, goal, at_least=True)
        goal_line("CPU of everything", other["frame"] / whole["cpu"], WHOLE_GOAL, at_least=True)
        command = other["nproc=1"][1] / mine["command", 1].cpu
        if other["frames"] == mine["frames"]:
            print(f"  {'CPU of the whole command':36}{command:7.2f}")
    goal_line("everything over reading", whole["cpu"] / mine["read"]["copied"], READING_GOAL)
    threads = whole["wall"] / mine["copied", 2]["wall"]
    goal_line("one thread's wall over two threads'", threads, THREADS_GOAL, at_least=True)
    print(f"  {'  of plain work, on this machine now':36}{mine['machine']:7.2f}")


def goal_line(what: str, value: float, goal: float, *, at_least: bool = False) -> None:
    met = value >= goal if at_least else value <= goal
    bound = "at least" if at_least else "at most"
    print(f"  {what:36}{value:7.2f}  goal {bound} {goal:g}: {'met' if met else 'MISSED'}")


def line(what: str, cpu: float, remark: str = "") -> None:
    print(f"  {what:38}{cpu * 1e3:9.2f} ms CPU a frame  {remark}", flush=True)


def _remark(cost: Cost) -> str:
    return f"in all {cost.cpu:.1f} s CPU, {cost.wall:.1f} s wall, {cost.memory_gb:.2f} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few frames, one repeat")
    parser.add_argument("--recorded", action="store_true", help="DIALS's figures as recorded")
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter with dials")
    parser.add_argument("--set", choices=("thaumatin", "insulin"), help="one of the two only")
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else 3
    beside = not arguments.recorded and dials.installed(arguments.python)
    for prepare in (thaumatin, insulin):
        if arguments.set not in (None, prepare.__name__):
            continue
        with tempfile.TemporaryDirectory(prefix="dxdask-spotfinding-") as name:
            folder = Path(name)
            frames = prepare(folder, arguments.quick)
            print(f"\n{frames.name}: {frames.n} frames")
            mine = ours(frames, folder, repeats)
            if beside:
                other = theirs(frames, folder, arguments.python, repeats)
            else:
                other = dials.RECORDED.get(frames.name)
                print("  DIALS as recorded:" if other else "  DIALS: no figures")
            if other is not None:
                show_theirs(other)
            compare(mine, other)


if __name__ == "__main__":
    main()
