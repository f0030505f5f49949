"""Likely causes of spots that no lattice fits, each tried by a search with other models or spots.

The fraction of spots that the best lattice indexes, less those by chance, tells which is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dxdask.columns import Reflections, n_rows
from dxdask.indexing.fit_quality import FEWEST_SPOTS
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.trial_causes import (
    BETTER,
    CONVINCING,
    ENOUGH_SPOTS,
    FEWER,
    MOST_SPOTS,
    RIGHT,
    Cause,
    with_beam_centre,
    with_distance,
    with_few_spots,
    with_inverted_axis,
    with_other_cell,
    with_several_crystals,
)
from dxdask.indexing.trial_fit import TrialFit, evenly, trial_fit
from dxdask.models import ExperimentList


@dataclass(frozen=True, kw_only=True, slots=True)
class Trials:
    """What was tried.

    Attributes
    ----------
    now : the fit with the models given. causes : that convince, best first. tried : in words.
    """

    now: TrialFit
    causes: tuple[Cause, ...]
    tried: tuple[str, ...]

    @property
    def text(self) -> str:
        """Causes by their rank, and what was tried in vain where no models are one of them.

        Each is on a line of its own, numbered if there are several causes.
        """
        texts = [cause.text for cause in self.causes]
        if len(texts) > 1:
            texts = [f"{number}. {text}" for number, text in enumerate(texts, start=1)]
        if self.tried and all(cause.name == "few spots" for cause in self.causes):
            texts.append(f"tried without success: {', '.join(self.tried)}")
        return "\n".join(texts)


def likely_causes(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> Trials:
    """Return what is likely wrong, with the parameters that correct it, and what was tried.

    reflections : spots, as `index` takes them.
    """
    some = evenly(reflections, MOST_SPOTS)
    now = trial_fit(some, experiments, parameters)
    tried: list[str] = []
    causes: list[Cause] = []
    geometry = (
        ("rotation axis", with_inverted_axis),
        ("beam centre", with_beam_centre),
        ("distance", with_distance),
    )
    spots_or_cell = (("cell", with_other_cell), ("several crystals", with_several_crystals))
    for name, test in (*geometry, *spots_or_cell) if now.tight < RIGHT else spots_or_cell:
        cause, text = test(some, experiments, parameters, now)
        tried.append(text)
        if cause is not None and (cause.experiments is None or _convinces(cause, now)):
            causes.append(cause)
            if name == "rotation axis":
                break
    causes.sort(key=lambda c: -c.tight)
    n = n_rows(reflections)
    if n < ENOUGH_SPOTS:
        # of so few, models moved far enough fit a lattice by chance
        causes.insert(0 if n < FEWEST_SPOTS else len(causes), with_few_spots(n))
    return Trials(now=now, causes=tuple(causes), tried=tuple(t for t in tried if t))


def _convinces(cause: Cause, now: TrialFit) -> bool:
    """Return true if a lattice fits far better with the models of a cause."""
    pairs = ((cause.fraction, now.fraction), (cause.tight, now.tight))
    return cause.fraction >= CONVINCING and any(
        new >= min(BETTER * old, 1.0 - FEWER * (1.0 - old)) for new, old in pairs
    )


def moved_far(before: ExperimentList, after: ExperimentList) -> Sequence[str]:
    """Return warnings on detectors whose distance a refinement changed by more than 1.5 %."""
    out = []
    pairs = [(a.detector, b.detector) for a, b in zip(before, after, strict=False)]
    for old, new in dict.fromkeys(pairs):
        change = new[0].distance / old[0].distance - 1.0
        if abs(change) > LARGEST_CHANGE:
            out.append(
                f"Warning: the distance was refined from {old[0].distance:.2f} to "
                f"{new[0].distance:.2f} mm ({100 * change:+.1f} %): that of the header is likely "
                f"wrong; geometry.detector.distance={new[0].distance:.2f} on import corrects it"
            )
    return out


LARGEST_CHANGE = 0.015
"""Change of the distance by refinement that is reported."""
