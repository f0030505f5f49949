"""Parameters of the chain from events to merged intensities, after dials.stills_process."""

from __future__ import annotations

from pydantic import model_validator

from dxdask.hits.parameters import HitParameters
from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.merging.stills.parameters import StillsMergingParameters
from dxdask.parameters import Parameters, parameter
from dxdask.spotfinding.parameters import SpotfinderParameters


class HitFinderParameters(Parameters):
    """DIALS's names for what is asked of a hit; `hits` has more."""

    enable: bool = parameter(True, "Whether only hits are indexed; else all events with a spot.")
    minimum_number_of_reflections: int | None = parameter(
        None, "Fewest spots of a hit; None: `hits.min_peaks` (16).", ge=1
    )


class DispatchParameters(Parameters):
    """How far events are taken."""

    hit_finder: HitFinderParameters = HitFinderParameters()
    index: bool = parameter(True, "Whether hits are indexed and refined.")
    integrate: bool = parameter(True, "Whether indexed stills are integrated.")
    merge: bool = parameter(True, "Whether integrated stills are merged.")


class StillsParameters(Parameters):
    """Of all that is done to stills."""

    dispatch: DispatchParameters = DispatchParameters()
    spotfinder: SpotfinderParameters = SpotfinderParameters()
    hits: HitParameters = HitParameters()
    indexing: StillIndexParameters = StillIndexParameters()
    integration: StillIntegrationParameters = StillIntegrationParameters()
    merging: StillsMergingParameters = StillsMergingParameters()

    @model_validator(mode="after")
    def _one_least_number(self) -> StillsParameters:
        own = self.dispatch.hit_finder.minimum_number_of_reflections
        if own is not None and self.hits.min_peaks is not None:
            raise ValueError(
                f"dispatch.hit_finder.minimum_number_of_reflections={own} and "
                f"hits.min_peaks={self.hits.min_peaks} say the same; give one of them"
            )
        return self

    @property
    def hit_finder(self) -> HitParameters:
        """What is asked of a hit."""
        asked = self.dispatch.hit_finder
        if not asked.enable:
            return self.hits.model_copy(update={"min_peaks": 1})
        if asked.minimum_number_of_reflections is None:
            return self.hits
        return self.hits.model_copy(update={"min_peaks": asked.minimum_number_of_reflections})
