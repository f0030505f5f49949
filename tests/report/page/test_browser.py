"""The page in a browser: every plot is drawn, and its controls change the picture."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import dxdask
from dxdask.storage.store.store import Store

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs the browser chromium"),
]
SCRIPT = """
<script>
(() => {
  const errors = [];
  window.onerror = (message) => errors.push(message);
  setTimeout(() => {
    window.dispatchEvent(new Event("beforeprint")); // also those that are not in view
    const figures = [...document.querySelectorAll("figure[data-plot]")];
    const ink = (f) => {
      const c = f.querySelector("canvas");
      if (!c) return "";
      const p = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
      let hash = 0;
      for (let i = 0; i < p.length; i += 4) hash = (hash * 31 + p[i] + p[i + 1] + p[i + 2]) | 0;
      return String(hash);
    };
    const drawn = figures.filter((f) => f.plot && f.querySelector("canvas").width > 0).length;
    const lines = figures.find((f) => f.plot.data.kind === "lines" && f.plot.series.length > 1);
    const start = ink(lines), button = lines.querySelector("button");
    button.click();
    const hidden = ink(lines);
    button.click();
    const shown = ink(lines), canvas = lines.querySelector("canvas");
    const r = canvas.getBoundingClientRect();
    const at = {clientX: r.left + 200, clientY: r.top + 100, bubbles: true, cancelable: true};
    lines.classList.add("active");
    canvas.dispatchEvent(new WheelEvent("wheel", {...at, deltaY: -100}));
    const zoomed = ink(lines);
    canvas.dispatchEvent(new MouseEvent("dblclick", at));
    const reset = ink(lines);
    const result = {
      figures: figures.length, drawn, errors: errors.length, hides: start !== hidden,
      shows: start === shown, zooms: zoomed !== start, resets: reset === start,
    };
    document.title = "RESULT " + JSON.stringify(result);
  }, 1500);
})();
</script>
"""


@pytest.mark.parametrize("name", ["processed", "stills_store"])
def test_plots_are_drawn_and_controls_work(
    request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    store: Store = request.getfixturevalue(name)
    page = dxdask.report(store, tmp_path / "r.html")
    page.write_text(page.read_text().replace("</body>", f"{SCRIPT}</body>"))
    done = subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
            "--window-size=1400,1000", "--virtual-time-budget=5000",
            f"--user-data-dir={tmp_path / 'profile'}", page.as_uri(),
        ],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found = re.search(r"<title>RESULT (\{.*?\})</title>", done.stdout)
    assert found, done.stderr[-2000:]
    result = json.loads(found.group(1))
    assert result["figures"] > 3
    assert result["drawn"] == result["figures"]
    assert result["errors"] == 0
    for control in ("hides", "shows", "zooms", "resets"):
        assert result[control], control
