"""Moves of modules in their plane, fitted to residuals together with changes of the models.

Linear least squares with weights that large residuals reduce (Cauchy's); what the models may do
(`model_changes`) is projected out, run by run (Frisch & Waugh 1933, Econometrica 1, 387), and a
smooth field over the detector is fitted too, so that what is left are steps at the borders.
Covariances are those of data that agree in clusters: regions of the modules, for errors that
depend on the place, and stretches of images (Cameron, Gelbach & Miller 2011, J. Bus. Econ. Stat.
29, 238). So they hold where residuals are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from dxdask.arrays import Floats, Integers
from dxdask.errors import InputError

_ROUNDS = 30
_CONVERGED = 1e-4  # px and mrad, largest change of a move
_CAUCHY = 2.5  # robust standard deviations at which a weight is a half
_FINEST = 1e-3  # px and images, least standard deviation of a residual
_NORMAL = 1.4826
_RANK = 1e-10  # of squares, below which changes of models are the same


class Layout(NamedTuple):
    """Modules (m,) on a detector as one plane.

    axes : (m, 2, 2) components of the two axes of the plane along fast and slow. middles : (m, 2)
    along these axes, px. sizes : (m, 2) along fast and slow, px.
    """

    axes: Floats
    middles: Floats
    sizes: Floats

    def rigid(self) -> Floats:
        """Return the moves (3 m, 3) of modules by those of the whole: px, px, mrad."""
        out = np.zeros((len(self.axes), 3, 3))
        out[:, :2, :2] = self.axes
        x, y = 1e-3 * self.middles.T
        out[:, :2, 2] = np.einsum("mij,mj->mi", self.axes, np.stack([-y, x], axis=1))
        out[:, 2, 2] = np.linalg.det(self.axes)
        return out.reshape(-1, 3)

    def mean(self, share: Floats) -> Floats:
        """Return the mean (3, 3 m), with weights (m,), of moves along the axes of the plane."""
        out = np.zeros((3, len(share), 3))
        out[:2, :, :2] = np.moveaxis(self.axes, 2, 0)
        out[2, :, 2] = np.linalg.det(self.axes)
        return np.asarray((out * share[:, None]).reshape(3, -1))


class Block(NamedTuple):
    """Residuals of some reflections (n,) that the same models predict: of a run, or of a still.

    Attributes
    ----------
    off : (n, 3) observed less predicted, px and images; (n, 2) of a still.
    changes : (n, 2 or 3, k) of the predictions by the models.
    module : (n,) index. place : (n, 2) from the middle of the module, px.
    smooth : (n, 2, s) smooth fields over the detector, px.
    region : (n,) of the detector; stretch : (n,) of images: both label clusters.
    """

    off: Floats
    changes: Floats
    module: Integers
    place: Floats
    smooth: Floats
    region: Integers
    stretch: Integers

    def of(self, rows: NDArray[np.bool_]) -> Block:
        """Return some of the reflections."""
        return Block(
            self.off[rows], self.changes[rows], self.module[rows], self.place[rows],
            self.smooth[rows], self.region[rows], self.stretch[rows],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Moves of modules against the mean of all.

    Attributes
    ----------
    values : (m, 3) along fast and slow, px, and about the normal, mrad.
    covariance : (3 m, 3 m). n : (m,) reflections. n_regions : (m,) regions with any of them.
    left : residuals of each block that are left, of the shape of `Block.off`.
    """

    values: Floats
    covariance: Floats
    n: Integers
    n_regions: Integers
    left: tuple[Floats, ...]

    @property
    def errors(self) -> Floats:
        """Standard uncertainties (m, 3)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0)).reshape(-1, 3)


def fit_moves(
    blocks: Sequence[Block], layout: Layout, left: Sequence[Floats] | None = None
) -> Moves:
    """Return the moves of m modules that the residuals show.

    left : residuals to begin the weights with, of the shape of `Block.off`; by default all of them.

    Raises
    ------
    InputError
        A module has no reflection.
    """
    n_modules = len(layout.axes)
    n = np.bincount(np.concatenate([b.module for b in blocks]), minlength=n_modules)
    if (n == 0).any():
        raise InputError("a module has no reflection; fit the moves of the others")
    designs = [_design(b, n_modules) for b in blocks]
    gauge = _gauge(n, layout, designs[0].shape[1])
    q = np.zeros(designs[0].shape[1])
    left = [b.off for b in blocks] if left is None else list(left)
    parts: list[_Projected] = []
    inverse = np.zeros((len(q), len(q)))
    for _ in range(_ROUNDS):
        parts = [_project(b, d, r) for b, d, r in zip(blocks, designs, left, strict=True)]
        normal = np.sum([p.normal for p in parts], axis=0)
        normal += gauge * np.trace(normal) + 1e-12 * np.trace(normal) * np.eye(len(q))
        inverse = np.linalg.inv(normal)
        before, q = q, inverse @ np.sum([p.right for p in parts], axis=0)
        left = [p.residuals(q, b.off.shape) for p, b in zip(parts, blocks, strict=True)]
        if np.abs(q - before).max() < _CONVERGED:
            break
    meat = _clustered(blocks, parts, q)
    size = 3 * n_modules
    covariance = (inverse @ meat @ inverse)[:size, :size]
    regions = np.unique(
        np.concatenate([np.stack([b.module, b.region], axis=1) for b in blocks]), axis=0
    )
    return Moves(
        values=q[:size].reshape(-1, 3),
        covariance=covariance,
        n=n,
        n_regions=np.bincount(regions[:, 0], minlength=n_modules),
        left=tuple(left),
    )


def _gauge(n: Integers, layout: Layout, size: int) -> Floats:
    """Return the matrix (size, size) that makes the means over modules, weighted by n, zero."""
    flat = np.zeros((3, size))
    flat[:, : 3 * len(n)] = layout.mean(n / n.sum())
    return np.asarray(flat.T @ flat)


def _design(b: Block, n_modules: int) -> csr_array:
    """Return the changes (rows, 3 m + s) of residuals by the moves and the smooth fields.

    A module that moves along fast makes the observed x less.
    """
    n, dims = b.off.shape
    first = dims * np.arange(n)
    s = b.smooth.shape[2]
    column, smooth = 3 * b.module, 3 * n_modules + np.arange(s)
    one = np.ones(n)
    rows = [first, first, first + 1, first + 1]
    columns = [column, column + 2, column + 1, column + 2]
    values = [-one, 1e-3 * b.place[:, 1], -one, -1e-3 * b.place[:, 0]]
    for axis in (0, 1):
        rows.append(np.repeat(first + axis, s))
        columns.append(np.tile(smooth, n))
        values.append(b.smooth[:, axis].ravel())
    shape = (dims * n, 3 * n_modules + s)
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(entries, shape=shape)


@dataclass(frozen=True)
class _Projected:
    """Weighted equations of a block, less what its models can do."""

    weight: Floats
    design: csr_array
    y: Floats
    base: Floats
    shadow: Floats

    @property
    def normal(self) -> Floats:
        return np.asarray((self.design.T @ self.design).toarray() - self.shadow.T @ self.shadow)

    @property
    def right(self) -> Floats:
        return np.asarray(self.design.T @ self.y - self.shadow.T @ (self.base.T @ self.y))

    def weighted(self, q: Floats) -> Floats:
        """Return the weighted residuals (rows,) after moves q and changes of the models."""
        rest = self.y - self.design @ q
        return np.asarray(rest - self.base @ (self.base.T @ rest))

    def residuals(self, q: Floats, shape: tuple[int, ...]) -> Floats:
        return np.asarray((self.weighted(q) / self.weight).reshape(shape))

    def scores(self, q: Floats, label: Integers, n_labels: int, dims: int) -> Floats:
        """Return the sums (labels, size) over clusters of derivative times residual."""
        rest, of = self.weighted(q), np.repeat(label, dims)
        rows = np.arange(len(of))
        pick = csr_array((rest, (of, rows)), shape=(n_labels, len(of)))
        return np.asarray((pick @ self.design).toarray() - (pick @ self.base) @ self.shadow)


def _project(b: Block, design: csr_array, left: Floats) -> _Projected:
    sigma = np.maximum(_NORMAL * np.median(np.abs(left), axis=0), _FINEST)
    weight = (1.0 / (sigma * np.sqrt(1.0 + (left / (_CAUCHY * sigma)) ** 2))).ravel()
    changes = b.changes.reshape(len(weight), -1) * weight[:, None]
    length = np.linalg.norm(changes, axis=0)
    changes /= np.where(length > 0, length, 1.0)
    squares, vectors = np.linalg.eigh(changes.T @ changes)
    kept = squares > _RANK * squares[-1]
    base = changes @ (vectors[:, kept] / np.sqrt(squares[kept]))
    weighted = design.copy()
    weighted.data *= np.repeat(weight, np.diff(design.indptr))
    return _Projected(
        weight, weighted, weight * b.off.ravel(), base, np.asarray((weighted.T @ base).T)
    )


def _clustered(blocks: Sequence[Block], parts: Sequence[_Projected], q: Floats) -> Floats:
    """Return the sum of products of scores (size, size) over both kinds of clusters.

    Those of regions and of stretches, less those of their intersections, which both count; never
    less than the last.
    """
    both = [np.unique(np.concatenate([getattr(b, k) for b in blocks]), return_inverse=True)[1]
            for k in ("region", "stretch")]  # fmt: skip
    pair = np.unique(np.stack(both, axis=1), axis=0, return_inverse=True)[1].ravel()
    found = []
    # parameters are fitted to the regions that show their errors
    for label, taken in zip((*both, pair), (len(q), 1, 1), strict=True):
        size, first = int(label.max()) + 1, 0
        total = np.zeros((size, len(q)))
        for b, p in zip(blocks, parts, strict=True):
            own = label[first : first + len(b.module)]
            total += p.scores(q, own, size, b.off.shape[1])
            first += len(b.module)
        share = size / max(size - taken, 1)
        found.append(total.T @ total * share if size > 1 else None)
    least = found[2]
    if least is None:
        raise InputError("residuals of one region and image cannot show errors; give more images")
    kinds = [f for f in found[:2] if f is not None]
    wanted = np.sum(kinds, axis=0) - (len(kinds) - 1) * least
    return _at_least(wanted, least)


def _at_least(values: Floats, least: Floats) -> Floats:
    """Return a symmetric matrix raised to at least another one, which is positive."""
    size = np.sqrt(np.maximum(np.diag(least), 1e-300))
    own = least / np.outer(size, size) + 1e-9 * np.eye(len(least))
    root = np.linalg.cholesky(own)
    inner = np.linalg.solve(root, np.linalg.solve(root, values / np.outer(size, size)).T)
    length, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
    raised = vectors * np.maximum(length, 1.0) @ vectors.T
    return np.asarray(root @ raised @ root.T * np.outer(size, size))
