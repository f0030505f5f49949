"""Selection of runs, modules and images of an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A selection of an ensemble.

    Attributes
    ----------
    store : of the ensemble. runs : names. modules : names, by panel of the integrated models, None
    for those left out. images : first and last number of an image, None for all.
    """

    store: Store
    runs: tuple[str, ...]
    modules: tuple[str | None, ...]
    images: tuple[int, int] | None = None
