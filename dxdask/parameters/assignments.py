"""Parameters by their names: `a.b.c=value` texts, files and keywords become a step's model.

A name may be shortened to its last parts (`min_spot_size` for `spotfinder.filter.min_spot_size`)
as in DIALS; of several the least nested is meant, and two of those are ambiguous. `cluster=slurm`
is short for `cluster.kind=slurm`.

What may be given several times adds up (`resolution_range=3,4 resolution_range=2,2.1`). Of groups
of which there may be several, a name that the last one has already begins the next:
`untrusted.panel=1 untrusted.circle=9,9,3 untrusted.circle=50,50,5` are two regions.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from dxdask.errors import ParameterError
from dxdask.parameters import Parameters
from dxdask.parameters.dials_names import answer_to
from dxdask.parameters.entries import Entry, entries
from dxdask.parameters.groups import Several

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

P = TypeVar("P", bound=Parameters)


def with_assignments(
    parameters: P,
    assignments: Iterable[tuple[str, Any]],
    groups: Collection[str] | None = None,
) -> P:
    """Return the model with these (name, value) pairs set; later ones win, or add to the list.

    groups: top-level names that may be set; by default all.

    Raises
    ------
    ParameterError
        A name is unknown (the nearest are named) or ambiguous, or a value is of the wrong type.
    """
    known = {e.path: e for e in entries(parameters, groups=groups)}
    values, several = parameters.model_dump(), Several()
    for name, value in assignments:
        path = _resolve(name, known)
        entry = known.get(path)
        if entry is None or entry.repeated or entry.multiple:
            several.add(path, value, entry)
        else:
            _put(values, path, _settled(value, entry.field))
    for path, items in several.values(known):
        _put(values, path, items)
    try:
        return type(parameters).model_validate(values)
    except ValidationError as error:
        raise ParameterError(_explain(error, list(known))) from None


def parse(texts: Iterable[str]) -> list[tuple[str, Any]]:
    """Return (name, value) for texts such as `filter.d_min=2`.

    `None`, `null` and `Auto` (where they are no choices of their own) mean unset, `a,b,c` a list;
    the model turns the rest into numbers or choices.
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


def _resolve(name: str, known: Mapping[str, Entry]) -> str:
    """Return the path meant: of a parameter, or of a field of groups as a whole.

    What is in such groups is meant only where nothing else has the name.
    """
    single = [p for p, e in known.items() if not e.repeated]
    fields = list(dict.fromkeys(e.repeated for e in known.values() if e.repeated))
    members = [p for p, e in known.items() if e.repeated]
    for paths in ([*single, *fields], members):
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
            raise ParameterError(
                f"parameter {name!r} is ambiguous: write one of {', '.join(matches)}"
            )
    raise ParameterError(f"unknown parameter {name!r}{_near(name, list(known))}")


def _near(name: str, paths: list[str]) -> str:
    """Return what may have been meant, as the end of a message."""
    answer = answer_to(name)
    if answer is not None:
        return f", a name of DIALS: {answer}"
    leaves = {p.rsplit(".", 1)[-1]: p for p in paths}
    near = difflib.get_close_matches(name, paths, n=2, cutoff=0.6)
    near += [leaves[x] for x in difflib.get_close_matches(name.rsplit(".", 1)[-1], leaves, n=3)]
    return f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else "; see -c for the list"


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    node = values
    for parent in parents:
        node = node[parent]
    node[leaf] = value


def _settled(value: Any, field: FieldInfo) -> Any:
    """Return the value; for `Auto` and `None` the choices of these names, else None."""
    name = str(value).lower()
    if name not in ("auto", "none"):
        return value
    return name if repr(name) in str(field.annotation) else None


def _value(text: str) -> Any:
    if text.lower() in ("none", "null"):
        return None
    if "," in text:
        return [_value(part.strip()) for part in text.strip("()[]").split(",") if part.strip()]
    return text


def _explain(error: ValidationError, paths: list[str]) -> str:
    parts = dict.fromkeys(_explain_one(problem, paths) for problem in error.errors())
    return "; ".join(parts) + "; see -c for what may be given"


def _explain_one(problem: ErrorDetails, paths: list[str]) -> str:
    """Return the error in words, without pydantic's internals."""
    loc, kind, given = problem["loc"], problem["type"], problem["input"]
    path = ".".join(str(p) for p in loc)
    if kind == "extra_forbidden":
        name = ".".join(p for p in loc if isinstance(p, str))
        return f"unknown parameter {path!r}{_near(name, paths)}"
    if kind == "value_error" and isinstance(given, Mapping):
        # a group that contradicts itself: our own words, which name the values
        return f"parameter {path}: {problem['ctx']['error']}"
    if kind == "missing" and isinstance(loc[-1], int):
        path = ".".join(str(p) for p in loc[:-1])
        return f"parameter {path}: too few values, got {','.join(map(str, given))}"
    if kind == "tuple_type":
        return f"parameter {path}: give several values, A,B and so on; got {given!r}"
    return f"parameter {path}: {problem['msg']}, got {given!r}"
