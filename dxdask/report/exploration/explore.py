"""Tables and plots of a selection of runs, modules and images of an ensemble."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dxdask.errors import InputError
from dxdask.report.exploration import tables
from dxdask.report.exploration.selection import Selection
from dxdask.report.page.make import opened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from dxdask.storage.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Exploration(Selection):
    """A selection of an ensemble; tables are made when they are asked for."""

    def pixels(self) -> pd.DataFrame:
        """Return numbers of strong pixels of indexed spots: run, module, value, n."""
        return tables.pixels(self)

    def intensities(self, *, bins_a_decade: int = 10) -> pd.DataFrame:
        """Return numbers of integrated intensities in bins: run, module, low, high, n."""
        return tables.intensities(self, bins_a_decade)

    def pairs(self) -> pd.DataFrame:
        """Return the pairs of the step linearity: run, module, image, intensities, ratio.

        The column `relative` is the ratio over that of the transmissions: 1 of a linear detector.
        """
        return tables.pairs(self)

    def ratios(self, by: Sequence[str] = ("run", "module"), *, n_bins: int = 1) -> pd.DataFrame:
        """Return statistics of the pairs: n, median, mean, ratio of sums, median of `relative`.

        by : columns of `pairs`. n_bins : of equal numbers of pairs by reference intensity, whose
        mean is the column `reference`.
        """
        return tables.ratios(self.pairs(), by, n_bins)

    def masks(self) -> pd.DataFrame:
        """Return numbers of pixels that are masked: run, module, n_pixels, and one a reason."""
        return tables.masks(self)

    def plot(self, axes: Sequence[Axes] | None = None) -> list[Axes]:
        """Plot pixels, intensities, pairs and ratios; return the four axes, those given or new."""
        from dxdask.report.exploration import plots

        drawn = plots.four_axes() if axes is None else list(axes)
        plots.plot_pixels(self.pixels(), drawn[0], runs=self.runs)
        plots.plot_intensities(self.intensities(), drawn[1], runs=self.runs)
        plots.plot_matched(self.pairs(), drawn[2], runs=self.runs)
        plots.plot_ratios(self.ratios(by=["run"], n_bins=16), drawn[3], runs=self.runs)
        return drawn


def explore(
    store: Store | str | os.PathLike[str],
    *,
    runs: Sequence[str] | None = None,
    modules: Sequence[str | int] | None = None,
    images: tuple[int, int] | None = None,
    branch: str = "main",
) -> Exploration:
    """Return a selection of an ensemble: histograms, matched pairs, ratios, masks.

    Parameters
    ----------
    store : opened, or its path. runs : names; None for all.
    modules : names or indices of panels, after they were re-cut into modules; None for all.
    images : first and last number of an image, both included; None for all.
    branch : of the store, if its path is given.

    Raises
    ------
    InputError
        There is no such run or module, the images are in the wrong order, or nothing is integrated.
    StoreNotFoundError, SchemaError
        There is no store, or one of another version.

    Examples
    --------
    >>> import dxdask
    >>> found = dxdask.explore("tiny.zarr", modules=["module_1"], images=(1, 5))
    >>> found.pixels().columns.tolist()
    ['run', 'module', 'value', 'n']
    >>> found.ratios(by=["run"])["run"].tolist()
    ['tiny_1', 'tiny_2', 'tiny_3']
    """
    own = opened(store, branch)
    if not own.has_step("integrate"):
        raise InputError(
            f"{own.path} has no integrated reflections: dxdask process, or integrate, makes them"
        )
    unknown = [name for name in runs or () if name not in own.runs]
    if unknown:
        raise InputError(f"no run {', '.join(unknown)}; there are {', '.join(own.runs)}")
    if images is not None and images[0] > images[1]:
        raise InputError(f"images {images[0]} to {images[1]}: give the first one first")
    names = tables.names_of_modules(own)
    return Exploration(
        store=own,
        runs=tuple(own.runs if runs is None else runs),
        modules=_chosen(names, modules),
        images=images,
    )


def _chosen(names: list[str], wanted: Sequence[str | int] | None) -> tuple[str | None, ...]:
    if wanted is None:
        return tuple(names)
    indices = [names.index(w) if w in names else w for w in wanted]
    for i in indices:
        if not isinstance(i, int) or not 0 <= i < len(names):
            raise InputError(f"no module {i!r}; there are {', '.join(names)}")
    return tuple(name if i in indices else None for i, name in enumerate(names))
