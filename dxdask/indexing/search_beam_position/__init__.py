"""Search for the beam centre from spots, or from frames.

search : the step. parameters : its parameters.
best_shift : the shift that puts most spots on a lattice.
differences : lattices that hardly depend on the beam centre. score, grid : shifts with most spots
    on their planes.
inversion : the centre about which the spots of images are symmetric.
projection : the shift to the centre of the diffuse scattering, on frames. frame_centre : that
    centre with its uncertainty, by midpoint or maximum of the image on one plane (image_plane).
shifts : models with another beam centre.
"""

from typing import TYPE_CHECKING

from dxdask.indexing.search_beam_position.parameters import SearchBeamPositionParameters
from dxdask.on_demand import on_demand

if TYPE_CHECKING:
    from dxdask.indexing.search_beam_position.search import search_beam_position

__all__ = ["SearchBeamPositionParameters", "search_beam_position"]

on_demand(__name__, search_beam_position="search")
