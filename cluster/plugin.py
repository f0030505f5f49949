"""One thread for each library, in workers that others have started."""

from __future__ import annotations

from distributed import WorkerPlugin
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]


class OneThreadPlugin(WorkerPlugin):
    """Holds BLAS and OpenMP to one thread, as `dask worker` does where nobody asks for more."""

    name = "dxdask-one-thread"

    def setup(self, worker: object) -> None:
        """Set the limits of a worker that has joined."""
        threadpool_limits(limits=1)
