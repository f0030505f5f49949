"""Problems of frames and reflections as lines; those of one reason together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_NUMBER = re.compile(r"\d+(\.\d+)?")
MOST_PROBLEMS = 8
"""Lines on problems that are printed as a step ends; `dxdask show` prints all."""


def problem_lines(
    rows: Sequence[Mapping[str, Any]], command: str, most: int | None = MOST_PROBLEMS
) -> list[str]:
    """Return a heading and a line for each run, step and reason, with the images; none without any.

    Reasons that differ in numbers alone are one, given as of the first image.

    rows : run, image, step, reason. command : shows the lines that are left out.
    most : lines to show; None: all.
    """
    if not rows:
        return []
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        alike = _NUMBER.sub("#", str(row.get("reason")))
        groups.setdefault((str(row.get("run")), str(row.get("step")), alike), []).append(row)
    lines = [f"  {_line(group)}" for group in groups.values()]
    shown = lines if most is None or len(lines) <= most else lines[: most - 1]
    rest = len(lines) - len(shown)
    return ["", "Problems:", *shown, *([f"  and {rest} more: {command}"] if rest else [])]


def _line(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the line on problems whose reasons differ in no more than numbers."""
    first = rows[0]
    where = f"{first.get('run') or 'all runs'}{_images(row.get('image') for row in rows)}"
    alike = ", and the like" if len({row.get("reason") for row in rows}) > 1 else ""
    return f"{where}, {first.get('step')}: {first.get('reason')}{alike}"


def _images(images: Iterable[Any]) -> str:
    """Return numbers of images in text: `, image 3` or `, images 1-14, 20`."""
    numbers = sorted({int(i) for i in images if i is not None and int(i) > 0})
    if not numbers:
        return ""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [f"{a}" if a == b else f"{a}-{b}" for a, b in ranges]
    shown = ", ".join(texts) if len(texts) <= 6 else f"{', '.join(texts[:5])} ... {numbers[-1]}"
    return f" image{'s' if len(numbers) > 1 else ''} {shown}"
