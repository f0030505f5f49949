"""One thread for each library, in workers that others have started."""

from __future__ import annotations

import os

from distributed import WorkerPlugin
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from dxdask.cluster.limits import ONE_THREAD


class OneThreadPlugin(WorkerPlugin):
    """Holds BLAS and OpenMP to one thread in workers that others have started."""

    name = "dxdask-one-thread"

    def setup(self, worker: object) -> None:
        """Set the limits of a worker that has joined."""
        os.environ.update(ONE_THREAD)
        threadpool_limits(limits=1)
