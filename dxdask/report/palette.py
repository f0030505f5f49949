"""Colours of curves that colour-blind readers can tell apart.

Those of Okabe & Ito (2008, Color Universal Design), darkest first, without the yellow, which is too
light for lines on white; the ninth curve begins again, dashed.
"""

from __future__ import annotations

from itertools import cycle, islice, product

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8C8C")
STYLES = ("-", "--", ":")
DIVERGING = "RdBu_r"
"""Colour map of values on either side of 0."""
SEQUENTIAL = "viridis_r"


def colour_of(i: int) -> str:
    """Return the colour of the i-th of several curves."""
    return COLOURS[i % len(COLOURS)]


def curve_styles(n: int) -> list[tuple[str, str]]:
    """Return colour and line style of each of n curves, which repeat after the 24th."""
    every = [(colour, style) for style, colour in product(STYLES, COLOURS)]
    return list(islice(cycle(every), n))
