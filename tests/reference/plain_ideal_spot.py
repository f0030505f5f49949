"""Plain NumPy twin of the threshold by correlation with an ideal spot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def picture_of(width: int) -> NDArray[np.float64]:
    """The ideal spot, linear from its centre to nothing at width / 2, its disc summing to one."""
    size = width + 4
    centre = (size - 1) / 2
    out = np.zeros((size, size))
    for j in range(size):
        for i in range(size):
            out[j, i] = max(0.0, 1 - np.sqrt((j - centre) ** 2 + (i - centre) ** 2) / (width / 2))
    return out / out.sum()


def correlation(window: Any, picture: Any, good: Any) -> float:
    """Pearson's correlation over the good pixels, -2 where there is none."""
    w, p = window[good], picture[good]
    if w.size == 0 or np.ptp(w) == 0 or np.ptp(p) == 0:
        return -2.0
    return float(np.corrcoef(w, p)[0, 1])


def ideal_spot(
    image: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    exp_spot_dimension: int = 3,
    global_threshold: float = 100.0,
    min_blob_score: float = 0.7,
    num_passes: int = 0,
) -> NDArray[np.bool_]:
    """Strong pixels (slow, fast)."""
    picture = picture_of(exp_spot_dimension)
    size, disc = picture.shape[0], picture > 0
    # all that a window over the edge sees beyond it is not good
    pad = size
    v = np.pad(image.astype(np.float64), pad)
    good = np.pad(mask & np.isfinite(image), pad)
    v[~good] = -np.inf
    reach = max(1, exp_spot_dimension // 2)
    peaks = [
        (j, i)
        for j, i in np.argwhere(good & (v > global_threshold)).tolist()
        if v[j, i] == v[j - reach : j + reach + 1, i - reach : i + reach + 1].max()
    ]
    peaks.sort(key=lambda at: (-v[at], at))
    ways = [size // 2] if exp_spot_dimension % 2 else [size // 2 - 1, size // 2]
    for _ in range(num_passes + 1):
        strong = np.zeros_like(good)
        total, n = np.zeros_like(picture), np.zeros_like(picture)
        for y, x in peaks:
            if strong[y, x]:
                continue
            scores = []
            for a, b in [(a, b) for a in ways for b in ways]:
                here = np.s_[y - a : y - a + size, x - b : x - b + size]
                usable = good[here] & ~strong[here]
                score = -2.0
                if usable.sum() > size * size / 2:
                    score = correlation(v[here], picture, usable)
                    if disc.sum() > 1:
                        rest = usable.copy()
                        rest[a, b] = False
                        score = min(score, correlation(v[here], picture, rest))
                scores.append((score, here, usable))
            score, here, usable = max(scores, key=lambda s: s[0])
            if score == -2.0 or score < min_blob_score:
                continue
            around = v[here][usable & ~disc]
            above = np.where(usable, v[here] - (around.mean() if around.size else 0.0), 0.0)
            if above[disc].sum() > 0:
                total += above / above[disc].sum()
                n += usable
            strong[here] |= usable & disc & (above > 0)
            strong[y, x] = True
        if n.any():
            picture = picture / 2 + np.where(n > 0, total / np.maximum(n, 1), 0) / 2
    return strong[pad:-pad, pad:-pad]
