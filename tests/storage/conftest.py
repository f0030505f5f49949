"""Fixtures of tests on stores."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.store_examples import new_store

from dxdask.storage.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new_store(tmp_path)
