"""A viewer of the small ensemble that was processed, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.browser import chromium
from support.viewer import Viewing, viewing

from dxdask.storage.store.store import Store


@pytest.fixture(scope="module")
def viewer(processed: Store) -> Iterator[Viewing]:
    """Return a viewer of the processed store; it writes nothing unless a mask is posted."""
    with viewing(processed.path) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return a headless Chromium, or skip the test where there is none."""
    with chromium() as found:
        yield found
