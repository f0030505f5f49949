"""Draw the pictures of README and docs that show a processed ensemble, anew.

    python tools/pictures.py [STORE]

STORE : processed by `dxdask demo`; made in build/demo where none is given. Writes docs/ensemble.png
and docs/residuals.png.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dxdask
from dxdask.report import plot_ensemble, plot_residuals_over_detector

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Write the pictures."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "demo" / "ensemble.zarr"
    if len(sys.argv) < 2:
        command = [sys.executable, "-m", "dxdask", "demo", "-o", str(path.parent)]
        subprocess.run(command, check=True)
    store = dxdask.open(path, "r")
    plot_ensemble(store).savefig(ROOT / "docs" / "ensemble.png", dpi=110)
    axes = plot_residuals_over_detector(store, step="index", bin_size=32)
    axes[0].figure.savefig(ROOT / "docs" / "residuals.png", dpi=80)
    return 0


if __name__ == "__main__":
    sys.exit(main())
