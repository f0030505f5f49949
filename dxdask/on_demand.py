"""Names of a package whose modules are imported when they are asked for (PEP 562's way).

A step's package then gives its parameters without the kernels: `dxdask show`, `-c` and the report
read the parameters of steps that they do not run, and numba alone takes a third of a second.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _OnDemand(ModuleType):
    """A package with names that are imported when they are asked for."""

    _modules: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        module = self._modules.get(name)
        if module is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{self.__name__}.{module}"), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        # the import of the module `scale.scale` does not hide the function `scale.scale`
        if not (isinstance(value, ModuleType) and name in self._modules):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self._modules})


def on_demand(package: str, **modules: str) -> None:
    """Have names of a package imported from its modules when they are asked for.

    package : its `__name__`, in its `__init__.py`.
    modules : of each name, the module within the package that has it.
    """
    module = sys.modules[package]
    module.__dict__["_modules"] = modules
    module.__class__ = _OnDemand
