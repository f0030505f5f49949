"""Models of the experiment: frozen dataclasses in dxtbx's conventions."""

from dxdask.models.beam import Beam
from dxdask.models.crystal import Crystal, b_matrix, cell_of, space_group
from dxdask.models.detector import Detector, Group, Panel
from dxdask.models.experiment import Experiment, ExperimentList, Member
from dxdask.models.goniometer import Goniometer
from dxdask.models.profile import GaussianProfile
from dxdask.models.scan import Scan

__all__ = [
    "Beam",
    "Crystal",
    "Detector",
    "Experiment",
    "ExperimentList",
    "GaussianProfile",
    "Goniometer",
    "Group",
    "Member",
    "Panel",
    "Scan",
    "b_matrix",
    "cell_of",
    "space_group",
]
