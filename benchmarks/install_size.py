"""Packages and megabytes of an installed dxdask, with byte code, as `pip install` leaves it.

Each is installed in a fresh environment, which is removed afterwards, with the constraints.txt of
the clone.

    python benchmarks/install_size.py [CLONE[EXTRA]...]    e.g. . '.[cluster]' ../old
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

MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class Install:
    """Size of one environment: bytes on the disk in all, and those of each package."""

    total: int
    packages: Mapping[str, int]


def installed(source: Path, extra: str) -> Install:
    """Return the size of a fresh environment that holds dxdask, its extra and what they need.

    source : folder of a clone. extra : as in "[cluster]", or nothing.
    """
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory(prefix="dxdask-install-") as name:
        folder, dist = Path(name) / "venv", Path(name) / "dist"
        # A source distribution first: a build in the clone would use what lies in its build/.
        subprocess.run([uv, "build", "--quiet", "--sdist", "-o", dist, source], check=True)
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        [archive] = dist.glob("*.tar.gz")
        # copied, as hard links into uv's cache would share their blocks
        command = [uv, "pip", "install", "--quiet", "--link-mode", "copy", "--compile-bytecode"]
        command += ["--python", folder / "bin" / "python", "-c", source / "constraints.txt"]
        subprocess.run([*command, f"dxdask{extra} @ {archive.as_uri()}"], check=True)
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
        source, bracket, extra = requirement.partition("[")
        install = installed(Path(source).resolve(), bracket + extra)
        n, total = len(install.packages), install.total / MEGABYTE
        sys.stdout.write(f"{requirement}: {n} packages, {total:.0f} MB\n")
        largest = sorted(install.packages.items(), key=lambda item: -item[1])[: given.largest]
        for name, size in largest:
            sys.stdout.write(f"    {name:<24} {size / MEGABYTE:7.1f} MB\n")


if __name__ == "__main__":
    main()
