"""Residuals of runs on a detector of modules that moved, or did not, with errors of all kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats
from dxdask.refinement.modules.model_changes import changes_of_still
from dxdask.refinement.modules.moves import Block, Layout

SIDE = 250  # px, of a module
_GAP = 10
_REGIONS = 4


@dataclass(frozen=True)
class Errors:
    """Sizes of errors, px: of single spots, of regions that all runs share (of about `grain` px),
    of images, and of a smooth distortion of the detector.
    """

    spot: float = 0.1
    region: float = 0.0
    image: float = 0.0
    smooth: float = 0.0
    grain: float = 40.0
    spurious: float = 0.02


QUIET = Errors()
SYSTEMATIC = Errors(region=0.05, image=0.08, smooth=0.15)


def grid(n: int) -> Layout:
    """The layout of n x n modules."""
    index = np.arange(n * n)
    corner = np.stack([index % n, index // n], axis=1) * (SIDE + _GAP)
    return Layout(
        axes=np.tile(np.eye(2), (n * n, 1, 1)),
        middles=corner - corner.mean(axis=0),
        sizes=np.full((n * n, 2), float(SIDE)),
    )


def blocks(
    seed: int, n: int = 2, *, moves: Floats | None = None, errors: Errors = QUIET,
    n_runs: int = 2, n_spots: int = 2000, n_images: int = 60,
) -> list[Block]:  # fmt: skip
    """Residuals on n x n modules moved by `moves` (m, 3), px, px and mrad."""
    rng = np.random.default_rng(seed)
    moves = np.zeros((n * n, 3)) if moves is None else moves
    whole = n * (SIDE + _GAP)
    seeds = rng.normal(0, errors.region, (n * n, 2, 12, 12))
    waves = rng.normal(0, 1, (2, 3)), rng.uniform(0, 2 * np.pi, (2, 3))
    out = []
    for run in range(n_runs):
        module = rng.integers(0, n * n, n_spots)
        place = rng.uniform(-SIDE / 2, SIDE / 2, (n_spots, 2))
        corner = np.stack([module % n, module // n], axis=1) * (SIDE + _GAP)
        at = (place + SIDE / 2 + corner) / whole * 2 - 1
        image = rng.integers(0, n_images, n_spots)
        axes = np.tile(np.eye(2), (n_spots, 1, 1))
        linear = changes_of_still(at, axes)
        # a crystal changes x, y and z, the detector x and y
        crystal = np.stack([at**2, at[:, ::-1] * at, linear[:, :, 1]], axis=2)
        z = np.concatenate([np.zeros((n_spots, 6)), rng.normal(0, 0.3, (n_spots, 3))], axis=1)
        changes = np.concatenate([np.concatenate([linear, crystal], axis=2), z[:, None]], axis=1)
        off = np.einsum("nik,k->ni", changes, rng.normal(0, 0.3, 9))
        own, turn = moves[module], 1e-3 * moves[module, 2]
        off[:, 0] -= own[:, 0] - turn * place[:, 1]
        off[:, 1] -= own[:, 1] + turn * place[:, 0]
        off[:, :2] += (
            errors.spot * rng.normal(size=(n_spots, 2)) * rng.uniform(0.5, 2, (n_spots, 1))
        )
        off[:, 2] += 2 * errors.spot * rng.normal(size=n_spots)
        grain = ((place + SIDE / 2) / errors.grain).astype(int)
        off[:, :2] += seeds[module, :, grain[:, 0], grain[:, 1]]
        off += errors.image * rng.normal(size=(n_images, 3))[image]
        for i in (0, 1):
            off[:, i] += errors.smooth * np.cos(at @ waves[0][:2, :2] + waves[1][i, 0])[:, i]
        wild = rng.random(n_spots) < errors.spurious
        off[wild, :2] = rng.uniform(-3, 3, (int(wild.sum()), 2))
        u, v = at.T
        terms = np.stack([u * u, u * v, v * v], axis=1)
        cell = np.clip((place / SIDE + 0.5) * _REGIONS, 0, _REGIONS - 1).astype(int)
        out.append(
            Block(
                off=off,
                changes=changes,
                module=module,
                place=place,
                smooth=(axes[:, :, :, None] * terms[:, None, None, :]).reshape(n_spots, 2, -1),
                region=module * 256 + cell[:, 1] * _REGIONS + cell[:, 0],
                stretch=run * 1000 + image * 10 // n_images,
            )
        )
    return out
