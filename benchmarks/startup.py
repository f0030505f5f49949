"""Cost of starting a command, and of compiling its kernels after installation.

    python benchmarks/startup.py [--repeats N]

Commands run on a run of 14 small simulated frames. Later calls find byte code and kernels in their
caches, as after a first call; the first call has an empty cache of kernels, and its compilation is
listed by kernel.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from measure import Cost, run

COMMANDS = ("--help", "find_spots -c", "show small.zarr", "find_spots small.zarr force=true")
KEPT = {"PYTHONDONTWRITEBYTECODE": ""}  # byte code is kept, as in any installation


def dxdask(command: str, folder: Path, **environment: str) -> Cost:
    """Return the cost of a command."""
    given = [sys.executable, "-m", "dxdask", *command.split()]
    return run(given, cwd=folder, log=folder / "command.log", environment=KEPT | environment)


def show(what: str, cost: Cost, remark: str = "") -> None:
    print(f"  {what:36}{cost.wall:6.2f} s wall{cost.cpu:6.2f} s CPU  {remark}", flush=True)


def prepare(folder: Path) -> None:
    """Make a small store."""
    dxdask("simulate -o raw transmissions=1.0, n_images=14", folder)
    frames = next((folder / "raw").rglob("*.nxs"))
    dxdask(f"import {frames} -o small.zarr", folder)


def later_calls(folder: Path, repeats: int) -> None:
    """Print the least cost of each command once everything is in its cache."""
    for command in COMMANDS:
        dxdask(command, folder)
        costs = [dxdask(command, folder) for _ in range(repeats)]
        show(command, min(costs, key=lambda c: c.wall))


def imports(folder: Path) -> None:
    """Print which packages find_spots spends its imports on."""
    log = folder / "imports.log"
    command = [sys.executable, "-X", "importtime", "-m", "dxdask", *COMMANDS[-1].split()]
    run(command, cwd=folder, log=log, environment=KEPT)
    spent: Counter[str] = Counter()
    for found in re.finditer(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)", log.read_text(), re.M):
        spent[found[2]] += int(found[1])
    most = ", ".join(f"{name} {us / 1e3:.0f}" for name, us in spent.most_common(12))
    print(f"  imports of find_spots, ms: {most}; in all {sum(spent.values()) / 1e3:.0f}")


def first_call(folder: Path) -> None:
    """Print the cost of the first call after installation, and of compiling each kernel."""
    cache = {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    show("first call", dxdask(COMMANDS[-1], folder, **cache), "no kernel compiled before")
    show("second call", dxdask(COMMANDS[-1], folder, **cache))
    log, other = folder / "compile.log", {"NUMBA_CACHE_DIR": str(folder / "others")}
    store = str(folder / "small.zarr")
    command = [sys.executable, __file__, "--compile", store]
    run(command, cwd=folder, log=log, environment=KEPT | other)
    rows: list[dict[str, Any]] = json.loads(log.read_text().splitlines()[-1])
    in_all = sum(r["seconds"] for r in rows)
    print(f"  compiling {len(rows)} specialisations: {in_all:.1f} s, each without what it calls")
    for row in sorted(rows, key=lambda r: -r["seconds"]):
        print(f"    {row['seconds']:6.2f} s  {row['kernel']}{row['signature']}")


def compile_times(store: str) -> None:
    """Run find_spots in this process and print, as JSON, seconds of compilation by kernel.

    Those of the kernels that it calls, compiled on the way, are theirs.
    """
    from numba.core import event

    rows: list[dict[str, Any]] = []
    inner = [0.0]

    starts: list[float] = []

    class Stopwatch(event.Listener):  # type: ignore[misc]
        def on_start(self, _: Any) -> None:
            inner.append(0.0)
            starts.append(time.perf_counter())

        def on_end(self, happened: Any) -> None:
            kernel = happened.data["dispatcher"].py_func
            seconds = time.perf_counter() - starts.pop()
            name = f"{kernel.__module__}.{kernel.__name__}"
            # of a record of arrays its name is enough
            kinds = [re.sub(r"(?s)^(\w+)\(Uni.*", r"\1", str(a)) for a in happened.data["args"]]
            own = seconds - inner.pop()
            rows.append({"kernel": name, "signature": f"({', '.join(kinds)})", "seconds": own})
            inner[-1] += seconds

    event.register("numba:compile", Stopwatch())
    from dxdask.cli.main import run as command

    command(["find_spots", store, "force=true", "cluster=synchronous"])
    print(json.dumps(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", metavar="STORE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.compile:
        return compile_times(arguments.compile)
    with tempfile.TemporaryDirectory(prefix="dxdask-startup-") as name:
        folder = Path(name)
        prepare(folder)
        later_calls(folder, arguments.repeats)
        imports(folder)
        first_call(folder)
    return None


if __name__ == "__main__":
    main()
