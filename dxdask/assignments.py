"""Parameters by their names: `a.b.c=value` texts, files and keywords become a step's model.

A name may be shortened to its last parts (`min_spot_size` for `spotfinder.filter.min_spot_size`)
as in DIALS; of several the least nested is meant, and two of those are ambiguous. `cluster=slurm`
is short for `cluster.kind=slurm`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from dxdask.errors import ParameterError
from dxdask.parameters import Parameters

P = TypeVar("P", bound=Parameters)


@dataclass(frozen=True, slots=True)
class Entry:
    """One parameter of a model: its full path, the field that declares it, and its value."""

    path: str
    field: FieldInfo
    value: Any

    @property
    def expert_level(self) -> int:
        """How expert a user must be to want to see it; 0 is for all."""
        return int(self._extra("expert_level", 0))

    @property
    def unit(self) -> str:
        """Unit of the value, or an empty text."""
        return str(self._extra("unit", ""))

    @property
    def choices(self) -> str:
        """What may be given, as text."""
        annotation = self.field.annotation
        text = getattr(annotation, "__name__", "") if isinstance(annotation, type) else ""
        return text or str(annotation).replace("typing.", "").replace("Literal", "one of ")

    def _extra(self, key: str, default: Any) -> Any:
        extra = self.field.json_schema_extra
        return extra.get(key, default) if isinstance(extra, dict) else default


def entries(
    model: BaseModel, prefix: str = "", groups: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield every parameter of a model (or of these top-level groups), as they are declared."""
    for name, field in type(model).model_fields.items():
        if groups is not None and name not in groups:
            continue
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from entries(value, f"{prefix}{name}.")
        else:
            yield Entry(f"{prefix}{name}", field, value)


def with_assignments(
    parameters: P,
    assignments: Iterable[tuple[str, Any]],
    groups: Collection[str] | None = None,
) -> P:
    """Return the model with these (name, value) pairs set; later ones win.

    groups: top-level names that may be set; by default all.

    Raises
    ------
    ParameterError
        A name is unknown (the nearest are named) or ambiguous, or a value is of the wrong type.
    """
    values = parameters.model_dump()
    fields = {e.path: e.field for e in entries(parameters, groups=groups)}
    for name, value in assignments:
        path = _resolve(name, list(fields))
        node = values
        *parents, leaf = path.split(".")
        for parent in parents:
            node = node[parent]
        node[leaf] = _settled(value, fields[path])
    try:
        return type(parameters).model_validate(values)
    except ValidationError as error:
        raise ParameterError(_explain(error)) from None


def parse(texts: Iterable[str]) -> list[tuple[str, Any]]:
    """Return (name, value) for texts such as `filter.d_min=2`.

    `None`, `null` (and `Auto`, where it is no choice of its own) mean unset, `a,b,c` a list; the
    model turns the rest into numbers or choices.
    """
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"cannot read {text!r}: write NAME=VALUE")
        pairs.append((name.strip(), _value(value.strip())))
    return pairs


def flatten(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return (name, value) for nested mappings, as a YAML or TOML file gives them."""
    pairs: list[tuple[str, Any]] = []
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        pairs += flatten(value, f"{prefix}{name}.") if nested else [(f"{prefix}{name}", value)]
    return pairs


def describe(
    parameters: Parameters, *, expert_level: int = 0, groups: Collection[str] | None = None
) -> str:
    """Return every parameter up to this expert level as `name = value`, with its help below."""
    lines = []
    for entry in entries(parameters, groups=groups):
        if entry.expert_level > expert_level:
            continue
        unit = f" [{entry.unit}]" if entry.unit else ""
        lines.append(f"{entry.path} = {_text(entry.value)}")
        lines.append(f"    {entry.field.description or ''}{unit} ({entry.choices})")
    return "\n".join(lines)


def changed(parameters: Parameters) -> list[str]:
    """Return `name = value` of every parameter that is not at its default."""
    default = {e.path: e.value for e in entries(type(parameters)())}
    return [
        f"{e.path} = {_text(e.value)}" for e in entries(parameters) if e.value != default[e.path]
    ]


def _resolve(name: str, paths: list[str]) -> str:
    if name in paths:
        return name
    if f"{name}.kind" in paths:
        return f"{name}.kind"
    matches = [p for p in paths if p.endswith("." + name)]
    least = min((p.count(".") for p in matches), default=0)
    matches = [p for p in matches if p.count(".") == least]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise ParameterError(f"parameter {name!r} is ambiguous: write one of {', '.join(matches)}")
    leaves = {p.rsplit(".", 1)[-1]: p for p in paths}
    near = difflib.get_close_matches(name, paths, n=2, cutoff=0.6)
    near += [leaves[x] for x in difflib.get_close_matches(name.rsplit(".", 1)[-1], leaves, n=3)]
    hint = f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else "; see -c for the list"
    raise ParameterError(f"unknown parameter {name!r}{hint}")


def _settled(value: Any, field: FieldInfo) -> Any:
    """Return the value; for `Auto` the choice "auto" if there is one, else None."""
    if not isinstance(value, str) or value.lower() != "auto":
        return value
    return "auto" if "auto" in str(field.annotation) else None


def _value(text: str) -> Any:
    if text.lower() in ("none", "null"):
        return None
    if "," in text:
        return [_value(part.strip()) for part in text.strip("()[]").split(",") if part.strip()]
    return text


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(_text(v) for v in value) or "()"
    return str(value)


def _explain(error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        path = ".".join(str(p) for p in problem["loc"])
        parts.append(f"parameter {path}: {problem['msg']}, got {problem['input']!r}")
    return "; ".join(parts) + "; see -c for what may be given"
