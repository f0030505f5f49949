"""Time from an action in the viewer to its picture, in headless Chromium through a slow link.

    python benchmarks/view.py [--repeats N] [--mbit 50] [--latency 20]

Of 16 M pixels on 240 panels with 10 000 spots an image, and of 1 000 000 points of the reciprocal
lattice. The link is that of Chromium's DevTools (Network.emulateNetworkConditions); WebGL is drawn
by the CPU, as there is no graphics processor in a headless browser. Server and browser share the
cores. `wall` is from the action to the animation frame with its picture, which is longer on a busy
machine; `CPU` is that of the server and of all processes of the browser together meanwhile.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.browser import ARGUMENTS, CHROMIUM, wait
from support.viewer import Viewing, viewing

from dxdask.columns import Flag
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ExperimentList,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.results import StepResult
from dxdask.storage.store.store import Store
from dxdask.view.handlers import page as page_parts

COLUMNS, ROWS, PANEL = 16, 15, (256, 273)  # 240 panels of one frame of 4096 x 4095 pixels
IMAGES, SPOTS = 12, 10_000
MANY, MANY_IMAGES = 1_000_000, 1000
SETTLED = "S.high !== null && !waiting.size && running === 0"


def experiment(run: str, n_images: int, grid: tuple[int, int], size: tuple[int, int]) -> Experiment:
    """Return the models of a run with so many panels, of one cubic crystal."""
    pixel, n = 0.075, grid[0] * grid[1]
    middle = grid[0] * size[0] * pixel / 2, grid[1] * size[1] * pixel / 2
    panels = []
    for k in range(n):
        x, y = (k % grid[0]) * size[0], (k // grid[0]) * size[1]
        origin = (x * pixel - middle[0], middle[1] - y * pixel, -150.0)
        panels.append(
            Panel(
                name=f"p{k}", image_size=size, pixel_size=(pixel, pixel), origin=origin,
                fast_axis=(1.0, 0.0, 0.0), slow_axis=(0.0, -1.0, 0.0), offset=(x, y),
                trusted_range=(-1.0, 60000.0),
            )
        )  # fmt: skip
    return Experiment(
        identifier=run,
        run=run,
        beam=Beam(wavelength=1.0),
        detector=Detector(panels=tuple(panels)),
        goniometer=Goniometer(),
        scan=Scan(image_range=(1, n_images), oscillation=(0.0, 0.1)),
        crystal=Crystal.from_cell((78.0, 78.0, 78.0, 90.0, 90.0, 90.0)),
    )


def spots(run: Experiment, per_image: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return spots at random places of all panels and images."""
    n_images, panels = run.scan.n_images if run.scan else 1, run.detector.panels
    n = per_image * n_images
    size = np.array(panels[0].image_size)
    x, y = (rng.random((n, 2)) * (size - 6) + 3).T
    z = np.repeat(np.arange(n_images), per_image) + 0.5
    box = np.stack([x - 2, x + 3, y - 2, y + 3, z, z + 1], axis=1).astype(np.int32)
    return {
        "experiment": np.zeros(n, np.int32), "panel": rng.integers(0, len(panels), n, np.int32),
        "bbox": box, "x": x, "y": y, "z": z, "x_cal": x + rng.normal(0, 0.3, n), "y_cal": y,
        "z_cal": z, "hkl": rng.integers(-20, 20, (n, 3)).astype(np.int32),
        "flags": np.where(rng.random(n) < 0.9, np.uint32(Flag.INDEXED), np.uint32(0)),
        **{k: np.full(n, 0.1) for k in ("x_variance", "y_variance", "z_variance")},
    }  # fmt: skip


def make_store(path: Path, name: str, of: Experiment, shape: tuple[int, int], n_spots: int) -> None:
    """Write a store of one run of frames with a background of one photon, and its spots."""
    rng, store = np.random.default_rng(0), Store.create(path)
    n = of.scan.n_images if of.scan else 1
    with store.writing():
        writer = store.create_run(name, of, n_images=n, shape=shape, dtype="u2")
        frame = rng.poisson(1.0, shape).astype(np.uint16)
        frame[rng.integers(0, shape[0], 500), rng.integers(0, shape[1], 500)] += 400
        for k in range(n):  # the same photons elsewhere: they take long to draw
            writer.write(k, np.roll(frame, 997 * k)[None])
        writer.finish()
        result = StepResult(
            experiments=ExperimentList.of([of]), reflections=spots(of, n_spots, rng)
        )
        store.write_step("index", result)


def cpu_ms() -> float:
    """Return the CPU time of this process, which serves, and of the browser's processes, ms."""
    own = sum(os.times()[:2])
    return 1e3 * (own + sum(_seconds(pid) for pid in _descendants(os.getpid())))


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += new
    return found


def _seconds(pid: int) -> float:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


Times = tuple[float, float]
"""Of the wall clock and of CPU, ms."""


