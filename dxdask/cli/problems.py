"""Problems of frames and reflections as lines; those of one reason together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MOST_PROBLEMS = 8
"""Lines on problems that are printed as a step ends; `dxdask show` prints all."""


def problem_lines(
    rows: Sequence[Mapping[str, Any]], command: str, most: int | None = MOST_PROBLEMS
) -> list[str]:
    """Return a heading and a line for each run, step and reason, with the images; none without any.

    rows : run, image, step, reason. command : shows the lines that are left out.
    most : lines to show; None: all.
    """
    if not rows:
        return []
    groups: dict[tuple[Any, Any, Any], list[Any]] = {}
    for row in rows:
        groups.setdefault((row.get("run"), row.get("step"), row.get("reason")), []).append(
            row.get("image")
        )
    lines = [
        f"  {run or 'all runs'}{_images(images)}, {step}: {reason}"
        for (run, step, reason), images in groups.items()
    ]
    shown = lines if most is None or len(lines) <= most else lines[: most - 1]
    rest = len(lines) - len(shown)
    return ["", "Problems:", *shown, *([f"  and {rest} more: {command}"] if rest else [])]


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
