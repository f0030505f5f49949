"""A viewer of the small ensemble that was processed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.viewer import Viewing, viewing

from dxdask.storage.store.store import Store


@pytest.fixture(scope="module")
def viewer(processed: Store) -> Iterator[Viewing]:
    """Return a viewer of the processed store; it writes nothing unless a mask is posted."""
    with viewing(processed.path) as found:
        yield found
