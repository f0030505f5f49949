"""Parameters of the steps from events to merged intensities, after dials.stills_process."""

from __future__ import annotations

from pydantic import model_validator

from dxdask.hits.parameters import HitParameters
from dxdask.indexing.stills.parameters import StillIndexParameters
from dxdask.integration.stills.parameters import StillIntegrationParameters
from dxdask.merging.stills.parameters import StillsMergingParameters
from dxdask.parameters import Parameters, parameter
from dxdask.spotfinding.parameters import SpotfinderParameters


class HitFinderParameters(Parameters):
    """Criteria of a hit by their names in DIALS; `hits` has more."""

    enable: bool = parameter(True, "Index only hits; else all events with a spot.")
    minimum_number_of_reflections: int | None = parameter(
        None, "Fewest spots of a hit; None: `hits.min_peaks` (16).", ge=1
    )


class DispatchParameters(Parameters):
    """Steps that events are taken through."""

    hit_finder: HitFinderParameters = HitFinderParameters()
    index: bool = parameter(True, "Enable the indexing and refinement of hits.")
    integrate: bool = parameter(True, "Enable the integration of indexed stills.")
    merge: bool = parameter(True, "Enable the merging of integrated stills.")


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
                f"hits.min_peaks={self.hits.min_peaks} are the same; give one of them"
            )
        return self

    @property
    def hit_finder(self) -> HitParameters:
        """Criteria of a hit."""
        finder = self.dispatch.hit_finder
        if not finder.enable:
            return self.hits.model_copy(update={"min_peaks": 1})
        if finder.minimum_number_of_reflections is None:
            return self.hits
        return self.hits.model_copy(update={"min_peaks": finder.minimum_number_of_reflections})
