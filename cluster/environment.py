"""Environment of processes that compute: one thread for each library, imports not shadowed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

# Kernels run one a thread of Dask's; libraries that start threads of their own would multiply them.
LIBRARIES = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
# For processes yet to be started: in one where numba's threads run already, it compiles nothing
# more once this has changed.
NUMBA = {"NUMBA_NUM_THREADS": "1"}
# `python -m` and `python -c` put the current folder first on the path: in a clone, workers would
# import its folder dxdask/ and not the package that is installed.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, for this process and those it starts inside the context."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def one_thread_a_library() -> Iterator[None]:
    """Limit BLAS and OpenMP to one thread, in this process and in those it starts."""
    with environment(LIBRARIES), threadpool_limits(limits=1):
        yield


def one_thread_of_numba() -> int:
    """Limit what numba runs from this thread to one thread, and return how many it was."""
    import numba

    before = int(numba.get_num_threads())
    numba.set_num_threads(1)
    return before
