"""Plugin of pytest: a test that runs into its timeout is skipped, and not failed.

For runs without the JIT, where loops over pixels take minutes; the lines run so far count.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Change the outcome of tests that pytest-timeout has ended."""
    report = yield
    if call.excinfo is not None and str(call.excinfo.value).startswith("Timeout (>"):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, "cut off: too slow without JIT")
    return report
