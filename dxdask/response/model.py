"""Response of a detector: the counts that it records for a number of photons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.tables import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorResponse:
    """Recorded counts: n photons below `threshold`, round(factor n + offset) from there on.

    Halves are rounded to the even count, so that the photons of these counts are known to one.

    Attributes
    ----------
    threshold : photons from which the detector records by the second law.
    factor : counts a photon there. offset : counts.
    factor_su, offset_su : their standard uncertainties.
    """

    threshold: int
    factor: float
    offset: float
    factor_su: float = 0.0
    offset_su: float = 0.0

    def __post_init__(self) -> None:
        values = (self.factor, self.offset, self.factor_su, self.offset_su)
        if not np.isfinite(values).all() or self.factor <= 0.0 or self.threshold < 0:
            raise InputError(
                f"a response of threshold {self.threshold}, factor {self.factor} and offset "
                f"{self.offset} is none; the factor must be above 0, the threshold at least 0"
            )
        if round(self.factor * self.threshold + self.offset) < self.threshold:
            raise InputError(
                f"a response of threshold {self.threshold}, factor {self.factor} and offset "
                f"{self.offset} records fewer counts above the threshold than below it; its "
                "inverse is not unique"
            )

    @property
    def start(self) -> int:
        """The smallest count that is recorded from the threshold on."""
        return round(self.factor * self.threshold + self.offset)

    def counts(self, photons: NDArray[Any]) -> NDArray[np.int64]:
        """Return the counts recorded for whole numbers of photons."""
        n = np.asarray(photons, dtype=np.int64)
        above = np.rint(self.factor * n + self.offset).astype(np.int64)
        return np.where(n < self.threshold, n, above)

    def photons(self, counts: NDArray[Any]) -> NDArray[np.int64]:
        """Return the photons for which whole counts were recorded.

        Counts between the two laws, which are never recorded, are the threshold's.
        """
        r = np.asarray(counts, dtype=np.int64)
        above = np.rint((r - self.offset) / self.factor).astype(np.int64)
        return np.where(r < self.threshold, r, np.maximum(above, self.threshold))

    def to_dict(self) -> dict[str, Any]:
        """Return the response as JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DetectorResponse:
        """Return the response of the data of `to_dict`."""
        return cls(**values)


def response_of_run(tables: Sequence[Table], run: str) -> DetectorResponse | None:
    """Return the response of a run from the tables of the step; None where there is none."""
    for table in (t for t in tables if t.name == "detector_response"):
        for row in table.rows:
            if row["run"] == run and row["threshold"] is not None:
                names = DetectorResponse.__dataclass_fields__
                return DetectorResponse.from_dict({name: row[name] for name in names})
    return None
