"""What the command of a step takes: the parameters of the steps, and where they run."""

from __future__ import annotations

from dxdask.analysis.parameters import (
    BadPixelParameters,
    GainParameters,
    HistogramParameters,
    LinearityParameters,
)
from dxdask.cluster.parameters import ClusterParameters
from dxdask.indexing.parameters import BravaisParameters, IndexParameters
from dxdask.integration.parameters import IntegrationParameters
from dxdask.masking.parameters import ApplyMaskParameters, GenerateMaskParameters
from dxdask.merging.parameters import MergingParameters
from dxdask.parameters import Parameters, parameter
from dxdask.refinement.parameters import RefinementParameters
from dxdask.scaling.parameters import ScalingParameters
from dxdask.spotfinding.parameters import SpotfinderParameters


class Running(Parameters):
    """Where a command runs, and whether it repeats what is there."""

    cluster: ClusterParameters = ClusterParameters()
    force: bool = parameter(False, "run again what is there with the same inputs and parameters")


class StepParameters(Running):
    """Parameters of every step; a command shows those of the groups it reads."""

    spotfinder: SpotfinderParameters = SpotfinderParameters()
    indexing: IndexParameters = IndexParameters()
    bravais: BravaisParameters = BravaisParameters()
    refinement: RefinementParameters = RefinementParameters()
    integration: IntegrationParameters = IntegrationParameters()
    histogram: HistogramParameters = HistogramParameters()
    linearity: LinearityParameters = LinearityParameters()
    scaling: ScalingParameters = ScalingParameters()
    merging: MergingParameters = MergingParameters()
    generate_mask: GenerateMaskParameters = GenerateMaskParameters()
    apply_mask: ApplyMaskParameters = ApplyMaskParameters()
    estimate_gain: GainParameters = GainParameters()
    find_bad_pixels: BadPixelParameters = BadPixelParameters()