class Page:
    """A page behind the link, whose actions are timed."""

    def __init__(self, browser: Any, link: tuple[float, float]) -> None:
        self.page = browser.new_page(viewport={"width": 1200, "height": 1000})
        network = self.page.context.new_cdp_session(self.page)
        network.send("Network.enable")
        rate = link[0] * 1e6 / 8
        network.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": link[1], "downloadThroughput": rate,
             "uploadThroughput": rate},
        )  # fmt: skip

    def open(self, viewer: Viewing, fragment: str) -> Times:
        """Open the viewer at a fragment; return the times from the request to the picture."""
        self.page.goto("about:blank")
        before = cpu_ms()
        self.page.goto(f"{viewer.address}#{fragment}", wait_until="commit")
        wait(self.page, "typeof S !== 'undefined' && S.shownAt", 120)
        return float(self.page.evaluate("S.shownAt")), cpu_ms() - before

    def took(self, action: str, done: str) -> Times:
        """Return the times from an action to the frame of the page where `done` is true."""
        script = (
            "(new Promise((finish) => { const from = performance.now(); " + action + ";"
            f" const look = () => {{ if ({done}) finish(performance.now() - from);"
            " else requestAnimationFrame(look); }; requestAnimationFrame(look); }))"
        )
        before = cpu_ms()
        return float(self.page.evaluate(script)), cpu_ms() - before

    def frames(self, step: str, n: int) -> list[Times]:
        """Return the times between animation frames, with an action before each; CPU the mean."""
        script = (
            f"(async () => {{ const times = []; let last = 0; for (let i = 0; i <= {n}; i++) {{"
            f" {step}; await new Promise(requestAnimationFrame); const now = performance.now();"
            " if (i) times.push(now - last); last = now; } return times; })()"
        )
        before = cpu_ms()
        walls = [float(v) for v in self.page.evaluate(script)]
        each = (cpu_ms() - before) / (n + 1)
        return [(wall, each) for wall in walls]


def show(what: str, times: list[Times], wanted: str) -> None:
    """Print a row: median and 95th percentile of the wall clock, median of CPU, ms."""
    wall, cpu = np.array(times).T
    print(f"  {what:54}{np.median(wall):8.0f}{np.quantile(wall, 0.95):8.0f}{np.median(cpu):8.0f}"
          f"   {wanted}", flush=True)  # fmt: skip


def frames_of_16_m(folder: Path, new_page: Callable[[], Page], repeats: int) -> None:
    """Print the figures of large frames."""
    make_store(
        folder / "large.zarr", "large", experiment("large", IMAGES, (COLUMNS, ROWS), PANEL),
        (ROWS * PANEL[1], COLUMNS * PANEL[0]), SPOTS,
    )  # fmt: skip
    opening, first, following, moving = [], [], [], []
    for _ in range(repeats):
        with viewing(folder / "large.zarr") as viewer:  # with no image in its memory
            page = new_page()
            opening.append(page.open(viewer, "run=large&image=1"))
            settle(page)
            for image in (5, 8, 11):
                first.append(page.took(f"goTo({image})", shown(image)))
                settle(page)
            for image in (10, 9):
                following.append(page.took(f"goTo({image})", shown(image)))
                settle(page)
            page.took(
                "S.zoom = 1; $('threshold').value = 'result'; redraw()", "threshold.parts.length"
            )
            settle(page)
            for value in (2, 4, 5, 7):
                action = (
                    "threshold.parts = []; const s = $('sliders').querySelectorAll('input')[1];"
                    f"s.value = {value}; s.dispatchEvent(new Event('input'))"
                )
                moving.append(page.took(action, "threshold.parts.length"))
                settle(page)
            page.page.close()
    show("page opened, to its first picture", opening, "")
    show("frame that was never read, to its picture", first, "200")
    show("next frame, fetched before", following, "100")
    show("slider, to the picture of the threshold, 1 : 1", moving, "150")
    with viewing(folder / "large.zarr") as viewer:
        page = new_page()
        page.open(viewer, "run=large&image=3")
        wait(page.page, f"marks && {SETTLED}", 120)
        n = page.page.evaluate("marks.kind.length")
        panning = page.frames("S.x += 5; redraw()", 20)
        show(f"a frame of panning, {n} spots, {COLUMNS * ROWS} panels", panning, "33")
        page.page.evaluate("(() => { S.layout = 'laboratory'; fit(); })()")
        settle(page)
        show("the same in the laboratory", page.frames("S.x += 5; redraw()", 20), "33")


def settle(page: Page) -> None:
    """Wait until everything is loaded, the neighbours of the image as well."""
    page.page.wait_for_timeout(200)
    wait(page.page, SETTLED, 120)


def shown(image: int) -> str:
    """Return the condition that an image is shown completely."""
    return f"S.image === {image} && S.shown === shownKey()"


def lattice_of_a_million(folder: Path, new_page: Callable[[], Page]) -> None:
    """Print the figures of the reciprocal lattice."""
    of = experiment("many", MANY_IMAGES, (1, 1), (64, 64))
    make_store(folder / "many.zarr", "many", of, (64, 64), MANY // MANY_IMAGES)
    with viewing(folder / "many.zarr") as viewer:
        page = new_page()
        page.open(viewer, "run=many&image=1")
        opened = page.took("showSpace(true)", "L.frames && L.points")
        show("reciprocal lattice of 10^6 points, to its picture", [opened], "")
        every = page.frames("turnBy(0.02, 0); drawSpace(); gl.finish()", 10)
        show("a frame of turning, all points drawn", every, "33")
        turning = page.frames("turnBy(0.02, 0); moveSpace(); gl.finish()", 50)[25:]
        n = page.page.evaluate("L.n")
        show(f"a frame of turning as in the page, {n} points drawn", turning, "33")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--mbit", type=float, default=50.0)
    parser.add_argument("--latency", type=float, default=20.0, help="ms")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    size = sum(len(part.encode()) for part in page_parts())
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {given.mbit:g} Mbit/s, "
          f"{given.latency:g} ms; page {size} bytes (below 150 000)")  # fmt: skip
    print(f"  {'ms':54}{'wall':>8}{'95 %':>8}{'CPU':>8}   wanted (wall)")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)

        def new_page() -> Page:
            return Page(browser, (given.mbit, given.latency))

        frames_of_16_m(Path(name), new_page, given.repeats)
        lattice_of_a_million(Path(name), new_page)
        browser.close()
    print(f"  load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
