"""Modules that tasks need, and the check that workers can import them.

A worker that cannot import the module of a task's function ends while it reads the task, so that
the scheduler counts it as killed by the task. The check is made before tasks are sent.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from types import FunctionType
from typing import Any

import cloudpickle
from dask.delayed import Delayed
from dask.utils import key_split
from distributed import Client

from dxdask.errors import ClusterError


def require_modules(client: Client, names: Sequence[str], label: str) -> None:
    """Import modules on every worker that is there.

    label : name of the computation, for the message.

    Raises
    ------
    ClusterError
        A worker cannot import one of them; the message has its error and its environment.
    """
    # A worker that is lost meanwhile gives an exception, and is no reason to refuse.
    found = client.run(_importer(names), on_error="return")
    failures = {worker: text for worker, text in found.items() if isinstance(text, str)}
    for worker, text in failures.items():
        raise ClusterError(
            f"{label}: the worker {worker} cannot import {text}. Install there what is installed "
            "here, name the right Python (cluster.python of a queue), and give folders of modules "
            "of your own in PYTHONPATH"
        )


def _importer(names: Sequence[str]) -> Callable[[], str | None]:
    # A nested function is sent by value: this module may be among those that cannot be imported.
    def import_all() -> str | None:
        import importlib
        import os
        import socket
        import sys

        for name in names:
            try:
                importlib.import_module(name)
            except Exception as error:
                package = sys.modules.get(name.partition(".")[0])
                origin = f", with {package.__file__}" if package is not None else ""
                return (
                    f"{name} ({type(error).__name__}: {error}); it runs {sys.executable} on "
                    f"{socket.gethostname()} in {os.getcwd()}{origin}"
                )
        return None

    return import_all


def modules_of(tasks: Iterable[Delayed]) -> list[str]:
    """Return the modules of the functions and classes that tasks refer to by name, sorted.

    One task of each name is looked at: `key_split` gives the same name for the same function.
    """
    samples: dict[str, Any] = {}
    seen: set[str] = set()
    for task in tasks:
        graph = task.__dask_graph__()
        for name, layer in getattr(graph, "layers", {task.key: graph}).items():
            if name not in seen:
                seen.add(name)
                for key, node in layer.items():
                    samples.setdefault(key_split(key), node)
    pickler = _ModuleNames()
    pickler.dump(list(samples.values()))  # type: ignore[no-untyped-call]
    return sorted(pickler.names)


class _ModuleNames(cloudpickle.Pickler):
    """Pickler that keeps only the names of the modules it refers to."""

    def __init__(self) -> None:
        # buffers out of band, so that arrays are not copied
        super().__init__(  # type: ignore[no-untyped-call]
            io.BytesIO(), protocol=5, buffer_callback=lambda _: None
        )
        self.names: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Note the module of a function or class that is pickled by reference."""
        if isinstance(obj, type | FunctionType) and _is_importable(obj):
            self.names.add(obj.__module__)
        return super().reducer_override(obj)  # type: ignore[no-untyped-call]


def _is_importable(obj: Any) -> bool:
    """Return True if an object is found by its names, so that it is pickled as these."""
    if obj.__module__ == "__main__":
        return False
    try:
        return bool(attrgetter(obj.__qualname__)(sys.modules[obj.__module__]) is obj)
    except (KeyError, AttributeError):
        return False
