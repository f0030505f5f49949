"""The demo: short, in 80 columns, and what was put in beside what was found at its end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.ensemble_example import dxdask


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    done = dxdask("demo", "-o", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert 30 <= len(lines) <= 60
    assert [line for line in lines if len(line) > 80] == []
    text = done.stdout
    assert text.index("Found:") < text.index("Suspicious:") < text.index("Put in and found:")
    cell = re.search(r"cell \(A\) +78.00 78.00 78.00 +(\S+) (\S+) (\S+)", text)
    assert cell is not None
    assert all(abs(float(value) / 78.0 - 1) < 0.015 for value in cell.groups())
    assert re.search(r"gain switches at \(counts\) +30 +no pixel has 30-31", text)
    for transmission in ("0.064", "0.127", "0.253", "0.503"):
        found = re.search(rf" {transmission} +(0\.\d+)", text)
        assert found is not None
        assert abs(float(found.group(1)) / float(transmission) - 1) < 0.02
    assert re.search(r"CC 0\.99\d+ to 0\.9", text)
    for name in ("merged.mtz", "ensemble.png", "ensemble.zarr", "frames"):
        assert (tmp_path / "demo" / name).exists()
