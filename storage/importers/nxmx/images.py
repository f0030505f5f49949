"""Values of each image where some images of an acquisition are missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError


@dataclass(frozen=True, slots=True)
class ImagesOf:
    """Images of an acquisition that are there, by their index (n,), and whether all are."""

    indices: NDArray[np.int64]
    complete: bool

    def __len__(self) -> int:
        return len(self.indices)

    def of(self, values: Floats, what: str) -> Floats:
        """Return the values (n,) of the images that are there, or the one (1,) of all.

        values : one for all, for each image that is there, or for each of the acquisition.
        what : subject of the error.

        Raises
        ------
        FormatError
            They are of another number.
        """
        if values.size in (1, len(self)):
            return values
        if not self.complete and values.size > int(self.indices[-1]):
            return values[self.indices]
        raise FormatError(f"{what} for {len(self)} images")
