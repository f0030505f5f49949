"""Print the lines covered in each folder of dxdask/, from the data of `coverage run`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import coverage


def lines_by_folder() -> dict[str, tuple[int, int]]:
    """Return the numbers of covered and of all statements of each folder, by its path."""
    data = coverage.Coverage()
    data.load()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        data.json_report(outfile=str(report))
        files = json.loads(report.read_text())["files"]
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, file in files.items():
        summary = file["summary"]
        sums[str(Path(name).parent)][0] += summary["covered_lines"]
        sums[str(Path(name).parent)][1] += summary["num_statements"]
    return {name: (covered, total) for name, (covered, total) in sums.items() if covered}


def main() -> None:
    """Print one line a folder, and the sum of them."""
    folders = lines_by_folder()
    for name, (covered, total) in sorted(folders.items()):
        sys.stdout.write(f"{name:<36} {covered:6d} of {total:6d}  {covered / total:6.1%}\n")
    covered, total = (sum(column) for column in zip(*folders.values(), strict=True))
    sys.stdout.write(f"{'all':<36} {covered:6d} of {total:6d}  {covered / total:6.1%}\n")


if __name__ == "__main__":
    main()
