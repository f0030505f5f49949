"""Images of a store as the viewer shows them, read without Dask and cached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.masking import MaskParameters, panel_masks
from dxdask.models import Experiment
from dxdask.storage.frames.reader import FrameReader
from dxdask.storage.store.store import Store
from dxdask.view.binning import add_image, maxima, no_count
from dxdask.view.held import Held
from dxdask.view.runs import models_of, models_version, run_models

Stack = Literal["sum", "max", "mean"]
STACKS = get_args(Stack)
LARGEST_STACK = 1000
LARGEST_LEVEL = 10
HELD_RUNS = 4


@dataclass(frozen=True)
class Shown:
    """What is shown: an image of a run by its number, or several from there on.

    Attributes
    ----------
    run : its name. image : number, as of the scan. n : images. stack : how they are put together.
    """

    run: str
    image: int
    n: int = 1
    stack: Stack = "sum"


class Frames:
    """The images of a store and their levels; safe to use from several threads.

    Parameters
    ----------
    path, branch : of the store, which is opened at each use: a job may be writing it.
    cache : bytes of images that are held.
    """

    def __init__(self, path: Path, branch: str, cache: float) -> None:
        self.path, self.branch = path, branch
        self._images: Held[NDArray[Any]] = Held(cache, lambda array: array.nbytes)
        self._imported: Held[Experiment] = Held(HELD_RUNS)
        self._models: Held[tuple[Experiment, ...]] = Held(HELD_RUNS)
        self._geometry: Held[dict[str, Any]] = Held(HELD_RUNS)
        self._masks: Held[tuple[Mask, ...]] = Held(HELD_RUNS)
        self._readers: Held[FrameReader] = Held(HELD_RUNS)

    def store(self, *, write: bool = False) -> Store:
        """Return the store as it is now, opened to read, or to read and write."""
        return Store.open(self.path, mode="r+" if write else "r", branch=self.branch)

    def experiment(self, run: str) -> Experiment:
        """Return the models of a run as imported.

        Raises
        ------
        StoreNotFoundError
            There is no such run.
        """
        store = self.store()
        run_id = str(store.run_attributes(run)["id"])
        return self._imported.get(run_id, lambda: store.run_experiment(run))

    def models(self, run: str) -> tuple[Experiment, ...]:
        """Return the experiments of a run as refined, else as indexed, else as imported.

        Raises
        ------
        StoreNotFoundError
            There is no such run.
        """
        store = self.store()
        return self._models.get(models_version(store, run), lambda: models_of(store, run))

    def geometry(self, run: str) -> dict[str, Any]:
        """Return the geometry of a run as JSON, see `run_models`.

        Raises
        ------
        StoreNotFoundError
            There is no such run.
        """
        return self._geometry.get(
            models_version(self.store(), run),
            lambda: run_models(self.models(run), self.experiment(run)),
        )

    def masks(self, run: str) -> tuple[Mask, ...]:
        """Return the masks (slow, fast) of the panels of a run, true where a pixel is used.

        A picture of many panels asks for them at each move of a slider.

        Raises
        ------
        StoreNotFoundError
            There is no such run.
        """
        store, own = self.store(), self.experiment(run)
        key = str(store.run_attributes(run)["id"]), store.frames_fingerprint(run)
        return self._masks.get(
            key,
            lambda: tuple(panel_masks(own.detector, own.beam, store.mask(run), MaskParameters())),
        )

    def index(self, run: str, image: int) -> int:
        """Return the index of an image among the frames of a run.

        Raises
        ------
        StoreNotFoundError
            There is no such run.
        InputError
            The image is not of the run.
        """
        first, n = self.experiment(run).first_image, self.store().frames_shape(run)[0][0]
        if not first <= image < first + n:
            raise InputError(f"image={image} is not within the images {first} to {first + n - 1}"
                             f" of {run}")  # fmt: skip
        return image - first

    def image(self, shown: Shown) -> NDArray[Any]:
        """Return the image (slow, fast), of counts as they were recorded.

        A sum is of dtype int64, or of that of the counts' marks; a mean float32, NaN without count.

        Raises
        ------
        StoreNotFoundError
            There is no such run.
        InputError
            The image is not of the run, or the number of images is out of range.
        LinkedFileError
            The file that holds it is gone or has changed.
        """
        store = self.store()
        run_id = str(store.run_attributes(shown.run)["id"])
        return self._images.get((run_id, shown, 0), lambda: self._read(store, shown))

    def level(self, shown: Shown, level: int) -> NDArray[Any]:
        """Return the image binned by maxima of 2^level x 2^level pixels; see `image`."""
        if not 0 <= level <= LARGEST_LEVEL:
            raise InputError(f"level={level} is not within 0 to {LARGEST_LEVEL}")
        if level == 0:
            return self.image(shown)
        run_id = str(self.store().run_attributes(shown.run)["id"])
        return self._images.get(
            (run_id, shown, level), lambda: maxima(self.image(shown), 1 << level)
        )

    def _read(self, store: Store, shown: Shown) -> NDArray[Any]:
        run_id = str(store.run_attributes(shown.run)["id"])
        reader = self._readers.get(run_id, lambda: store.frame_reader(shown.run))
        first = self.index(shown.run, shown.image)
        if not 1 <= shown.n <= LARGEST_STACK:
            raise InputError(f"n={shown.n}: from 1 to {LARGEST_STACK} images are put together")
        if shown.stack not in STACKS:
            raise InputError(f"stack={shown.stack!r}: give one of {', '.join(STACKS)}")
        last = min(first + shown.n, reader.shape[0])
        if shown.n == 1:
            return np.asarray(reader.read(first, first + 1)[0])
        mark = no_count(reader.dtype)
        shape, real = reader.shape[1:], reader.dtype.kind == "f"
        total = np.zeros(shape, np.float64 if real else np.int64)
        low = -np.inf if real else np.iinfo(reader.dtype).min
        largest, n = np.full(shape, low, reader.dtype), np.zeros(shape, np.int32)
        for i in range(first, last):
            frame = reader.read(i, i + 1)[0]
            add_image(frame, -1 if mark is None else frame.dtype.type(mark), total, largest, n)
        return _stacked(shown.stack, total, largest, n, mark)


def _stacked(
    stack: Stack, total: NDArray[Any], largest: NDArray[Any], n: NDArray[Any], mark: int | None
) -> NDArray[Any]:
    if stack == "max":
        return largest if mark is None else np.where(n > 0, largest, largest.dtype.type(mark))
    if stack == "mean":
        mean: NDArray[Any] = np.where(n > 0, total / np.maximum(n, 1), np.nan).astype(np.float32)
        return mean
    if mark is None or total.max(initial=0) >= 2**32 - 1:
        return total
    marked: NDArray[Any] = np.where(n > 0, total, 2**32 - 1).astype(np.uint32)
    return marked
