"""Results of consecutive events of one run: small, combined in the order of the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections, concatenate, select
from dxdask.spotfinding.parts import SpotPart, combine_parts
from dxdask.still_columns import Stills


@dataclass(frozen=True, kw_only=True, slots=True)
class StillsPart:
    """Events of one run, taken as far as `observations`, if that is not None, or `indexed`.

    Attributes
    ----------
    stills : a row each event, in order. spots : of all of them, in order of the events.
    found : the spots with their pixels, for the result of find_spots; None for peaks, and where
    they are in the store already.
    lattices : (k, 3, 3) reduced A, 1/A, where the cell was not known and looked for.
    indexed : the spots of hits, with s1, rlp, hkl and flags.
    additional_image : (k,) events of additional lattices. additional_a_matrix : (k, 3, 3), 1/A.
    observations : the integrated reflections. integrated : the table of stills after that.
    problems : keys run, image, step, reason.
    """

    stills: Stills
    spots: Reflections
    found: SpotPart | None = None
    lattices: Floats = field(default_factory=lambda: np.empty((0, 3, 3)))
    indexed: Reflections | None = None
    additional_image: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    additional_a_matrix: Floats = field(default_factory=lambda: np.empty((0, 3, 3)))
    observations: Reflections | None = None
    integrated: Stills | None = None
    problems: tuple[Mapping[str, Any], ...] = ()

    def of_images(self, first: int, stop: int) -> StillsPart:
        """Return the part of the events first <= image < stop."""
        rows = (self.stills["image"] >= first) & (self.stills["image"] < stop)
        additional = (self.additional_image >= first) & (self.additional_image < stop)
        return replace(
            self,
            stills={name: values[rows] for name, values in self.stills.items()},
            spots=_within(self.spots, first, stop),
            indexed=None if self.indexed is None else _within(self.indexed, first, stop),
            additional_image=self.additional_image[additional],
            additional_a_matrix=self.additional_a_matrix[additional],
        )


def join_stills(parts: Sequence[StillsPart]) -> StillsPart:
    """Return the part of all events of `parts`, which are of one run and in order."""
    if len(parts) == 1:
        return parts[0]
    found = [p.found for p in parts if p.found is not None]
    indexed = [p.indexed for p in parts if p.indexed is not None]
    observations = [p.observations for p in parts if p.observations is not None]
    integrated = [p.integrated for p in parts if p.integrated is not None]
    return StillsPart(
        stills=concatenate([p.stills for p in parts]),
        spots=concatenate([p.spots for p in parts]),
        found=combine_parts(found) if found else None,
        lattices=np.concatenate([p.lattices for p in parts]),
        indexed=concatenate(indexed) if indexed else None,
        additional_image=np.concatenate([p.additional_image for p in parts]),
        additional_a_matrix=np.concatenate([p.additional_a_matrix for p in parts]),
        observations=concatenate(observations) if observations else None,
        integrated=concatenate(integrated) if integrated else None,
        problems=tuple(problem for p in parts for problem in p.problems),
    )


def _within(table: Reflections, first: int, stop: int) -> Reflections:
    return select(table, (table["z"] >= first) & (table["z"] < stop))
