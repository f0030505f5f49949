"""The adjusted Rand index (Hubert & Arabie 1985, J. Classif. 2, 193)."""

from __future__ import annotations

import numpy as np


def adjusted_rand(x: np.ndarray, y: np.ndarray) -> float:
    """Return the adjusted Rand index of two groupings (Hubert & Arabie 1985)."""
    _, x = np.unique(x, return_inverse=True)
    _, y = np.unique(y, return_inverse=True)
    table = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(table, (x, y), 1)

    def pairs(n: np.ndarray) -> float:
        return float((n * (n - 1) / 2).sum())

    expected = pairs(table.sum(0)) * pairs(table.sum(1)) / pairs(np.array([len(x)]))
    most = 0.5 * (pairs(table.sum(0)) + pairs(table.sum(1)))
    return float((pairs(table) - expected) / (most - expected)) if most > expected else 1.0
