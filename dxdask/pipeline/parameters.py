"""What each command takes: the parameters of its steps, and where it runs."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from dxdask.analysis.parameters import HistogramParameters, LinearityParameters
from dxdask.cluster.parameters import ClusterParameters
from dxdask.indexing.parameters import BravaisParameters, IndexParameters
from dxdask.integration.parameters import IntegrationParameters
from dxdask.masking.parameters import ApplyMaskParameters, GenerateMaskParameters
from dxdask.parameters import Parameters, parameter
from dxdask.pipeline.catalogue import PROCESS, STEPS
from dxdask.refinement.parameters import RefinementParameters
from dxdask.scaling.parameters import MergingParameters, ScalingParameters
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.storage.importers.parameters import ImportParameters


class Running(Parameters):
    """Where a command runs, and whether it repeats what is there."""

    cluster: ClusterParameters = ClusterParameters()
    force: bool = parameter(False, "run again what is there with the same inputs and parameters")


class ImportStepParameters(ImportParameters):
    """Parameters of the import into a store."""

    overwrite: bool = parameter(False, "replace a store that is there")


class ImportCommandParameters(ImportStepParameters, Running):
    """Parameters of `dxdask import`."""


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


class ProcessParameters(ImportStepParameters, StepParameters):
    """Parameters of `dxdask process`: of the import and of the steps that it runs."""

    offered: ClassVar[Collection[str] | None] = (
        *ImportCommandParameters.model_fields,
        *dict.fromkeys(group for name in PROCESS for group in STEPS[name].groups),
    )
