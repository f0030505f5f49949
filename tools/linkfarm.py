"""Make build/types/dxdask, a tree of links in which static checkers find every package."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FARM = ROOT / "build" / "types" / "dxdask"


def main() -> None:
    """Write the links anew."""
    shutil.rmtree(FARM, ignore_errors=True)
    FARM.mkdir(parents=True)
    for entry in (ROOT / "dxdask").iterdir():
        if entry.name != "__pycache__":
            (FARM / entry.name).symlink_to(entry)
    for name in ("graphs", "storage", "cluster"):
        (FARM / name).symlink_to(ROOT / name)


if __name__ == "__main__":
    main()
