"""Values of parameters that may be given several times: they add up, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dxdask.parameters.entries import Entry, as_text
from dxdask.parameters.model import in_groups, item_of


class Several:
    """Gathers values of lists and of fields of groups; what the model held is replaced."""

    def __init__(self) -> None:
        self._found: dict[str, list[Any] | None] = {}
        self._last: dict[str, dict[str, Any]] = {}
        self._by_name: set[int] = set()  # ids of the groups made here, which `_found` holds

    def add(self, path: str, value: Any, entry: Entry | None) -> None:
        """Add what was given for a list, for a field of groups (no entry), or in such a group.

        None and an empty list take away all before.
        """
        if entry is not None and entry.repeated:
            self._add_to_group(entry.repeated, path.removeprefix(f"{entry.repeated}."), value)
            return
        self._last.pop(path, None)
        if value is None or value == "()":
            self._found[path] = None
            return
        items = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        item = item_of(entry.field) if entry is not None else None
        self._found[path] = [*(self._found.get(path) or ()), *in_groups(items, item)]

    def values(self, known: Mapping[str, Entry]) -> Iterator[tuple[str, list[Any] | None]]:
        """Yield each path with all its values; a group whose names all said nothing is none."""
        for path, items in self._found.items():
            yield (
                path,
                items and [i for i in items if id(i) not in self._by_name or _says(i, path, known)],
            )

    def _add_to_group(self, path: str, name: str, value: Any) -> None:
        group = self._last.get(path)
        if group is None or name in group:
            group = self._last[path] = {}
            self._found[path] = [*(self._found.get(path) or ()), group]
            self._by_name.add(id(group))
        group[name] = value


def _says(group: Mapping[str, Any], path: str, known: Mapping[str, Entry]) -> bool:
    """Return True if a group has more than defaults: `-c` shows such a one to copy from."""
    return any(
        value is not None and as_text(value) != as_text(known[f"{path}.{name}"].field.default)
        for name, value in group.items()
    )
