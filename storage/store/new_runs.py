"""Making runs in an opened store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import DTypeLike

from dxdask.models import Experiment
from dxdask.storage.frames.chunk_codec import ChunkCodec
from dxdask.storage.store import runs
from dxdask.storage.store.folder import StoreFolder
from dxdask.storage.store.run_writer import RunWriter
from dxdask.storage.store.runs import RunContents, RunFields

# It unpacks by kernels, which few uses of a store need.
if TYPE_CHECKING:
    from dxdask.storage.formats.chunk_manifest import ChunkManifest


class NewRuns(StoreFolder):
    """Runs that are made in a store."""

    def create_run(
        self,
        run: str,
        experiment: Experiment,
        *,
        n_images: int,
        shape: tuple[int, int],
        dtype: DTypeLike,
        chunk: int = 1,
        shard: int | None = None,
        overwrite: bool = False,
        **contents: Unpack[RunFields],
    ) -> RunWriter:
        """Return a writer of a new run, or of an interrupted one with this `fingerprint`.

        shape: (slow, fast). chunk: images compressed together. shard: images a file, a multiple
        of `chunk`; by default one chunk a file. contents: mask, columns, fingerprint, source and
        problems of `RunContents`. Write within `writing()`, then call the writer's `finish`.

        Raises
        ------
        StoreExistsError
            The run is complete already and `overwrite` is false.
        SchemaError, ChunkError
            Mask, columns or chunks do not fit the frames.

        Examples
        --------
        >>> import numpy as np
        >>> import dxdask
        >>> experiment = dxdask.open("tiny.zarr").run_experiment("tiny_1")
        >>> store = dxdask.Store.create("own.zarr")
        >>> with store.writing():
        ...     shape = (264, 256)
        ...     writer = store.create_run("one", experiment, n_images=2, shape=shape, dtype="u2")
        ...     writer.write(0, np.zeros((2, *shape), "u2"))
        ...     writer.finish()
        >>> store.runs
        ('one',)
        """
        slow, fast = shape
        size = (int(n_images), int(slow), int(fast))
        codec = ChunkCodec(size, np.dtype(dtype).name, chunk, shard or chunk)
        with self.writing():
            self.hold_runs()
            return runs.create_run(
                self.path,
                run,
                RunContents(experiment=experiment, **contents),
                codec=codec,
                overwrite=overwrite,
            )

    def link_run(
        self,
        run: str,
        experiment: Experiment,
        manifest: ChunkManifest,
        *,
        overwrite: bool = False,
        **contents: Unpack[RunFields],
    ) -> None:
        """Make a run, complete, whose frames stay in the files they are in; see `create_run`.

        Raises
        ------
        StoreExistsError, SchemaError
            As `create_run`.
        LinkedFileError
            A file cannot be read.
        """
        with self.writing():
            self.hold_runs()
            runs.link_run(
                self.path,
                run,
                RunContents(experiment=experiment, **contents),
                manifest=manifest,
                overwrite=overwrite,
            )

    def describe_run(
        self,
        run: str,
        experiment: Experiment,
        *,
        shape: tuple[int, int, int],
        overwrite: bool = False,
        **contents: Unpack[RunFields],
    ) -> None:
        """Make a run without frames, complete; see `create_run`.

        shape : images, slow, fast, of the frames that it was recorded as.

        Raises
        ------
        StoreExistsError, SchemaError
            As `create_run`.

        Examples
        --------
        >>> import dxdask
        >>> experiment = dxdask.open("tiny.zarr").run_experiment("tiny_1")
        >>> store = dxdask.Store.create("frameless.zarr")
        >>> store.describe_run("one", experiment, shape=(14, 264, 256))
        >>> store.frame_reader("one").shape
        (14, 264, 256)
        """
        with self.writing():
            self.hold_runs()
            runs.describe_run(
                self.path,
                run,
                RunContents(experiment=experiment, **contents),
                shape=shape,
                overwrite=overwrite,
            )
