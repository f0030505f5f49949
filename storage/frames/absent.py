"""The frames of a run that was imported without them, from the results of another program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError, SchemaError
from dxdask.storage.frames.reader import FillingReader

SHAPE = "shape_without_frames"
"""Attribute of such a run: images, slow and fast, of the frames it was recorded as."""


@dataclass(frozen=True, slots=True)
class AbsentFrames(FillingReader):
    """Frames that are in no file known to the store: their size is known, reading is an error.

    Attributes
    ----------
    path, identifier : as `FillingReader`.
    run : name of the run. size : images, slow, fast.
    """

    path: str
    identifier: str
    run: str
    size: tuple[int, int, int]

    @classmethod
    def of(
        cls, folder: Path, identifier: str, attributes: Mapping[str, Any]
    ) -> AbsentFrames | None:
        """Return the frames of the run in a folder, None where it has frames.

        Raises
        ------
        SchemaError
            Its size is damaged.
        """
        size = attributes.get(SHAPE)
        if size is None:
            return None
        if (
            not isinstance(size, list)
            or len(size) != 3
            or not all(isinstance(n, int) and 0 <= n < 1 << 31 for n in size)
        ):
            raise SchemaError(f"the size of the run at {folder} is damaged; import again")
        return cls(str(folder), identifier, folder.name, (size[0], size[1], size[2]))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images, slow, fast."""
        return self.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Signed integers; nothing is known of the counts."""
        return np.dtype(np.int32)

    @property
    def step(self) -> int:
        """One image."""
        return 1

    def require_files(self) -> NoReturn:
        """Refuse.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            f"run {self.run!r} has no frames: it was imported from the results of another "
            "program; steps that read frames need an import of the image files"
        )

    def read_into(self, first: int, last: int, out: NDArray[Any]) -> None:
        """Refuse, as `require_files`."""
        self.require_files()
