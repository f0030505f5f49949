"""The parameters of a model one by one: their paths, values, units and help; printed as a list.

A field that holds any number of groups (``untrusted``, say) has an entry for each parameter of each
group it holds, and those of an empty group while it holds none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dxdask.parameters.model import Parameters, item_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter of a model: its full path, the field that declares it, and its value.

    `repeated` is the path of the field of groups that it belongs to, None for most.
    """

    path: str
    field: FieldInfo
    value: Any
    repeated: str | None = None

    @property
    def expert_level(self) -> int:
        """Level of expertise from which a parameter is shown; 0 is for all."""
        return int(self._extra("expert_level", 0))

    @property
    def unit(self) -> str:
        """Unit of the value, or an empty text."""
        return str(self._extra("unit", ""))

    @property
    def multiple(self) -> bool:
        """True if each assignment adds a value: lists of lists, and parameters declared so."""
        return bool(self._extra("multiple", False)) or get_origin(item_of(self.field)) is tuple

    @property
    def choices(self) -> str:
        """Accepted values, as text."""
        return _type_text(self.field.annotation)

    def _extra(self, key: str, default: Any) -> Any:
        extra = self.field.json_schema_extra
        return extra.get(key, default) if isinstance(extra, dict) else default


def entries(
    model: BaseModel, prefix: str = "", groups: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield every parameter of a model (or of these top-level groups), as they are declared."""
    if groups is None and isinstance(model, Parameters):
        groups = model.offered
    for name, field in type(model).model_fields.items():
        if groups is not None and name not in groups:
            continue
        path, value, item = f"{prefix}{name}", getattr(model, name), group_of(field)
        if isinstance(value, BaseModel):
            yield from entries(value, f"{path}.")
        elif item is not None:
            for group in value or (item(),):
                for entry in entries(group, f"{path}."):
                    yield Entry(entry.path, entry.field, entry.value, path)
        else:
            yield Entry(path, field, value)


def group_of(field: FieldInfo) -> type[Parameters] | None:
    """Return the model of the groups that a field holds any number of, None for other fields."""
    item = item_of(field)
    return item if isinstance(item, type) and issubclass(item, Parameters) else None


def describe(
    parameters: Parameters, *, expert_level: int = 0, groups: Collection[str] | None = None
) -> str:
    """Return every parameter up to this expert level as `name = value`, with its help below."""
    lines: list[str] = []
    explained: set[str] = set()
    for entry in entries(parameters, groups=groups):
        if entry.expert_level > expert_level:
            continue
        unit = f" [{entry.unit}]" if entry.unit else ""
        lines.append(f"{entry.path} = {as_text(entry.value)}")
        lines.append(f"    {entry.field.description or ''}{unit} ({entry.choices})")
        if entry.repeated and entry.repeated not in explained:
            explained.add(entry.repeated)
            name = entry.repeated.rsplit(".", 1)[-1]
            lines.append(f"    (any number of {name}: a name given again begins another)")
    return "\n".join(lines)


def changed(parameters: Parameters) -> list[str]:
    """Return `name = value` of every parameter that is not at its default."""
    default = {e.path: e.value for e in entries(type(parameters)())}
    return [
        f"{e.path} = {as_text(e.value)}" for e in entries(parameters) if e.value != default[e.path]
    ]


def as_text(value: Any) -> str:
    """Return a value as it may be given on a command line."""
    if isinstance(value, (list, tuple)):
        return ",".join(as_text(v) for v in value) or "()"
    return str(value)


def _type_text(annotation: Any) -> str:
    """Return a type as a user reads it: without limits, choices as such."""
    arguments = get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if get_origin(annotation) is Annotated:
        return _type_text(arguments[0])
    if get_origin(annotation) is Literal:
        return f"one of [{', '.join(map(repr, arguments))}]"
    if get_origin(annotation) in (UnionType, Union):
        return " | ".join(map(_type_text, arguments))
    if get_origin(annotation) is tuple:
        inside = ["..." if a is ... else _type_text(a) for a in arguments]
        return f"tuple[{', '.join(inside)}]"
    return getattr(annotation, "__name__", str(annotation))
