"""Arguments of every command: paths, `a.b.c=value` texts, a file of parameters."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from dxdask.cli import names
from dxdask.errors import ParameterError
from dxdask.parameters import Parameters
from dxdask.parameters.assignments import flatten, parse, with_assignments

_NAME = re.compile(r"\s*[\w.]*\s*=")  # of an assignment

P = TypeVar("P", bound=Parameters)


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return (paths, assignments): what holds a `=` and is no existing file is an assignment.

    Of paths `~` and lists of files are replaced, of values a `~` at the start.
    """
    paths: list[str] = []
    assignments: list[str] = []
    for text in arguments:
        is_path = "=" not in text or not _NAME.match(text) or Path(text).exists()
        (paths if is_path else assignments).append(text)
    return names.files(paths), [_with_home(text) for text in assignments]


def _with_home(assignment: str) -> str:
    name, equals, value = assignment.partition("=")
    value = value.strip()
    return f"{name}={names.expanded(value)}" if value.startswith("~") else f"{name}{equals}{value}"


def read_parameters(
    model: Callable[[], P],
    file: Path | None,
    assignments: Sequence[str],
    groups: Collection[str] | None = None,
) -> P:
    """Return the parameters: those `model` returns, then a file's, then the command line's."""
    pairs = [
        (name, names.expanded(value) if isinstance(value, str) else value)
        for name, value in (flatten(read_file(file)) if file else ())
    ]
    return with_assignments(model(), [*pairs, *parse(assignments)], groups)


def read_file(file: Path) -> Mapping[str, Any]:
    """Return the nested parameters of a YAML or TOML file.

    Raises
    ------
    ParameterError
        The file cannot be read, or holds no mapping.
    """
    try:
        text = file.read_text()
        values = tomllib.loads(text) if file.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ParameterError(f"cannot read parameters from {file}: {error}") from None
    if not isinstance(values, Mapping):
        raise ParameterError(f"{file} holds no parameters: write 'name: value' lines")
    return values


def one_store(paths: Sequence[str], command: str) -> str:
    """Return the only path given.

    Raises
    ------
    ParameterError
        None, or more than one.
    """
    paths = [match for path in paths for match in names.matches(path)]
    if len(paths) != 1:
        given = ", ".join(paths) or "none"
        files = (
            ""
            if not any(path.endswith((".expt", ".refl")) for path in paths)
            else ("; what .expt and .refl files hold is in the store, once imported")
        )
        raise ParameterError(f"dxdask {command} takes one store (NAME.zarr), got {given}{files}")
    return paths[0]


def need(found: object, command: str, what: str) -> None:
    """Check that something was given.

    Raises
    ------
    ParameterError
        Nothing was.
    """
    if not found:
        raise ParameterError(f"dxdask {command} takes {what}; see dxdask {command} --help")
