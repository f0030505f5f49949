"""Cost of a blank and of a hit at scale: reading, spots, crystals, integration; beside DIALS.

Events of 8 panels and 1 M pixels, 10 % of them hits, are made from those of the shared folder (see
`stills_events.py`) in a temporary folder; that is not counted. Everything is measured in processes
of its own. Where DIALS is installed, `dials.stills_process` takes a few such events, now, else (or
with `--recorded`) its figures are those recorded here; those of CrystFEL are always recorded.

    python benchmarks/stills.py [--quick] [--recorded] [--python /usr/bin/python3]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import spotfinding_dials as dials
from measure import Cost, run
from shared_data import SHARED
from stills_events import SPOTS, SYMMETRY, Pool, truth

HERE = Path(__file__).resolve().parent
GIVEN = (*SPOTS, *SYMMETRY)
FEW, FRACTION = 0.02, 0.1
"""Fractions of hits among the events; the costs of a blank and a hit come from the difference."""
BLANK_GOAL, HIT_GOAL, TASKS_GOAL = 0.02, 0.10, 5000
GROWTH_GOAL = 40.0
"""MB by which the peak may grow from a quarter of the events to all, beside the results."""
MANY = 100_000

# CPU seconds: an event without spots, one with a crystal, and reading either; CrystFEL 0.12.0 with
# peakfinder8 and integration on the shared events, DIALS 3.12.1 with `stills_process` on those made
# here, start-up taken off: the middle of three runs on two busy cores (blanks 0.03 to 0.11).
CRYSTFEL = {"read": 0.004, "blank": 0.041, "asdf": 0.28, "asdf-fast": 0.147}
RECORDED = {"blank": 0.052, "hit": 3.1}


def part(folder: Path, what: str, store: str, *options: object) -> dict[str, Any]:
    """Return the figures of a part of `stills_parts.py`, measured in a process of its own."""
    log = folder / "part.log"
    given = () if what == "read" else GIVEN
    command = [sys.executable, str(HERE / "stills_parts.py"), what, store, *given]
    run([*command, *map(str, options)], cwd=folder, log=log, environment=KEPT)
    result: dict[str, Any] = json.loads(log.read_text().splitlines()[-1])
    return result


KEPT = {"PYTHONDONTWRITEBYTECODE": ""}
"""Byte code and kernels are kept, as in any installation."""


def prepare(folder: Path, n: int) -> dict[tuple[int, float], str]:
    """Return the names of files and linked stores, by number of events and fraction of hits."""
    kinds = truth(SHARED / "data/stills")
    pool = Pool(SHARED / "data/stills/corrected.h5", kinds["hit"], kinds["blank"], folder)
    names = {}
    for events in (n // 4, n):
        for fraction in (FEW, FRACTION):
            name = names[events, fraction] = f"e{events}_{100 * fraction:.0f}"
            pool.write(folder / f"{name}.h5", events, fraction)
            command = [sys.executable, "-m", "dxdask", "import", f"{name}.h5", "link=true"]
            run([*command, "-o", f"{name}.zarr"], cwd=folder, log=folder / "import.log")
    for name, fraction in (("blanks", 0.0), ("hits", 1.0)):
        pool.write(folder / f"{name}.h5", dials_events(n), fraction)
    pool.write(folder / "one.h5", 1, 0.0)
    return names


def dials_events(n: int) -> int:
    """Return the number of blanks, and of hits, that DIALS processes."""
    return 12 if n >= 1000 else 3


def graphs(folder: Path, names: dict[tuple[int, float], str]) -> dict[str, Any]:
    """Measure the graph as far as integration, and return the figures that are compared."""
    n = max(events for events, _ in names)
    read = part(folder, "read", f"{names[n, FRACTION]}.zarr")["cpu"]
    line("reading and unpacking alone", read)
    done = {key: part(folder, "graph", f"{name}.zarr") for key, name in names.items()}
    for (events, fraction), m in done.items():
        line(f"{events} events, {100 * fraction:.0f} % hits", m["cpu"] / events, _remark(m))
    two = part(folder, "graph", f"{names[n, FRACTION]}.zarr", "--threads", 2)
    line(f"{n} events, {100 * FRACTION:.0f} % hits, 2 threads", two["cpu"] / n, _remark(two))
    hits = done[n, FRACTION]["hits"]
    blank, hit = split(done[n, FEW]["cpu"] / n, done[n, FRACTION]["cpu"] / n)
    line("a blank", blank)
    line("a hit, with its crystal and integration", hit, f"{hits} hits")
    small, large = done[n // 4, FRACTION], done[n, FRACTION]
    grown = (large["memory"] - small["memory"] - (large["result"] - small["result"])) / 1e6
    built = {
        k: part(folder, "build", f"{names[n, FRACTION]}.zarr", "--events", k) for k in (n, MANY)
    }
    for events, m in built.items():
        print(f"  graph of {events} events: {m['tasks']} tasks in {m['build']:.2f} s")
    return {
        "read": read, "blank": blank, "hit": hit, "grown": grown, "built": built[MANY],
        "threads": large["wall"] / two["wall"],
    }  # fmt: skip


def commands(folder: Path, names: dict[tuple[int, float], str]) -> None:
    """Measure the whole command from linked files to integrated stills and print it."""
    costs = {key: command(folder, f"{name}.h5") for key, name in names.items()}
    small, n = sorted({events for events, _ in names})
    for (events, fraction), cost in costs.items():
        what = f"dxdask stills_process, {events}, {100 * fraction:.0f} % hits"
        remark = f"{cost.wall:.1f} s wall, {cost.cpu:.1f} s CPU, {1e3 * cost.memory_gb:.0f} MB"
        line(what, cost.cpu / events, remark)
    few, many = ((costs[n, f].cpu - costs[small, f].cpu) / (n - small) for f in (FEW, FRACTION))
    for what, cpu in zip(("blank", "hit"), split(few, many), strict=True):
        line(f"  of it an additional {what}", cpu)


def split(few: float, many: float) -> tuple[float, float]:
    """Return the costs of a blank and a hit, from the means over events with few and many hits."""
    more = (many - few) / (FRACTION - FEW)
    return few - FEW * more, few + (1 - FEW) * more


def command(folder: Path, file: str) -> Cost:
    given = [*GIVEN, "link=true", "overwrite=true", "dispatch.merge=false", "cluster.cores=1"]
    arguments = [sys.executable, "-m", "dxdask", "stills_process", file, "-o", "out.zarr", *given]
    return run(arguments, cwd=folder, log=folder / "command.log", environment=KEPT)


def theirs(folder: Path, n: int) -> dict[str, float]:
    """Measure DIALS on a few blanks and hits, print it, and return CPU seconds of each."""
    costs = {name: _dials(folder, name) for name in ("one", "blanks", "hits")}
    blank = (costs["blanks"].cpu - costs["one"].cpu) / (n - 1)
    hit = blank + (costs["hits"].cpu - costs["blanks"].cpu) / n
    for name, seconds in (("blank", blank), ("hit", hit)):
        line(f"DIALS, a {name}", seconds, f"of {n}; {1e3 * costs[f'{name}s'].memory_gb:.0f} MB")
    return {"blank": blank, "hit": hit}


def _dials(folder: Path, name: str) -> Cost:
    given = [a for a in GIVEN if "known_symmetry" not in a]
    arguments = [
        "dials.stills_process", f"../{name}.h5", *given, "mp.nproc=1",
        "dispatch.hit_finder.minimum_number_of_reflections=15",
        "indexing.known_symmetry.unit_cell=79.2,79.2,38.0,90,90,90",
        "indexing.known_symmetry.space_group=P43212",
        "indexing.stills.method_list=fft1d real_space_grid_search",
    ]  # fmt: skip
    where = folder / f"dials_{name}"
    where.mkdir(exist_ok=True)
    log = folder / f"dials_{name}.log"
    return run(arguments, cwd=where, log=log, environment=dials.for_stills(folder))


def compare(mine: dict[str, Any], other: dict[str, float]) -> None:
    """Print figures and ratios against their goals."""
    print("\ngoals")
    goal("CPU s a blank", mine["blank"], BLANK_GOAL)
    goal("CPU s a hit, integrated", mine["hit"], HIT_GOAL)
    goal(f"tasks of {MANY} events", mine["built"]["tasks"], TASKS_GOAL)
    goal("MB more for four times the events", mine["grown"], GROWTH_GOAL)
    print("\nratios")
    for what in ("blank", "hit"):
        print(f"  {f'a {what} over reading':44}{mine[what] / mine['read']:8.2f}")
        print(f"  {f'DIALS over dxdask, a {what}':44}{other[what] / mine[what]:8.1f}")
    # both by the reading of frames on their machine: that of CrystFEL's figures was another
    for name, ours in (("blank", "blank"), ("asdf", "hit"), ("asdf-fast", "hit")):
        ratio = CRYSTFEL[name] / mine[ours]
        scaled = ratio * mine["read"] / CRYSTFEL["read"]
        what = f"CrystFEL over dxdask, {name}"
        print(f"  {what:44}{ratio:8.1f}   in units of reading {scaled:.1f}")
    print(f"  {'wall of one thread over that of two':44}{mine['threads']:8.2f}")


def goal(what: str, value: float, at_most: float) -> None:
    met = "met" if value <= at_most else "MISSED"
    print(f"  {what:44}{value:8.3g}  goal at most {at_most:g}: {met}")


def line(what: str, cpu: float, remark: str = "") -> None:
    print(f"  {what:44}{cpu * 1e3:8.2f} ms CPU an event  {remark}", flush=True)


def _remark(m: dict[str, Any]) -> str:
    used, kept = (m["memory"] - m["before"]) / 1e6, m["result"] / 1e6
    return (
        f"{m['wall'] / m['n'] * 1e3:.2f} ms wall; {m['hits']} hits, {m['indexed']} indexed; peak "
        f"{m['memory'] / 1e6:.0f} MB, {used:.0f} of it for the work, {kept:.1f} are results"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="200 events instead of 2000")
    parser.add_argument("--recorded", action="store_true", help="DIALS's figures as recorded")
    parser.add_argument("--python", default="/usr/bin/python3", help="interpreter with dials")
    arguments = parser.parse_args()
    n = 200 if arguments.quick else 2000
    with tempfile.TemporaryDirectory(prefix="dxdask-stills-") as name:
        folder = Path(name)
        names = prepare(folder, n)
        mine = graphs(folder, names)
        commands(folder, names)
        other = RECORDED
        if not arguments.recorded and dials.installed(arguments.python):
            other = theirs(folder, dials_events(n))
        compare(mine, other)


if __name__ == "__main__":
    main()
