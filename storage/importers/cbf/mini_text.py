"""The text of miniCBF headers: "# Key value" lines in any container that CBF allows."""

from __future__ import annotations

import re

from dxdask.storage.importers.header_values import NUMBER

# The value of the item: a text field between semicolons, or quoted once or three times.
_CONTAINER = re.compile(
    r"_array_data\.header_contents?\s+(?:(?<=\n);(?P<field>.*?)(?:\n;|\Z)"
    r"|'''(?P<three>.*?)'''|\"\"\"(?P<double>.*?)\"\"\"|'(?P<one>[^'\n]*)'|\"(?P<two>[^\"\n]*)\")",
    re.DOTALL | re.IGNORECASE,
)
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_]*)(?:\s*[:=]\s*|\s+|\Z)(.*)")
_SENSOR = re.compile(
    rf"^([A-Za-z][A-Za-z -]{{0,40}}?)\s+sensor\b[\s,;]*(?:thickness)?\s*[:=]?\s*({NUMBER}\s*\S*)?",
    re.IGNORECASE,
)
_DATE = re.compile(r"\d{4}[-/](?:\d\d|[A-Za-z]{3})[-/]\d\d[T ]\d\d:\d\d:\d\d")


def mini_values(text: str) -> dict[str, str]:
    """Return the values of a miniCBF header by key in lower case; the first of equal keys counts.

    text : of a CBF before its binary section. "sensor_material" and "sensor_thickness" are those of
    the line "Silicon sensor, thickness 0.00045 m"; "date" that of the line that is only a date.
    """
    values: dict[str, str] = {}
    lines = [line.strip()[1:] for line in text.splitlines() if line.lstrip().startswith("#")]
    for found in _CONTAINER.finditer(text):
        content = next((g for g in found.groups() if g is not None), "")
        lines += [line.strip().lstrip("#") for line in content.splitlines()]
    for line in map(str.strip, lines):
        sensor = _SENSOR.match(line)
        if sensor:
            values.setdefault("sensor_material", sensor[1])
            values.setdefault("sensor_thickness", sensor[2] or "")
        elif _DATE.match(line):
            values.setdefault("date", line)
        else:
            item = _LINE.match(line)
            if item:
                values.setdefault(item[1].lower(), item[2].strip())
    return values
