"""Draw docs/conventions.svg: the laboratory frame, a panel and its pixels, images of a scan.

With the argument `-` it is written to stdout instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "conventions.svg"
INK, BEAM, AXIS, PANEL = "#444", "#c60", "#06c", "#393"
Point = tuple[float, float]

_HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 920 430" font-family="sans-serif" \
font-size="14">
<title>Frames of reference of dxdask</title>
<defs>{markers}</defs>
<rect width="920" height="430" fill="white"/>"""
_MARKER = (
    '<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
)


def projected(x: float, y: float, z: float) -> Point:
    """Return the place in the drawing of a point in the laboratory: x to the viewer, z left."""
    return (240 - 1.0 * z - 0.55 * x, 235 - 1.0 * y + 0.45 * x)


def line(start: Point, end: Point, colour: str, *, arrow: bool = True, dash: bool = False) -> str:
    """Return a line or an arrow."""
    (x0, y0), (x1, y1) = start, end
    marker = f' marker-end="url(#{_marker(colour)})"' if arrow else ""
    dashes = ' stroke-dasharray="5 4"' if dash else ""
    return (
        f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="{colour}" '
        f'stroke-width="2"{dashes}{marker}/>'
    )


def text(at: Point, content: str, colour: str = INK, anchor: str = "start") -> str:
    """Return a label."""
    x, y = at
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{content}</text>'


def dot(at: Point, colour: str, radius: float = 4) -> str:
    """Return a dot."""
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius}" fill="{colour}"/>'


def laboratory() -> Iterator[str]:
    """Yield beam, axes and a panel around the sample."""
    sample = projected(0, 0, 0)
    origin, fast, slow = (-90, 110, -270), (180, 0, 0), (0, -210, 0)
    corner = [projected(*origin)]
    for edge in (fast, slow, (-fast[0], 0, 0)):
        origin = tuple(a + b for a, b in zip(origin, edge, strict=True))
        corner.append(projected(*origin))
    yield (
        f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corner)}" fill="#dfd" '
        f'fill-opacity="0.6" stroke="{PANEL}"/>'
    )
    yield line(corner[0], corner[1], PANEL)
    yield line(corner[0], corner[3], PANEL)
    yield dot(corner[0], PANEL)
    at = (corner[0][0] + 20, corner[0][1] - 14)
    yield text(at, "origin: outer corner of pixel (0, 0)", PANEL, "end")
    yield text((corner[1][0] - 4, corner[1][1] + 2), "fast, x", PANEL, "end")
    yield text((corner[3][0] + 8, corner[3][1] + 4), "slow, y", PANEL)
    yield line(projected(0, 0, 225), sample, BEAM)
    yield line(sample, projected(0, 0, -270), BEAM, arrow=False, dash=True)
    yield text((8, 256), "source", BEAM)
    yield text((8, 206), "s0, |s0| = 1/wavelength", BEAM)
    spot = projected(-20, 70, -270)
    yield line(sample, spot, BEAM)
    yield dot(spot, BEAM)
    yield text((spot[0] - 215, spot[1] + 12), "s1 = s0 + r", BEAM)
    yield line(sample, projected(0, 0, 95), AXIS)
    yield text((projected(0, 0, 105)[0], 224), "z", AXIS)
    yield line(sample, projected(0, 120, 0), AXIS)
    yield text((sample[0] + 8, 120), "y", AXIS)
    yield line(sample, projected(190, 0, 0), AXIS)
    end = projected(190, 0, 0)
    yield text((end[0] - 4, end[1] + 18), "x, rotation axis m2", AXIS, "middle")
    yield dot(sample, INK, 5)
    yield text((sample[0] + 10, sample[1] + 22), "sample")
    x, y = projected(130, 0, 0)
    # seen from the tip of x a positive rotation runs from y to z, anticlockwise
    yield (
        f'<path d="M{x + 26:.1f},{y - 8:.1f} A28,28 0 1 0 {x + 8:.1f},{y + 26:.1f}" fill="none" '
        f'stroke="{AXIS}" stroke-width="2" marker-end="url(#{_marker(AXIS)})"/>'
    )
    yield text((x + 38, y + 6), "phi &gt; 0", AXIS)


def pixels() -> Iterator[str]:
    """Yield the first pixels of a panel, with coordinates of corners and of a centre."""
    left, top, size = 690.0, 60.0, 50.0
    yield text((left - 60, 24), "pixels of a panel, (x, y)", PANEL)
    for i in range(4):
        yield line((left + i * size, top), (left + i * size, top + 3 * size), PANEL, arrow=False)
        yield line((left, top + i * size), (left + 3 * size, top + i * size), PANEL, arrow=False)
        yield text((left + i * size, top - 8), str(i), INK, "middle")
        yield text((left - 8, top + i * size + 5), str(i), INK, "end")
    yield dot((left, top), PANEL)
    yield dot((left + size / 2, top + size / 2), BEAM, 3)
    yield text((left + 3 * size + 8, top + size / 2 + 5), "(0.5, 0.5)", BEAM)
    yield line((left + size / 2 + 4, top + size / 2), (left + 3 * size + 4, top + size / 2),
               BEAM, arrow=False, dash=True)  # fmt: skip
    yield line((left, top + 3 * size + 12), (left + 3 * size, top + 3 * size + 12), PANEL)
    yield text((left + 3 * size + 8, top + 3 * size + 16), "x, fast", PANEL)
    yield line((left - 36, top), (left - 36, top + 3 * size), PANEL)
    yield text((left - 62, top + 3 * size + 30), "y, slow", PANEL)


def images() -> Iterator[str]:
    """Yield the images of a scan along z."""
    left, y, size = 640.0, 330.0, 68.0
    yield text((left - 10, 288), "images of a scan, z", AXIS)
    yield line((left, y), (left + 3.7 * size, y), AXIS)
    yield text((left + 3.75 * size, y + 5), "z", AXIS)
    for i in range(4):
        x = left + i * size
        yield line((x, y - 12), (x, y + 12), AXIS, arrow=False)
        yield text((x, y + 28), str(i), INK, "middle")
        if i < 3:
            yield text((x + size / 2, y - 10), f"image {i + 1}", INK, "middle")
    yield text((left, y + 52), "phi = start + (z - first z) width", AXIS)


def _marker(colour: str) -> str:
    return f"arrow{colour.strip('#')}"


def drawing() -> str:
    """Return the drawing as SVG."""
    colours = (BEAM, AXIS, PANEL)
    markers = "".join(_MARKER.format(name=_marker(c), colour=c) for c in colours)
    parts = [*laboratory(), *pixels(), *images()]
    return "\n".join([_HEAD.format(markers=markers), *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(drawing())
    else:
        PAGE.write_text(drawing())
