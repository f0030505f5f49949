"""Packages and megabytes of an installed dxdask, with byte code, as `pip install` leaves it.

Each requirement is installed in a fresh environment, which is removed afterwards, with the pins of
the constraints.txt beside it.

    python benchmarks/install_size.py [SOURCE[EXTRA]...]    e.g. . '.[cluster]' ../old
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class Install:
    """Size of one environment: bytes on the disk in all, and those of each package."""

    total: int
    packages: Mapping[str, int]


def installed(requirement: str, constraints: Path) -> Install:
    """Return the size of a fresh environment that holds `requirement` and what it needs."""
    with tempfile.TemporaryDirectory(prefix="dxdask-install-") as name:
        folder = Path(name) / "venv"
        uv = Path(sys.executable).with_name("uv")
        # copied, for links into the cache of uv would be counted once in all
        options = ("--quiet", "--link-mode", "copy", "--compile-bytecode")
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", *options, "-c", constraints, requirement], check=True)
        [site] = folder.glob("lib/python*/site-packages")
        found = importlib.metadata.distributions(path=[str(site)])
        packages = {one.metadata["Name"]: _bytes_of(one) for one in found}
        return Install(total=_bytes_in(folder), packages=packages)


def _bytes_of(package: importlib.metadata.Distribution) -> int:
    return sum(Path(str(file.locate())).stat().st_size for file in package.files or ())


def _bytes_in(folder: Path) -> int:
    """Return the bytes that files occupy, in blocks, as `du` counts them."""
    paths = (Path(base) / name for base, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_blocks * 512 for path in paths)


def main() -> None:
    """Print the size of each environment, and the packages that make most of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", nargs="*", default=[".", ".[cluster]"])
    parser.add_argument("--largest", type=int, default=12, help="packages to list")
    given = parser.parse_args()
    for requirement in given.requirements:
        own = Path(requirement.partition("[")[0]) / "constraints.txt"
        install = installed(requirement, own if own.exists() else ROOT / own.name)
        n, total = len(install.packages), install.total / MEGABYTE
        sys.stdout.write(f"{requirement}: {n} packages, {total:.0f} MB\n")
        largest = sorted(install.packages.items(), key=lambda item: -item[1])[: given.largest]
        for name, size in largest:
            sys.stdout.write(f"    {name:<24} {size / MEGABYTE:7.1f} MB\n")


if __name__ == "__main__":
    main()
